import pako from 'pako';
import type { RgbImage } from '../base/types.js';
import { badImage } from './bad-image.js';
import { overWhite } from './bytes.js';
import { type Decoding, tolerate } from './decoding.js';
import { exifOrientation } from './exif.js';
import { applyOrientation } from './orient.js';
import { type PngParts, readPngChunks } from './png-chunks.js';
import { upng } from './upng.js';

/** A regular grid of the picture's pixels, stored as a picture of its own: everything, or one of Adam7's seven passes. */
interface Pass {
  x: number;
  y: number;
  stepX: number;
  stepY: number;
  width: number;
  height: number;
  /** Bytes of a row of packed samples, without the filter byte before it. */
  rowBytes: number;
}

/** Adam7: first column, first row, column step, row step of each pass (PNG specification, section 8.2). */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

/** Deflate cannot make more than 1032 bytes of one (a match of 258 bytes in 2 bits), so less data than that is cut off. */
const MAX_DEFLATE_RATIO = 1032;

/**
 * Decodes a PNG file exactly: every colour type, depth and interlacing. 16-bit samples keep their high byte, smaller ones
 * are scaled to 0..255, transparency is laid over white, an `eXIf` orientation is applied. Of an animation the still picture.
 *
 * The file's chunks are checked here and the pixels are inflated with a bound, because upng-js checks nothing and inflates
 * without end. It undoes the row filters; its own unpacking is not used, as it confuses 1-bit interlaced pictures, grey
 * rows that do not fill their last byte, and black as the transparent grey.
 *
 * @throws AtrousCamError BAD_IMAGE
 */
export function decodePng(bytes: Uint8Array, decoding: Decoding): RgbImage {
  const { subject } = decoding;
  const parts = readPngChunks(bytes, decoding);
  const passes = passesOf(parts);
  const size = passes.reduce((sum, pass) => sum + pass.height * (1 + pass.rowBytes), 0);
  const samples = inflateExactly(parts.idat, size, decoding);
  const image = { width: parts.width, height: parts.height, data: new Uint8Array(parts.width * parts.height * 3) };
  const colorOf = pixelReader(parts, samples);
  let offset = 0;
  for (const pass of passes) {
    checkFilters(samples, offset, pass, subject);
    upng.decode._filterZero(samples, { ctype: parts.colorType, depth: parts.depth }, offset, pass.width, pass.height);
    for (let row = 0; row < pass.height; row++) {
      const from = offset + row * pass.rowBytes;
      let to = 3 * ((pass.y + row * pass.stepY) * parts.width + pass.x);
      for (let column = 0; column < pass.width; column++, to += 3 * pass.stepX) colorOf(from, column, image.data, to);
    }
    offset += pass.height * (1 + pass.rowBytes);
  }
  return applyOrientation(image, exifOrientation(parts.exif));
}

/** The passes that hold at least one pixel; a small interlaced picture lacks some. */
function passesOf({ width, height, depth, channels, interlaced }: PngParts): Pass[] {
  return (interlaced ? adam7 : [[0, 0, 1, 1]])
    .map(([x, y, stepX, stepY]) => {
      const columns = Math.ceil((width - x) / stepX);
      const rows = Math.ceil((height - y) / stepY);
      return {
        x,
        y,
        stepX,
        stepY,
        width: columns,
        height: rows,
        rowBytes: Math.ceil((columns * depth * channels) / 8),
      };
    })
    .filter((pass) => pass.width > 0 && pass.height > 0);
}

/**
 * Inflates a zlib stream that must give `size` bytes. Bytes beyond them, and a checksum at their end that is wrong or missing, are
 * tolerated; nothing is inflated beyond them.
 *
 * @param pieces of the stream, in order, none empty
 */
function inflateExactly(pieces: Uint8Array[], size: number, decoding: Decoding): Uint8Array {
  const { subject } = decoding;
  const stored = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (size > stored * MAX_DEFLATE_RATIO) {
    throw badImage(subject, `truncated PNG: ${stored} bytes of pixel data cannot hold the ${size} that its size needs`);
  }
  const out = new Uint8Array(size);
  let filled = 0;
  let surplus = false;
  let status: number | undefined; // set when the stream is over: 0, or zlib's negative error
  const inflate = new pako.Inflate({ windowBits: 15 });
  const take = (chunk: Uint8Array) => {
    surplus ||= filled + chunk.length > size;
    out.set(chunk.subarray(0, size - filled), filled);
    filled = Math.min(filled + chunk.length, size);
  };
  inflate.onData = (chunk) => take(chunk as Uint8Array);
  inflate.onEnd = (code) => {
    status = code;
  };
  for (const piece of pieces) if (status === undefined && !surplus) inflate.push(piece, false);
  // What was unpacked before an error or the end of the data is not given to onData.
  const { output, next_out } = (inflate as unknown as { strm: { output: Uint8Array | null; next_out: number } }).strm;
  if (status !== 0 && !surplus && output) take(output.subarray(0, next_out));
  if (filled < size) {
    const isDamaged = status !== undefined && status !== 0;
    if (isDamaged) throw badImage(subject, 'damaged PNG: its pixel data does not decompress');
    throw badImage(subject, `truncated PNG: expected ${size} bytes of pixel data, got ${filled}`);
  }
  if (surplus) tolerate(decoding, 'damaged PNG: it holds more pixel data than its size needs; the rest was left out');
  else if (status === undefined) tolerate(decoding, 'truncated PNG: the checksum behind its pixel data is missing');
  else if (status !== 0) tolerate(decoding, 'damaged PNG: the checksum of its pixel data does not match them');
  return out;
}

function checkFilters(samples: Uint8Array, offset: number, pass: Pass, subject: string): void {
  for (let row = 0; row < pass.height; row++) {
    const filter = samples[offset + row * (1 + pass.rowBytes)];
    if (filter > 4) throw badImage(subject, `damaged PNG: expected a row filter of 0 to 4, got ${filter}`);
  }
}

/** Writes the 8-bit RGB of one pixel: `from` is its packed row in `samples`, `to` its place in `out`. */
type PixelReader = (from: number, column: number, out: Uint8Array, to: number) => void;

function pixelReader(parts: PngParts, samples: Uint8Array): PixelReader {
  const { depth, channels, color, transparency } = parts;
  const sample = sampleReader(samples, depth);
  if (color === 'palette') {
    const colors = opaquePalette(parts);
    return (from, column, out, to) => {
      const index = 3 * sample(from, column);
      out[to] = colors[index];
      out[to + 1] = colors[index + 1];
      out[to + 2] = colors[index + 2];
    };
  }
  const scale = depth === 16 ? 1 / 256 : 255 / (2 ** depth - 1);
  const to8 = (value: number) => (value * scale) | 0;
  const gray = channels <= 2;
  const hasAlpha = channels === 2 || channels === 4;
  // One colour may stand for "transparent"; it is compared at the picture's own depth.
  const key = transparency.length > 0 ? [0, gray ? 0 : 2, gray ? 0 : 4].map((i) => be16(transparency, i)) : undefined;
  return (from, column, out, to) => {
    const first = column * channels;
    const r = sample(from, first);
    const g = gray ? r : sample(from, first + 1);
    const b = gray ? r : sample(from, first + 2);
    const isKey = key !== undefined && r === key[0] && g === key[1] && b === key[2];
    const alpha = hasAlpha ? to8(sample(from, first + channels - 1)) : isKey ? 0 : 255;
    out[to] = overWhite(to8(r), alpha);
    out[to + 1] = overWhite(to8(g), alpha);
    out[to + 2] = overWhite(to8(b), alpha);
  };
}

/** Reads sample `index` of the packed row at byte `from`, at full depth. */
function sampleReader(samples: Uint8Array, depth: number): (from: number, index: number) => number {
  if (depth === 8) return (from, index) => samples[from + index];
  if (depth === 16) return (from, index) => be16(samples, from + 2 * index);
  const mask = 2 ** depth - 1;
  return (from, index) => {
    const bit = index * depth; // the first sample of a byte is in its highest bits
    return (samples[from + (bit >> 3)] >> (8 - depth - (bit & 7))) & mask;
  };
}

/** 256 RGB triples, transparency laid over white. What the file does not define is black, as in other decoders. */
function opaquePalette({ palette, transparency }: PngParts): Uint8Array {
  const colors = new Uint8Array(768);
  for (let i = 0; i < palette.length; i++) colors[i] = overWhite(palette[i], transparency[(i / 3) | 0] ?? 255);
  return colors;
}

function be16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}
