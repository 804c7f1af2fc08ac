import type { RgbImage } from '../base/types.js';
import { badImage, checkDimensions } from './bad-image.js';
import { unpackRuns } from './bmp-runs.js';
import { overWhite } from './bytes.js';
import { type Decoding, tolerate } from './decoding.js';

/** What the headers of a BMP file say. */
interface Header {
  width: number;
  height: number;
  /** The first stored row is the top one. */
  topDown: boolean;
  /** Bits a pixel: 1, 4, 8 (palette), 16, 24, 32. */
  depth: number;
  compression: number;
  /** Bits of red, green, blue and alpha in a pixel of 16 or 32; alpha 0 where there is none. */
  masks: number[];
  /** Byte of the first colour, and bytes of each. */
  palette: { at: number; size: number };
  /** Byte of the first row. */
  pixels: number;
}

const [RGB, RLE8, RLE4, BITFIELDS, , , ALPHA_BITFIELDS] = [0, 1, 2, 3, 4, 5, 6];
const MASKS_16 = [0x7c00, 0x03e0, 0x001f, 0];
const MASKS_32 = [0xff0000, 0x00ff00, 0x0000ff, 0];

/**
 * Decodes a BMP file of any depth, with palettes, bit masks and runs. What its masks call alpha is laid over white, unless it is 0
 * everywhere; a fourth byte that no mask names means nothing.
 * Own code: the packages for it read few kinds, and none checks the sizes.
 *
 * @throws AtrousCamError BAD_IMAGE
 */
export function decodeBmp(bytes: Uint8Array, decoding: Decoding): RgbImage {
  const { subject, maxPixels } = decoding;
  const header = readHeader(bytes, subject);
  const { width, height, topDown, depth, compression } = header;
  checkDimensions(subject, width, height, maxPixels);
  const isRuns = compression === RLE8 || compression === RLE4;
  const rowBytes = Math.ceil((width * depth) / 32) * 4;
  const stored = bytes.subarray(Math.min(header.pixels, bytes.length));
  // A run is two bytes for up to 255 pixels; whole rows may be left out, so that nothing follows from less.
  if (!isRuns && stored.length < rowBytes * (height - 1) + Math.ceil((width * depth) / 8)) {
    const rows = Math.floor(stored.length / rowBytes);
    if (rows === 0) throw badImage(subject, `truncated BMP: ${stored.length} bytes of pixels are not a row`);
    tolerate(decoding, `truncated BMP: ${rows} of ${height} rows are there; the others are white`);
  }
  const data = new Uint8Array(width * height * 3).fill(255);
  const indices = isRuns ? unpackRuns(stored, width, height, depth) : undefined;
  const write = pixelWriter(bytes, header, indices ?? stored, indices ? width : rowBytes);
  for (let row = 0; row < height; row++) {
    if (!indices && (row + 1) * rowBytes > stored.length + 3) break;
    const y = topDown ? row : height - 1 - row;
    for (let x = 0; x < width; x++) write(row, x, data, 3 * (y * width + x));
  }
  return { width, height, data };
}

function readHeader(bytes: Uint8Array, subject: string): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bytes.length >= 26 ? view.getUint32(14, true) : 0;
  if (size < 12 || bytes.length < 14 + size)
    throw badImage(subject, `truncated or damaged BMP: expected a header, got ${bytes.length} bytes`);
  const pixels = view.getUint32(10, true);
  const isOld = size < 40; // OS/2 1.x; later ones of OS/2 begin like those of Windows
  const width = isOld && size === 12 ? view.getUint16(18, true) : view.getInt32(18, true);
  const tall = isOld && size === 12 ? view.getInt16(20, true) : view.getInt32(22, true);
  const depth = view.getUint16(isOld && size === 12 ? 24 : 28, true);
  const compression = isOld ? RGB : view.getUint32(30, true);
  const kinds: Record<number, number[]> = {
    [RGB]: [1, 4, 8, 16, 24, 32],
    [RLE8]: [8],
    [RLE4]: [4],
    [BITFIELDS]: [16, 32],
    [ALPHA_BITFIELDS]: [16, 32],
  };
  if (!kinds[compression]?.includes(depth))
    throw badImage(
      subject,
      `unsupported kind of BMP: ${depth} bits a pixel with compression ${compression}; save it as PNG or JPEG`,
    );
  const hasMasks = compression === BITFIELDS || compression === ALPHA_BITFIELDS;
  if (hasMasks && bytes.length < 70) throw badImage(subject, 'truncated BMP: its bit masks are missing');
  const hasAlpha = compression === ALPHA_BITFIELDS || size >= 56;
  const own = () => [54, 58, 62, 66].map((at, i) => (i < 3 || hasAlpha ? view.getUint32(at, true) : 0));
  const masks = hasMasks ? own() : depth === 16 ? MASKS_16 : MASKS_32;
  const extra = hasMasks && size === 40 ? (compression === BITFIELDS ? 12 : 16) : 0;
  const palette = { at: 14 + size + extra, size: size === 12 ? 3 : 4 };
  return { width, height: Math.abs(tall), topDown: tall < 0, depth, compression, masks, palette, pixels };
}

/** Writes the colour of a pixel of a stored row to a place of `out`. */
type PixelWriter = (row: number, x: number, out: Uint8Array, to: number) => void;

/** @param rowBytes of `stored`, which holds one index a byte where runs were unpacked */
function pixelWriter(bytes: Uint8Array, header: Header, stored: Uint8Array, rowBytes: number): PixelWriter {
  const { depth, compression, palette, masks, pixels } = header;
  if (depth === 24)
    return (row, x, out, to) => {
      const from = row * rowBytes + 3 * x;
      for (let channel = 0; channel < 3; channel++) out[to + channel] = stored[from + 2 - channel];
    };
  if (depth > 8) {
    const fields = masks.slice(0, 3).map(fieldOf);
    const valueAt = (from: number) => {
      const low = stored[from] | (stored[from + 1] << 8);
      return depth === 16 ? low : (low | (stored[from + 2] << 16) | (stored[from + 3] << 24)) >>> 0;
    };
    const alphaOf = masks[3] && !isEmpty(masks[3], stored, depth / 8, valueAt) ? fieldOf(masks[3]) : () => 255;
    return (row, x, out, to) => {
      const value = valueAt(row * rowBytes + (x * depth) / 8);
      const alpha = alphaOf(value);
      for (let channel = 0; channel < 3; channel++) out[to + channel] = overWhite(fields[channel](value), alpha);
    };
  }
  const unpacked = compression === RLE8 || compression === RLE4;
  const bits = unpacked ? 8 : depth;
  const mask = 2 ** bits - 1;
  const colours = Math.max(0, Math.floor((Math.min(pixels, bytes.length) - palette.at) / palette.size));
  return (row, x, out, to) => {
    const bit = x * bits;
    const index = (stored[row * rowBytes + (bit >> 3)] >> (8 - bits - (bit & 7))) & mask;
    const from = palette.at + index * palette.size;
    for (let channel = 0; channel < 3; channel++)
      out[to + channel] = index < colours ? (bytes[from + 2 - channel] ?? 0) : 0;
  };
}

/** Whether no pixel has a bit of the mask. */
function isEmpty(mask: number, stored: Uint8Array, step: number, valueAt: (from: number) => number): boolean {
  for (let from = 0; from + step <= stored.length; from += step) if ((valueAt(from) & mask) !== 0) return false;
  return true;
}

/** The function that takes the bits of a mask out of a pixel and stretches them to 0..255; 0 without a mask. */
function fieldOf(mask: number): (value: number) => number {
  if (mask === 0) return () => 0;
  const shift = 31 - Math.clz32(mask & -mask);
  const most = mask >>> shift;
  return (value) => Math.floor((((value & mask) >>> shift) * 255) / most);
}
