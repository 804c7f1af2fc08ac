import { describe, expect, it } from 'vitest';
import { toRgbImage } from '../src/image/decode.js';

describe('toRgbImage', () => {
  it('takes RGB as it is, as a copy', () => {
    const data = Uint8Array.of(1, 2, 3, 4, 5, 6);
    const image = toRgbImage({ width: 2, height: 1, data });
    expect(image).toEqual({ width: 2, height: 1, data });
    expect(image.data).not.toBe(data);
  });

  it('lays RGBA over white', () => {
    const data = Uint8ClampedArray.of(10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 200, 51);
    const image = toRgbImage({ width: 3, height: 1, data });
    expect(image.data).toEqual(Uint8Array.of(10, 20, 30, 255, 255, 255, 204, 224, 244));
  });

  it('takes other arrays of bytes', () => {
    expect(toRgbImage({ width: 1, height: 1, data: [1, 2, 3] }).data).toEqual(Uint8Array.of(1, 2, 3));
    expect(toRgbImage({ width: 1, height: 1, data: Float32Array.of(1, 2, 3) }).data).toEqual(Uint8Array.of(1, 2, 3));
  });

  it.each([
    ['0x1', { width: 0, height: 1, data: new Uint8Array(0) }, 'positive integer'],
    ['1.5x2', { width: 1.5, height: 2, data: new Uint8Array(9) }, 'positive integer'],
    ['a missing size', { height: 2, data: new Uint8Array(9) }, 'positive integer'],
    ['one byte too few', { width: 2, height: 2, data: new Uint8Array(15) }, '16 (RGBA) or 12 (RGB) bytes'],
    ['grey', { width: 2, height: 2, data: new Uint8Array(4) }, '16 (RGBA) or 12 (RGB) bytes'],
    ['no data', { width: 2, height: 2 }, 'got undefined'],
    ['fractions', { width: 1, height: 1, data: Float32Array.of(0.5, 0, 1) }, 'got 0.5 at 0'],
    ['256', { width: 1, height: 1, data: [0, 256, 1] }, 'got 256 at 1'],
    ['negative numbers', { width: 1, height: 1, data: [0, 0, -1] }, 'got -1 at 2'],
  ])('refuses %s', (_, pixels, message) => {
    expect(() => toRgbImage(pixels as Parameters<typeof toRgbImage>[0])).toThrow(
      expect.objectContaining({ code: 'BAD_ARGUMENT', message: expect.stringContaining(message) }),
    );
  });
});
