import { describe, expect, it } from 'vitest';
import type { ResizeFilter } from '../src/base/types.js';
import { resizeImage } from '../src/image/decode.js';
import { resizeWindow } from '../src/image/resize.js';
import { decodeFixture, expectSame, randomImage } from './image-helpers.js';

const filters: ResizeFilter[] = ['nearest', 'bilinear', 'bicubic', 'lanczos'];

describe('resizeImage', () => {
  const chelsea = decodeFixture('chelsea.png');

  it.each(filters)('%s: equals Pillow', (filter) => {
    expectSame(resizeImage(chelsea, 224, 224, filter), decodeFixture(`chelsea-224-${filter}.expected.png`));
  });

  it.each(filters)('%s: columns first, then rows', (filter) => {
    const image = randomImage(1, 31, 17);
    const narrow = resizeImage(image, 13, 17, filter);
    expectSame(resizeImage(narrow, 13, 40, filter), resizeImage(image, 13, 40, filter));
  });

  it.each(filters)('%s: keeps a flat picture flat', (filter) => {
    const data = new Uint8Array(30 * 20 * 3).fill(201);
    for (const [width, height] of [
      [1, 1],
      [7, 50],
      [64, 3],
    ]) {
      expect(new Set(resizeImage({ width: 30, height: 20, data }, width, height, filter).data)).toEqual(new Set([201]));
    }
  });

  it('returns the picture itself at its own size', () => {
    for (const filter of filters) expect(resizeImage(chelsea, 451, 300, filter)).toBe(chelsea);
  });

  it('refuses sizes and filters that cannot be', () => {
    const bad = { code: 'BAD_ARGUMENT' };
    for (const size of [0, -1, 1.5, Number.NaN]) {
      expect(() => resizeImage(chelsea, size, 10, 'nearest')).toThrow(expect.objectContaining(bad));
      expect(() => resizeImage(chelsea, 10, size, 'bicubic')).toThrow(expect.objectContaining(bad));
    }
    for (const filter of ['cubic', 'toString'] as unknown as ResizeFilter[]) {
      expect(() => resizeImage(chelsea, 10, 10, filter)).toThrow(
        /expected one of "nearest", "bilinear", "bicubic", "lanczos"/,
      );
    }
  });
});

describe('resizeWindow', () => {
  it.each(filters)('%s: equals a crop of the whole result', (filter) => {
    const image = randomImage(2, 40, 23);
    for (const [width, height] of [
      [100, 90],
      [20, 15],
    ]) {
      const whole = resizeImage(image, width, height, filter);
      const window = { x: 3, y: 5, width: 11, height: 7 };
      const part = resizeWindow(image, width, height, filter, window);
      for (let y = 0; y < window.height; y++) {
        const from = 3 * ((y + window.y) * width + window.x);
        expect(part.data.subarray(33 * y, 33 * (y + 1))).toEqual(whole.data.subarray(from, from + 33));
      }
    }
  });

  it.each(filters)('%s: never holds the whole result', (filter) => {
    const strip = randomImage(3, 50_000, 1); // the whole would have 12.8 million columns of 256 rows: 10 GB
    const part = resizeWindow(strip, 12_800_000, 256, filter, { x: 6_400_000, y: 16, width: 224, height: 224 });
    expect(part.data.length).toBe(224 * 224 * 3);
  });
});
