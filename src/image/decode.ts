import { AtrousCamError } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import type { RgbImage } from '../base/types.js';
import { badImage, imageSubject } from './bad-image.js';
import { type Decoding, withWarnings } from './decoding.js';
import { overWhiteAt } from './place.js';
import { type Format, sniff } from './sniff.js';

export { encodePng, type PngOptions } from './png-encode.js';
export { resizeImage } from './resize.js';

/** 100 megapixels: 300 MB of RGB. */
const DEFAULT_MAX_PIXELS = 100e6;

/** How a file is decoded. */
export interface DecodeOptions {
  /** The picture in error messages, such as its file name. */
  name?: string;
  /** The largest width x height accepted; default 100 million. */
  maxPixels?: number;
  /** Whether a JPEG of up to 2.5 times as many is decoded at a half, a quarter or an eighth of its size; default true, but for `strict`. */
  reduces?: boolean;
  /**
   * A JPEG is decoded at a half, a quarter or an eighth of its size where both sides keep at least so many pixels, which takes less time and
   * memory (Pillow's draft mode). Pixels resized from it differ a little from those of the whole picture. Default: at its own size.
   */
  draft?: number;
  /**
   * Refuse files that break their format, though other programs show them: cut off, without an end marker, with wrong checksums. By
   * default what is there is decoded, and the picture's `warnings` say what was wrong.
   */
  strict?: boolean;
}

/** The formats as people write them, for messages. */
const FORMATS = 'PNG, JPEG, WebP, GIF, BMP or AVIF';

/**
 * Decodes a picture file. The format is told by its first bytes; of animations the first picture is taken; transparency is laid over
 * white; the orientation that EXIF or the format itself states is applied. The same bytes give the same pixels in Node and in browsers.
 *
 * @param bytes the whole file
 * @throws AtrousCamError BAD_IMAGE: no picture of these formats, damaged, of an unsupported kind, or too large
 * @example
 * const { width, height, data } = await decodePicture(await readFile('cat.jpg'), { name: 'cat.jpg' });
 */
export async function decodePicture(bytes: Uint8Array, options: DecodeOptions = {}): Promise<RgbImage> {
  const decoding = decodingOf(options);
  const decode = decoders[formatOf(bytes, decoding)];
  return withWarnings(await decode(bytes, decoding), decoding);
}

const decoders = {
  png: async (bytes: Uint8Array, decoding: Decoding) =>
    (await lazy(() => import('./png.js'))).decodePng(bytes, decoding),
  jpeg: async (bytes: Uint8Array, decoding: Decoding) =>
    (await lazy(() => import('./jpeg.js'))).decodeJpeg(bytes, decoding),
  webp: async (bytes: Uint8Array, decoding: Decoding) =>
    (await lazy(() => import('./webp.js'))).decodeWebp(bytes, decoding),
  gif: async (bytes: Uint8Array, decoding: Decoding) =>
    (await lazy(() => import('./gif.js'))).decodeGif(bytes, decoding),
  bmp: async (bytes: Uint8Array, decoding: Decoding) =>
    (await lazy(() => import('./bmp.js'))).decodeBmp(bytes, decoding),
  avif: async (bytes: Uint8Array, decoding: Decoding) =>
    (await lazy(() => import('./avif.js'))).decodeAvif(bytes, decoding),
};

/** What decoders are told, with the defaults. */
export const decodingOf = ({
  name,
  maxPixels = DEFAULT_MAX_PIXELS,
  strict = false,
  reduces = !strict,
  draft = Number.POSITIVE_INFINITY,
}: DecodeOptions): Decoding => ({
  subject: imageSubject(name),
  maxPixels,
  draft: checkDraft(draft),
  reduces,
  strict,
  warnings: [],
});

function checkDraft(draft: number): number {
  if (draft > 0) return draft;
  throw new AtrousCamError('BAD_ARGUMENT', `draft: expected a number of pixels above 0, got ${draft}`);
}

/** The file's format by its first bytes. Throws BAD_IMAGE where it is none of ours. */
export function formatOf(bytes: Uint8Array, { subject }: Decoding): Format {
  if (bytes.length === 0) throw badImage(subject, `expected a ${FORMATS} file, got an empty one`);
  const found = sniff(bytes);
  if (found.format === 'other')
    throw badImage(subject, `expected a ${FORMATS} file, got ${found.name}; convert it to PNG or JPEG`);
  if (found.format !== 'unknown') return found.format;
  throw badImage(subject, `expected a ${FORMATS} file, got something that begins with ${hex(bytes.subarray(0, 8))}`);
}

/**
 * Takes pixels that are decoded already, such as an ImageData.
 *
 * @param pixels.data `width * height` pixels, row by row, of 4 bytes (RGBA, not premultiplied; laid over white) or 3 (RGB)
 * @returns a copy
 * @throws AtrousCamError BAD_ARGUMENT: sizes that are no positive integers, another length, values that are no bytes
 */
export function toRgbImage(pixels: {
  width: number;
  height: number;
  data: ArrayLike<number>;
  warnings?: readonly string[];
}): RgbImage {
  const { width, height, data, warnings } = pixels;
  const kept = warnings && { warnings };
  if (!(Number.isSafeInteger(width) && Number.isSafeInteger(height) && width > 0 && height > 0)) {
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `pixels: expected a positive integer width and height, got ${width}x${height}`,
    );
  }
  const count = width * height;
  if (data?.length !== count * 3 && data?.length !== count * 4) {
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `pixels: expected ${count * 4} (RGBA) or ${count * 3} (RGB) bytes of data for ${width}x${height}, got ${data?.length}`,
    );
  }
  checkBytes(data);
  const rgb = new Uint8Array(count * 3);
  if (data.length === rgb.length) {
    rgb.set(data);
    return { width, height, data: rgb, ...kept };
  }
  const image = { width, height, data: rgb };
  overWhiteAt(image, pixels);
  return image;
}

function checkBytes(data: ArrayLike<number>): void {
  if (data instanceof Uint8Array || data instanceof Uint8ClampedArray) return;
  for (let i = 0; i < data.length; i++) {
    if ((data[i] & 255) !== data[i]) {
      throw new AtrousCamError(
        'BAD_ARGUMENT',
        `pixels: expected bytes (integers from 0 to 255), got ${data[i]} at ${i}`,
      );
    }
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(' ');
}
