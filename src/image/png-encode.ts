import pako from 'pako';
import type { PixelInput } from '../api.js';
import { checkOptions } from '../base/options.js';
import { concat } from './bytes.js';
import { upng } from './upng.js';

/** What a PNG file holds besides the picture. */
export interface PngOptions {
  /** Texts to keep in the file, by keywords of 1 to 79 Latin letters; viewers ignore them. */
  texts?: Readonly<Record<string, string>>;
}

/** The number of the filter that predicts a byte from its three neighbours; best on average for photographs. */
const PAETH = 4;
/** Of pako's levels 1 to 9; 6 takes three times as long for 2% less. */
const LEVEL = 4;
const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/**
 * Encodes a picture as a PNG file, without loss: 8-bit true colour, no palette; with alpha where it has 4 bytes a pixel.
 *
 * @example
 * await writeFile('map.png', encodePng(explanation.overlay()));
 */
export function encodePng(image: PixelInput, options: PngOptions = {}): Uint8Array {
  checkOptions('encodePng', options, { texts: 1 });
  const { texts = {} } = options;
  const size = image.data.length === 4 * image.width * image.height ? 4 : 3;
  const header = new Uint8Array(13); // width, height, 8 bits, colour type; compression, filter and interlace methods are 0
  const view = new DataView(header.buffer);
  view.setUint32(0, image.width);
  view.setUint32(4, image.height);
  header.set([8, size === 4 ? 6 : 2], 8);
  const parts = [
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', pako.deflate(filterRows(image, size), { level: LEVEL })),
    ...Object.entries(texts).map(([keyword, text]) => chunk('iTXt', internationalText(keyword, text))),
    chunk('IEND', new Uint8Array(0)),
  ];
  return concat(parts);
}

/** The rows of pixels of `size` bytes after Paeth's filter, each behind the filter's number (PNG specification, section 9.4). */
function filterRows({ width, height, data }: PixelInput, size: number): Uint8Array {
  const row = width * size;
  const out = new Uint8Array(height * (1 + row));
  const above = new Uint8Array(size + row); // the row above, with a black pixel to its left
  for (let y = 0, from = 0, to = 0; y < height; y++) {
    out[to++] = PAETH;
    for (let x = 0; x < row; x++, from++) {
      const a = x < size ? 0 : data[from - size];
      out[to++] = data[from] - paeth(a, above[size + x], above[x]); // modulo 256
    }
    above.set(data.subarray(from - row, from), size);
  }
  return out;
}

/** Of left, above and above left the one nearest to left + above - above left. */
function paeth(a: number, b: number, c: number): number {
  const toA = Math.abs(b - c);
  const toB = Math.abs(a - c);
  const toC = Math.abs(a + b - 2 * c);
  if (toA <= toB && toA <= toC) return a;
  return toB <= toC ? b : c;
}

/** The content of an iTXt chunk (section 11.3.3.4). */
function internationalText(keyword: string, text: string): Uint8Array {
  // keyword, its end; compressed, by deflate; no language, no translated keyword
  const head = new TextEncoder().encode(`${keyword}\0\x01\0\0\0`);
  return concat([head, pako.deflate(new TextEncoder().encode(text))]);
}

/** Length, type, content, CRC-32 of type and content. */
function chunk(type: string, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(content, 8);
  view.setUint32(8 + content.length, upng.crc.crc(bytes, 4, 4 + content.length) >>> 0);
  return bytes;
}
