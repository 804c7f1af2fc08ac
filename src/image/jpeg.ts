import type { RgbImage } from '../base/types.js';
import { badImage } from './bad-image.js';
import { type Decoding, tolerate } from './decoding.js';
import { smoothChroma, ycbcrToRgb } from './jpeg-chroma.js';
import { type DecodedPlanes, decodePlanes, JpegDamage, type Plane } from './jpeg-decoder.js';
import { type JpegParts, maxSampling, readJpegSegments } from './jpeg-segments.js';
import { applyOrientation } from './orient.js';

/** What decoding may allocate, as `decodingBytes` counts: enough for 130 megapixels of a baseline 4:2:0 file. */
const MAX_BYTES = 2 ** 30;
/** Pixels that a picture with more than `maxPixels` is brought below. */
const REDUCED_PIXELS = 32e6;

/**
 * Decodes a baseline or progressive JPEG file (grey, YCbCr, RGB, Adobe CMYK and YCCK), upright by its EXIF orientation, to the pixels that
 * libjpeg gives, bit for bit. One that is too large is decoded at a half, a quarter or an eighth of its size, which a JPEG file allows
 * without ever having all of its pixels.
 *
 * @throws AtrousCamError BAD_IMAGE
 */
export function decodeJpeg(bytes: Uint8Array, decoding: Decoding): RgbImage {
  const parts = readJpegSegments(bytes, decoding);
  return decodeAt(parts, chooseSide(parts, decoding), decoding);
}

/** @param side samples a side that a block of 8x8 becomes: 8, or 4, 2, 1 for a smaller picture */
export function decodeAt(parts: JpegParts, side: number, decoding: Decoding): RgbImage {
  const image = colour(parts, decodeSamples(parts, side, decoding), side);
  return applyOrientation(image, parts.orientation);
}

/** Samples a side that a block of 8x8 becomes. */
function chooseSide(parts: JpegParts, decoding: Decoding): number {
  const { width, height } = parts;
  const { maxPixels, draft } = decoding;
  const enough = [1, 2, 4].find((side) => Math.min(reduced(width, side), reduced(height, side)) >= draft);
  const most = width * height > maxPixels ? Math.min(REDUCED_PIXELS, maxPixels) : maxPixels;
  for (const side of enough ? [enough] : decoding.reduces ? [8, 4, 2, 1] : [8]) {
    const [w, h] = [reduced(width, side), reduced(height, side)];
    if (w * h > most || decodingBytes(parts, side) > MAX_BYTES) continue;
    if (side < 8 && !enough)
      tolerate(decoding, `too large a JPEG: ${width}x${height} pixels; it was read at ${w}x${h}`);
    return side;
  }
  const fault = `decoding ${width}x${height} pixels takes more than ${MAX_BYTES / 2 ** 20} MB; scale it down`;
  throw badImage(decoding.subject, `too large a JPEG: ${fault}`);
}

const reduced = (size: number, side: number): number => Math.ceil((size * side) / 8);

/** Samples, coefficients of a progressive file, and the pixels, twice where they are turned. */
function decodingBytes({ width, height, blocks, progressive, orientation }: JpegParts, side: number): number {
  const pixels = reduced(width, side) * reduced(height, side);
  const samples = blocks * side * side * (side < 8 ? 2 : 1); // coarser components may be enlarged
  return samples + (progressive ? 128 * blocks : 0) + pixels * (orientation === 1 ? 3 : 6);
}

function decodeSamples(parts: JpegParts, side: number, decoding: Decoding): DecodedPlanes {
  const { subject } = decoding;
  try {
    const decoded = decodePlanes(parts.essence, side);
    const { share } = decoded;
    if (share === 0) throw new JpegDamage('nothing of it can be decoded');
    if (share < 1) {
      const percent = Math.max(1, Math.floor(100 * share));
      const rest = parts.progressive ? 'the rest is blurred or grey' : 'the rest is grey';
      tolerate(
        decoding,
        `damaged or truncated JPEG: its image data ends too early or makes no sense; ${percent}% is there, ${rest}`,
      );
    }
    return decoded;
  } catch (error) {
    if (!(error instanceof JpegDamage)) throw error;
    throw badImage(subject, `damaged or truncated JPEG: ${error.message}`, error);
  }
}

/** The pixels of the components. */
function colour(parts: JpegParts, { planes }: DecodedPlanes, side: number): RgbImage {
  const [width, height] = [reduced(parts.width, side), reduced(parts.height, side)];
  const image = { width, height, data: new Uint8Array(3 * width * height) };
  // How finely the samples lie now, where a coarser component's blocks were made larger.
  const sampling = planes.map(({ id, h, v, side }) => ({ id, h: h * side, v: v * side }));
  if (planes.length === 1) {
    for (const channel of [0, 1, 2]) spread(planes[0], 1, 1, image, channel);
    return image;
  }
  const { maxH, maxV } = maxSampling(sampling);
  for (const channel of [0, 1, 2])
    spread(planes[channel], maxH / sampling[channel].h, maxV / sampling[channel].v, image, channel);
  if (side > 1) smoothChroma(image, sampling.slice(0, 3)); // libjpeg repeats samples of the smallest size
  if (parts.luma) ycbcrToRgb(image);
  if (planes.length === 4) applyBlack(image, planes[3], maxH / sampling[3].h, maxV / sampling[3].v, parts.luma);
  return image;
}

/** Writes a component into a channel, each sample as often as it stands for pixels. */
function spread(
  plane: Plane,
  ratioX: number,
  ratioY: number,
  { width, height, data }: RgbImage,
  channel: number,
): void {
  const { samples } = plane;
  const stride = plane.blockStride * plane.side;
  for (let y = 0, to = channel; y < height; y++) {
    const row = Math.floor(y / ratioY) * stride;
    if (ratioX === 1) for (let x = 0; x < width; x++, to += 3) data[to] = samples[row + x];
    else for (let x = 0; x < width; x++, to += 3) data[to] = samples[row + Math.floor(x / ratioX)];
  }
}

/**
 * Four inks as RGB, as Pillow shows them: stored inverted, as Adobe does it, whether or not the file says so.
 *
 * @param inverted the three colours are inks' complements once more: they come from YCCK
 */
function applyBlack(image: RgbImage, black: Plane, ratioX: number, ratioY: number, inverted: boolean): void {
  const { width, height, data } = image;
  const stride = black.blockStride * black.side;
  for (let y = 0, to = 0; y < height; y++) {
    const row = Math.floor(y / ratioY) * stride;
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < 3; channel++, to++) {
        const light = black.samples[row + Math.floor(x / ratioX)];
        const ink = inverted ? data[to] : 255 - data[to];
        const product = ink * light + 128;
        data[to] = Math.max(0, light - (((product >> 8) + product) >> 8));
      }
  }
}
