import { AtrousCamError } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { checkOptions } from '../base/options.js';
import { isNode, nodeModule } from '../base/platform.js';
import type { Rect, RgbImage } from '../base/types.js';
import type { GreyMap } from './map.js';
import { inputBox, inputMask, type Mask, maskBox } from './regions.js';
import { readTable } from './table.js';

/** A picture whose object is known: a row of an index. */
export interface MaskedPicture {
  /** As the index names it. */
  readonly file: string;
  /** Where it lies, for `explain` and `openProbe`. */
  readonly path: string;
  readonly maskPath: string;
  /** Its class. */
  readonly label: string;
  /** The object's box in the photograph's pixels, where the index has one. */
  readonly body?: Rect;
  /** A second box, of the animal's head. */
  readonly head?: Rect;
  /** All columns of its row, by name. */
  readonly row: Readonly<Record<string, string>>;
}

/** How an index is read. */
export interface IndexOptions {
  /** The column of the class. Default `species`. */
  classColumn?: string;
}

const INDEX = 'index.csv';

/**
 * The pictures of a folder with known objects, in the order of its `index.csv`. Of its columns `file`, `mask` (both
 * paths in the folder) and that of the class have to be there; `body_x0`, `body_y0`, `body_x1`, `body_y1` are the
 * object's box, `head_...` its head's, pixels from the upper left corner to behind the last one; where a row leaves
 * them empty there is none. Only the index is read. Node only.
 *
 * @throws AtrousCamError NOT_FOUND (no such folder, no index), BAD_ARGUMENT (columns that are missing, rows that are
 *   wrong, no row), UNSUPPORTED
 * @example
 * const pictures = await readMaskedPictures('pets');
 */
export async function readMaskedPictures(folder: string, options: IndexOptions = {}): Promise<MaskedPicture[]> {
  checkOptions('readMaskedPictures', options, { classColumn: 1 });
  const { classColumn = 'species' } = options;
  const { path, text } = await readIndex(folder);
  const { join } = await nodeModule('path');
  const { columns, rows } = readTable(text, path);
  const missing = ['file', 'mask', classColumn].filter((name) => !columns.includes(name));
  if (missing.length > 0)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `"${path}": expected the columns file, mask and ${classColumn} (the class), got ${columns.join(', ')}`,
    );
  if (rows.length === 0) throw new AtrousCamError('BAD_ARGUMENT', `"${path}": has no picture`);
  return rows.map((row, i) => {
    const where = `"${path}": row ${i + 1}`;
    for (const name of ['file', 'mask', classColumn])
      if (row[name] === '') throw new AtrousCamError('BAD_ARGUMENT', `${where}: the cell of ${name} is empty`);
    return {
      file: row.file,
      path: join(folder, row.file),
      maskPath: join(folder, row.mask),
      label: row[classColumn],
      body: boxOf('body', row, where),
      head: boxOf('head', row, where),
      row,
    };
  });
}

async function readIndex(folder: string): Promise<{ path: string; text: string }> {
  if (!isNode) throw new AtrousCamError('UNSUPPORTED', 'pictures with masks are read from folders, which needs Node');
  const [fs, { join }] = [await nodeModule('fs/promises'), await nodeModule('path')];
  const path = join(folder, INDEX);
  try {
    return { path, text: await fs.readFile(path, 'utf8') };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isThere = await fs.access(folder).then(
      () => true,
      () => false,
    );
    const reasons: Record<string, string> = {
      ENOENT: isThere ? `it has no ${INDEX}` : 'nothing is there',
      ENOTDIR: 'it is a file',
    };
    throw new AtrousCamError(
      'NOT_FOUND',
      `"${folder}": expected a folder with an ${INDEX}, but ${reasons[code ?? ''] ?? message}`,
      { cause },
    );
  }
}

function boxOf(name: string, row: Record<string, string>, where: string): Rect | undefined {
  const corners = ['x0', 'y0', 'x1', 'y1'].map((end) => row[`${name}_${end}`]);
  if (corners.every((text) => !text)) return undefined;
  const [x0, y0, x1, y1] = corners.map((text) => (text ? Number(text) : Number.NaN));
  if (x1 > x0 && y1 > y0) return { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
  throw new AtrousCamError('BAD_ARGUMENT', `${where}: expected a box in ${name}_x0 ... ${name}_y1, got ${corners}`);
}

/** What a picture's maps are held against, at the input's size. */
export interface PictureGround {
  readonly mask: Mask;
  /** The index's `body`, or else the box around the mask. */
  readonly box: Rect;
}

/**
 * Reads a picture's mask, as the network sees it.
 *
 * @param seen the upright photograph and the part of it that the network sees: a probe, an explanation, or what `preprocess` gives
 * @param side of the input in pixels
 * @param threshold what a pixel of the mask needs to be inside; default 1. Of a mask with 128 on the boundary, 129 leaves the boundary out
 * @throws AtrousCamError NOT_FOUND, BAD_IMAGE (no picture, another size than the photograph, nothing inside that the network sees)
 * @example
 * const probe = await openProbe(net, picture.path, { target: picture.label });
 * const ground = { probe, ...(await readGround(picture, probe, net.inputSize)) };
 */
export async function readGround(
  picture: MaskedPicture,
  seen: { readonly image: RgbImage; readonly rect: Rect },
  side: number,
  threshold?: number,
): Promise<PictureGround> {
  const { image, rect } = seen;
  const bad = (what: string) => new AtrousCamError('BAD_IMAGE', `mask "${picture.maskPath}": ${what}`);
  const { readImage } = await lazy(() => import('../image/input.js')); // pages, which read no folder, need not load the decoders
  const { width, height, data } = await readImage(picture.maskPath).catch((error) => {
    if (!(error instanceof AtrousCamError)) throw error;
    throw new AtrousCamError(error.code, error.message.replace(/^image /, 'mask '), { cause: error });
  });
  if (width !== image.width || height !== image.height)
    throw bad(`expected the photograph's ${image.width} x ${image.height} pixels, got ${width} x ${height}`);
  const grey: GreyMap = {
    width,
    height,
    data: Uint8Array.from({ length: width * height }, (_, i) => brightest(data, i)),
  };
  const mask = inputMask(grey, rect, side, threshold);
  const around = maskBox(mask);
  if (!around) throw bad('nothing of the object is in the part that the network sees');
  const body = picture.body && inputBox(picture.body, rect, side);
  return { mask, box: body && body.width * body.height > 0 ? body : around };
}

/** The largest of a pixel's colours: what is not black is inside, whatever its colour. */
const brightest = (data: Uint8Array, pixel: number): number =>
  Math.max(data[3 * pixel], data[3 * pixel + 1], data[3 * pixel + 2]);
