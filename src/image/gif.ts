import type { RgbImage } from '../base/types.js';
import { badImage, checkDimensions } from './bad-image.js';
import { type Decoding, tolerate } from './decoding.js';

/** A frame of a GIF file (GIF89a specification), its first one. */
interface Frame {
  x: number;
  y: number;
  width: number;
  height: number;
  interlaced: boolean;
  /** RGB triples. */
  palette: Uint8Array;
  /** The index that stands for nothing, or -1. */
  transparent: number;
  /** Where the LZW data begin, at the byte with the size of their codes. */
  data: number;
}

const IMAGE = 0x2c;
const EXTENSION = 0x21;
const GRAPHIC_CONTROL = 0xf9;
/** Longest code of GIF's LZW, in bits. */
const MAX_BITS = 12;

/**
 * Decodes the first frame of a GIF file, as it lies on the file's screen; what it leaves free or transparent is white, as in every other
 * format. Own code: the packages for it parse and keep all frames, trust the sizes of each, and write to the console.
 *
 * @throws AtrousCamError BAD_IMAGE
 */
export function decodeGif(bytes: Uint8Array, decoding: Decoding): RgbImage {
  const { subject, maxPixels } = decoding;
  if (bytes.length < 13) throw badImage(subject, `truncated GIF: expected at least 13 bytes, got ${bytes.length}`);
  const width = u16(bytes, 6);
  const height = u16(bytes, 8);
  checkDimensions(subject, width, height, maxPixels);
  const frame = findFrame(bytes, subject);
  checkDimensions(subject, frame.width, frame.height, maxPixels);
  const indices = new Uint8Array(frame.width * frame.height);
  const filled = unpack(bytes, frame.data, indices, subject);
  if (filled < indices.length)
    tolerate(
      decoding,
      `truncated or damaged GIF: ${filled} of ${indices.length} pixels of its first frame are there; the others are white`,
    );
  return draw({ width, height }, frame, indices, filled);
}

/** Walks over the blocks before the first frame. */
function findFrame(bytes: Uint8Array, subject: string): Frame {
  const common = colourTable(bytes, 10, 13);
  let transparent = -1;
  for (let at = 13 + common.length; at < bytes.length; ) {
    if (bytes[at] === EXTENSION) {
      if (bytes[at + 1] === GRAPHIC_CONTROL && bytes[at + 2] >= 4) transparent = bytes[at + 3] & 1 ? bytes[at + 6] : -1;
      at += 2;
      while (bytes[at] > 0) at += bytes[at] + 1;
      at++;
    } else if (bytes[at] === IMAGE && at + 10 < bytes.length) {
      const own = colourTable(bytes, at + 9, at + 10);
      const palette = own.length > 0 ? own : common;
      if (palette.length === 0) throw badImage(subject, 'damaged GIF: it has no table of colours');
      const [x, y, width, height] = [1, 3, 5, 7].map((offset) => u16(bytes, at + offset));
      const interlaced = (bytes[at + 9] & 0x40) !== 0;
      return { x, y, width, height, interlaced, palette, transparent, data: at + 10 + own.length };
    } else break;
  }
  throw badImage(subject, 'damaged or truncated GIF: it has no picture');
}

/** The table of colours at `at`, if the flags at `flags` announce one. */
function colourTable(bytes: Uint8Array, flags: number, at: number): Uint8Array {
  return bytes[flags] & 0x80 ? bytes.subarray(at, at + 3 * 2 ** ((bytes[flags] & 7) + 1)) : bytes.subarray(0, 0);
}

/**
 * LZW with codes of growing length, in blocks of up to 255 bytes. Ends at the end code, the last block, a code that cannot be, or when
 * `out` is full.
 *
 * @returns how many indices there were
 */
function unpack(bytes: Uint8Array, start: number, out: Uint8Array, subject: string): number {
  const least = bytes[start];
  if (!(least >= 1 && least <= 8)) throw badImage(subject, `damaged GIF: codes of ${least} bits`);
  const clear = 1 << least;
  // Of each code: the code it continues, its last index, its first one, and its length.
  const before = new Uint16Array(1 << MAX_BITS);
  const last = new Uint8Array(1 << MAX_BITS);
  const first = new Uint8Array(1 << MAX_BITS);
  const length = new Uint16Array(1 << MAX_BITS);
  for (let code = 0; code < clear; code++) {
    last[code] = first[code] = code;
    length[code] = 1;
  }
  let next = clear + 2;
  let bits = least + 1;
  let previous = -1;
  let filled = 0;
  const read = codeReader(bytes, start + 1);
  while (filled < out.length) {
    const code = read(bits);
    if (code === undefined || code === clear + 1) break;
    if (code === clear) {
      next = clear + 2;
      bits = least + 1;
      previous = -1;
      continue;
    }
    // A code may be the one that is just being defined: the previous one and its own first index.
    if (previous < 0 ? code >= clear : code > next || (code === next && next === 1 << MAX_BITS)) break;
    if (previous >= 0 && next < 1 << MAX_BITS) {
      before[next] = previous;
      first[next] = first[previous];
      last[next] = first[code === next ? previous : code];
      length[next] = length[previous] + 1;
      next++;
      if (next === 1 << bits && bits < MAX_BITS) bits++;
    }
    const end = filled + length[code];
    for (let at = end - 1, part = code; at >= filled; at--, part = before[part])
      if (at < out.length) out[at] = last[part];
    filled = Math.min(end, out.length);
    previous = code;
  }
  return filled;
}

/** Reads codes from the blocks at `at`, lowest bits first; undefined at their end. */
function codeReader(bytes: Uint8Array, at: number): (bits: number) => number | undefined {
  let left = 0; // bytes of the block
  let held = 0;
  let count = 0; // bits of `held`
  return (bits) => {
    while (count < bits) {
      if (left === 0) {
        left = bytes[at++] ?? 0;
        if (left === 0) return undefined;
      }
      if (at >= bytes.length) return undefined;
      held |= bytes[at++] << count;
      count += 8;
      left--;
    }
    const code = held & ((1 << bits) - 1);
    held >>>= bits;
    count -= bits;
    return code;
  };
}

/** Lays the first `filled` indices on a white screen. */
function draw(screen: { width: number; height: number }, frame: Frame, indices: Uint8Array, filled: number): RgbImage {
  const { width, height } = screen;
  const data = new Uint8Array(width * height * 3).fill(255);
  const { palette, transparent } = frame;
  const order = frame.interlaced ? interlacedRows(frame.height) : undefined;
  for (let row = 0, from = 0; row < frame.height; row++) {
    const y = frame.y + (order ? order[row] : row);
    for (let column = 0; column < frame.width && from < filled; column++, from++) {
      const x = frame.x + column;
      const index = indices[from];
      if (index === transparent || x >= width || y >= height) continue;
      for (let channel = 0; channel < 3; channel++)
        data[3 * (y * width + x) + channel] = palette[3 * index + channel] ?? 0;
    }
  }
  return { width, height, data };
}

/** The rows in the order in which an interlaced frame stores them. */
function interlacedRows(height: number): number[] {
  const rows: number[] = [];
  for (const [start, step] of [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ])
    for (let row = start; row < height; row += step) rows.push(row);
  return rows;
}

const u16 = (bytes: Uint8Array, at: number): number => bytes[at] | (bytes[at + 1] << 8);
