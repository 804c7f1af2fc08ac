import type { ImageInput, PixelInput } from '../api.js';
import { AtrousCamError, throwIfAborted } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { checkOptions } from '../base/options.js';
import { isNode, nodeModule } from '../base/platform.js';
import type { RgbImage } from '../base/types.js';
import { imageSubject } from './bad-image.js';
import { type DecodeOptions, decodePicture, toRgbImage } from './decode.js';
import { isDrawable, pixelsOf } from './drawable.js';

/** More than any picture that is decoded needs: the largest, 100 megapixels of 16-bit RGBA, is 800 MB without any compression. */
const MAX_FILE_BYTES = 1e9;

/** How a picture is read. */
export interface ReadImageOptions extends Omit<DecodeOptions, 'name'> {
  signal?: AbortSignal;
}

/**
 * Reads and decodes a picture: upright RGB from whatever the caller has. What the calls of a network do with a picture first; by
 * itself it tells, in `warnings`, what was wrong with a file, and lets several calls share one decoding.
 *
 * @throws AtrousCamError NOT_FOUND, BAD_IMAGE, BAD_ARGUMENT, ABORTED
 * @example
 * const picture = await readImage('cat.webp');
 * for (const warning of picture.warnings ?? []) console.warn(warning);
 * const { map } = await net.explain(picture);
 */
export async function readImage(image: ImageInput, options: ReadImageOptions = {}): Promise<RgbImage> {
  checkOptions('readImage', options, { signal: 1, maxPixels: 1, reduces: 1, draft: 1, strict: 1 });
  const { signal, ...decoding } = options;
  if (typeof image === 'string' || image instanceof URL)
    return decodePicture(await readFile(image, signal), { ...decoding, name: String(image) });
  if (image instanceof Uint8Array) return decodePicture(image, decoding);
  if (image instanceof ArrayBuffer) return decodePicture(new Uint8Array(image), decoding);
  if (typeof Blob !== 'undefined' && image instanceof Blob)
    return decodePicture(new Uint8Array(await image.arrayBuffer()), {
      ...decoding,
      name: (image as Partial<File>).name,
    });
  if (isPixelInput(image)) return toRgbImage(image);
  if (isDrawable(image)) return toRgbImage(pixelsOf(image));
  throw new AtrousCamError(
    'BAD_ARGUMENT',
    'image: expected a path, the bytes of a picture file, a Blob, { width, height, data }, or in a browser what can be drawn',
  );
}

const isPixelInput = (image: unknown): image is PixelInput =>
  typeof image === 'object' && image !== null && 'width' in image && 'height' in image && 'data' in image;

async function readFile(path: string | URL, signal?: AbortSignal): Promise<Uint8Array> {
  const subject = imageSubject(String(path));
  if (!isNode) throw new AtrousCamError('BAD_ARGUMENT', `${subject}: is a path; a browser needs the bytes or a Blob`);
  const fs = await nodeModule('fs/promises');
  const notFound = (reason: string, cause?: unknown) =>
    new AtrousCamError('NOT_FOUND', `${subject}: ${reason}`, { cause });
  const tooLarge = (size: string) =>
    new AtrousCamError('BAD_IMAGE', `${subject}: expected a file of at most ${MAX_FILE_BYTES} bytes, got ${size}`);
  try {
    const stat = await fs.stat(path);
    if (stat.isCharacterDevice() || stat.isBlockDevice()) throw notFound('expected a file, got a device'); // may be endless
    if (stat.size > MAX_FILE_BYTES) throw tooLarge(String(stat.size));
    if (!stat.isFIFO()) return await fs.readFile(path, { signal });
    const { readPipe } = await lazy(() => import('./pipe.js'));
    const bytes = await readPipe(path, MAX_FILE_BYTES, signal);
    if (bytes === 'unused') throw notFound('it is a pipe that nobody writes to');
    if (bytes === 'endless') throw tooLarge('more from a pipe');
    return bytes;
  } catch (cause) {
    if (cause instanceof AtrousCamError) throw cause;
    throwIfAborted(signal);
    const { code } = cause as NodeJS.ErrnoException;
    const isAddress = /^https?:/i.test(String(path));
    const isData = /^data:/i.test(String(path));
    const elsewhere = isData
      ? 'it is a data URL; pass the bytes that it holds'
      : 'pictures are not downloaded; save it and pass its path';
    const reasons: Record<string, string> = {
      ENOENT: isAddress || isData ? elsewhere : 'no such file',
      ENAMETOOLONG: isData ? elsewhere : 'its name is too long',
      EISDIR: 'it is a folder',
      EACCES: 'no permission to read it',
      ERR_INVALID_URL_SCHEME: elsewhere,
    };
    throw notFound(reasons[code ?? ''] ?? (cause as Error).message, cause);
  }
}
