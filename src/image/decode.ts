import { AtrousCamError } from '../base/errors.js';
import type { RgbImage } from '../base/types.js';
import { badImage, imageSubject } from './bad-image.js';
import { overWhite } from './bytes.js';
import { decodeJpeg } from './jpeg.js';
import { decodePng } from './png.js';
import { sniff } from './sniff.js';

export { encodePng, type PngOptions } from './png-encode.js';
export { resizeImage } from './resize.js';

/** 100 megapixels: 300 MB of RGB. */
const DEFAULT_MAX_PIXELS = 100e6;

/**
 * Decodes a PNG or JPEG file. The format is told by its first bytes; transparency is laid over white; EXIF orientation is
 * applied. The same bytes give the same pixels in Node and in browsers.
 *
 * @param bytes the whole file
 * @param options.name the picture in error messages, such as its file name
 * @param options.maxPixels the largest width x height accepted; default 100 million
 * @throws AtrousCamError BAD_IMAGE: not a PNG or JPEG, damaged, cut off, of an unsupported kind, or too large
 * @example
 * const { width, height, data } = decodeImage(await readFile('cat.jpg'), { name: 'cat.jpg' });
 */
export function decodeImage(bytes: Uint8Array, options: { name?: string; maxPixels?: number } = {}): RgbImage {
  const { name, maxPixels = DEFAULT_MAX_PIXELS } = options;
  const subject = imageSubject(name);
  if (bytes.length === 0) throw badImage(subject, 'expected a PNG or JPEG file, got an empty one');
  const found = sniff(bytes);
  switch (found.format) {
    case 'png':
      return decodePng(bytes, subject, maxPixels);
    case 'jpeg':
      return decodeJpeg(bytes, subject, maxPixels);
    case 'other':
      throw badImage(subject, `expected a PNG or JPEG file, got ${found.name}; convert it to PNG or JPEG`);
    case 'unknown':
      throw badImage(
        subject,
        `expected a PNG or JPEG file, got something that begins with ${hex(bytes.subarray(0, 8))}`,
      );
  }
}

/**
 * Takes pixels that are decoded already, such as an ImageData.
 *
 * @param pixels.data `width * height` pixels, row by row, of 4 bytes (RGBA, not premultiplied; laid over white) or 3 (RGB)
 * @returns a copy
 * @throws AtrousCamError BAD_ARGUMENT: sizes that are no positive integers, another length, values that are no bytes
 */
export function toRgbImage(pixels: { width: number; height: number; data: ArrayLike<number> }): RgbImage {
  const { width, height, data } = pixels;
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
    return { width, height, data: rgb };
  }
  for (let from = 0, to = 0; to < rgb.length; from += 4) {
    const alpha = data[from + 3];
    for (let channel = 0; channel < 3; channel++) rgb[to++] = overWhite(data[from + channel], alpha);
  }
  return { width, height, data: rgb };
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
