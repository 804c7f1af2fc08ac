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
/** Only runs are looked for (Z_RLE): behind Paeth's filter that is smaller than level 4 (245 and 255 kB) and takes half its time. */
const HOW = { level: 1, strategy: 3 } as const;
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
    chunk('IDAT', compress(filterRows(image, size))),
    ...Object.entries(texts).map(([keyword, text]) => chunk('iTXt', internationalText(keyword, text))),
    chunk('IEND', new Uint8Array(0)),
  ];
  return concat(parts);
}

/** Node's own zlib takes a third of pako's time; both files hold the same picture. */
function compress(bytes: Uint8Array): Uint8Array {
  const zlib = globalThis.process?.getBuiltinModule?.('node:zlib'); // not by platform.ts, which would bring more into a bundle
  return zlib ? zlib.deflateSync(bytes, HOW) : pako.deflate(bytes, HOW);
}

/**
 * The rows of pixels of `size` bytes after Paeth's filter, each behind the filter's number (PNG specification, section 9.4). Beyond the
 * picture all is 0, so that the first pixel is predicted from above, and the first row from the left.
 */
function filterRows({ width, height, data }: PixelInput, size: number): Uint8Array {
  const row = width * size;
  const out = new Uint8Array(height * (1 + row));
  for (let y = 0, from = 0, to = 0; y < height; y++) {
    out[to++] = PAETH;
    const [second, end] = [from + size, from + row];
    for (; from < second; from++) out[to++] = data[from] - (y > 0 ? data[from - row] : 0);
    if (y === 0) for (; from < end; from++) out[to++] = data[from] - data[from - size];
    for (; from < end; from++)
      out[to++] = data[from] - paeth(data[from - size], data[from - row], data[from - row - size]); // modulo 256
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
