import { readFileSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';
import { expect } from 'vitest';
import type { RgbImage } from '../src/base/types.js';
import { decodeImage } from './support/decode.js';

/** A picture file of test/fixtures/images. */
export function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`./fixtures/images/${name}`, import.meta.url)));
}

export function decodeFixture(name: string): RgbImage {
  return decodeImage(fixture(name), { name });
}

/** Largest and mean absolute difference of two pictures of one size. */
export function difference(a: RgbImage, b: RgbImage): { max: number; mean: number } {
  if (a.width !== b.width || a.height !== b.height) {
    throw new Error(`sizes: expected ${b.width}x${b.height}, got ${a.width}x${a.height}`);
  }
  let max = 0;
  let sum = 0;
  for (let i = 0; i < b.data.length; i++) {
    const distance = Math.abs(a.data[i] - b.data[i]);
    max = Math.max(max, distance);
    sum += distance;
  }
  return { max, mean: sum / b.data.length };
}

/** Expects two pictures to be equal in every byte; faster than `toEqual`. */
export function expectSame(a: RgbImage, b: RgbImage, message?: string): void {
  expect([a.width, a.height, a.data.length], message).toEqual([b.width, b.height, b.data.length]);
  expect(
    a.data.findIndex((value, i) => value !== b.data[i]),
    `${message ?? 'pictures'}: first differing byte`,
  ).toBe(-1);
}

/** Seeded random integers in 0..n-1 (mulberry32). */
export function randomIntegers(seed: number): (n: number) => number {
  return (n) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

export function randomImage(seed: number, width: number, height: number): RgbImage {
  const random = randomIntegers(seed);
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => random(256)) };
}

export function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

export const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** What IHDR holds. */
export interface Header {
  width: number;
  height: number;
  depth: number;
  colorType: number;
  interlaced?: boolean;
}

export function ihdr({ width, height, depth, colorType, interlaced = false }: Header): Buffer {
  const data = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, depth, colorType, 0, 0, interlaced ? 1 : 0]);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  return chunk('IHDR', data);
}

/** A PNG file of `filtered`, the rows with their filter bytes; `extra` chunks stand before IDAT. */
export function png(header: Header, filtered: Uint8Array, extra: Buffer[] = []): Uint8Array {
  const parts = [
    pngSignature,
    ihdr(header),
    ...extra,
    chunk('IDAT', deflateSync(filtered)),
    chunk('IEND', Buffer.alloc(0)),
  ];
  return new Uint8Array(Buffer.concat(parts));
}

const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

/**
 * The rows of a picture as PNG stores them: packed, interlaced if asked, each with a random filter.
 *
 * @param sample the value of channel `c` of pixel (x, y)
 */
export function filteredRows(
  header: Header,
  channels: number,
  sample: (x: number, y: number, c: number) => number,
  random: (n: number) => number,
): Uint8Array {
  const { width, height, depth, interlaced } = header;
  const bytesPerPixel = Math.max(1, (channels * depth) >> 3);
  const out: number[] = [];
  for (const [x0, y0, stepX, stepY] of interlaced ? adam7 : [[0, 0, 1, 1]]) {
    if (x0 >= width) continue;
    let previous: number[] = [];
    for (let y = y0; y < height; y += stepY) {
      const values: number[] = [];
      for (let x = x0; x < width; x += stepX) for (let c = 0; c < channels; c++) values.push(sample(x, y, c));
      const row = packBits(values, depth);
      const filter = random(5);
      out.push(filter);
      row.forEach((value, i) => {
        const left = row[i - bytesPerPixel] ?? 0;
        const up = previous[i] ?? 0;
        const corner = previous[i - bytesPerPixel] ?? 0;
        out.push((value - [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]) & 255);
      });
      previous = row;
    }
  }
  return Uint8Array.from(out);
}

function packBits(values: number[], depth: number): number[] {
  const bits = values.map((value) => value.toString(2).padStart(depth, '0')).join('');
  return (bits.match(/.{1,8}/g) ?? []).map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2));
}

function paeth(a: number, b: number, c: number): number {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}
