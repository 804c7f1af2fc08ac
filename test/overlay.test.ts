import upng from 'upng-js';
import { expect, test } from 'vitest';
import type { RgbImage } from '../src/base/types.js';
import { encodePng } from '../src/image/png-encode.js';
import { drawHeatmap } from '../src/map/heatmap.js';
import { colormapNames, colormapTable, overlayMap } from '../src/map/overlay.js';

/** A picture of one grey. */
const grey = (width: number, height: number, value: number): RgbImage => ({
  width,
  height,
  data: new Uint8Array(width * height * 3).fill(value),
});
const pixel = ({ width, data }: RgbImage, x: number, y: number) => [...data.subarray(3 * (y * width + x)).slice(0, 3)];
const map = (width: number, height: number, values: number[]) => ({ width, height, data: Float32Array.from(values) });

test('alpha blends between the photograph and the colour of the map', () => {
  const image = grey(4, 4, 100);
  const whole = { x: 0, y: 0, width: 4, height: 4 };
  const ones = map(2, 2, [1, 1, 1, 1]);
  expect(overlayMap(image, ones, whole, { alpha: 0, colormap: 'grey' }).data).toEqual(image.data);
  expect(pixel(overlayMap(image, ones, whole, { alpha: 1, colormap: 'grey' }), 2, 2)).toEqual([255, 255, 255]);
  expect(pixel(overlayMap(image, ones, whole, { alpha: 0.5, colormap: 'grey' }), 2, 2)).toEqual([178, 178, 178]);
  expect(image.data.every((v) => v === 100)).toBe(true);
});

test('the map is stretched with half-pixel centres and clamped at its borders', () => {
  const image = grey(8, 1, 0);
  const result = overlayMap(
    image,
    map(2, 1, [0, 1]),
    { x: 0, y: 0, width: 8, height: 1 },
    { alpha: 1, colormap: 'grey' },
  );
  // Pixel x lies at (x + 0.5) / 8 * 2 - 0.5 of the map: below 0 and above 1 it is clamped.
  const expected = [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1].map((v) => colormapTable('grey')[3 * Math.round(v * 255)]);
  expect([...result.data].filter((_, i) => i % 3 === 0)).toEqual(expected);
});

test('rows and columns of the map are not swapped', () => {
  const result = overlayMap(
    grey(4, 4, 0),
    map(2, 2, [0, 1, 0, 0]),
    { x: 0, y: 0, width: 4, height: 4 },
    {
      alpha: 1,
      colormap: 'grey',
    },
  );
  expect(pixel(result, 3, 0)).toEqual([255, 255, 255]);
  expect(pixel(result, 0, 3)).toEqual([0, 0, 0]);
});

test('outside the rectangle the photograph is darker and has no colour', () => {
  const image = grey(6, 4, 200);
  const result = overlayMap(
    image,
    map(1, 1, [1]),
    { x: 1.5, y: 0, width: 3, height: 4 },
    { alpha: 0.5, colormap: 'turbo' },
  );
  const inside = [0, 1, 2, 3, 4, 5].map((x) => pixel(result, x, 2).join() !== '120,120,120');
  expect(inside).toEqual([false, true, true, true, false, false]); // pixels whose centre lies in [1.5, 4.5)
});

test('values beyond 0..1 are clamped and NaN counts as 0', () => {
  const whole = { x: 0, y: 0, width: 3, height: 1 };
  const draw = (values: number[]) =>
    overlayMap(grey(3, 1, 0), map(3, 1, values), whole, { alpha: 1, colormap: 'viridis' });
  const clamped = draw([-5, 7, 7]);
  expect(pixel(clamped, 0, 0)).toEqual([68, 1, 84]);
  expect(pixel(clamped, 1, 0)).toEqual([253, 231, 37]);
  expect(pixel(draw([Number.NaN, 1, 1]), 0, 0)).toEqual([68, 1, 84]);
});

test('a heat map is transparent where there is no evidence and where the network does not look', () => {
  const draw = (values: number[], signed: boolean, alpha?: number) => {
    const drawn = {
      image: grey(5, 1, 0),
      map: { ...map(3, 1, values), signed },
      rect: { x: 1, y: 0, width: 3, height: 1 },
    };
    return drawHeatmap(drawn, alpha === undefined ? {} : { alpha }).data;
  };
  const alphas = (data: Uint8Array) => [...data].filter((_, i) => i % 4 === 3);
  const plain = draw([0, 0.5, 1], false);
  expect(alphas(plain)).toEqual([0, 0, 128, 255, 0]);
  expect([...plain.subarray(12, 15)]).toEqual([...colormapTable('turbo').slice(-3)]);
  expect(alphas(draw([0, 0.5, 1], false, 0.5))).toEqual([0, 0, 64, 128, 0]);
  const signed = draw([-1, 0, Number.NaN], true);
  expect(alphas(signed).slice(0, 3)).toEqual([0, 255, 0]);
  expect([...signed.subarray(4, 7)]).toEqual([...colormapTable('redblue').slice(0, 3)]);
});

test('encodePng keeps alpha', () => {
  const data = Uint8Array.from({ length: 4 * 7 * 5 }, (_, i) => (i * 37) % 251);
  const file = encodePng({ width: 7, height: 5, data });
  const { width, height, depth, ctype, ...png } = upng.decode(file.slice().buffer as ArrayBuffer);
  expect({ width, height, depth, ctype }).toEqual({ width: 7, height: 5, depth: 8, ctype: 6 });
  expect(new Uint8Array(upng.toRGBA8({ width, height, depth, ctype, ...png })[0])).toEqual(data);
});

test('every colour map has 256 colours and its known ends', () => {
  for (const name of colormapNames) expect(colormapTable(name)).toHaveLength(768);
  expect([...colormapTable('inferno').slice(0, 3)]).toEqual([0, 0, 4]);
  expect([...colormapTable('grey').slice(0, 3)]).toEqual([0, 0, 0]);
  expect([...colormapTable('grey').slice(-3)]).toEqual([255, 255, 255]);
});

test('wrong arguments are refused with what was expected', () => {
  const whole = { x: 0, y: 0, width: 2, height: 2 };
  const call = (options: object, m = map(1, 1, [0])) => overlayMap(grey(2, 2, 0), m, whole, options);
  expect(() => call({ colormap: 'virdis' })).toThrowError(
    /^colormap: expected one of turbo, viridis, .*got "virdis"; did you mean "viridis"\?$/,
  );
  expect(() => call({ colormap: 'toString' })).toThrowError(/^colormap: expected one of/);
  expect(() => call({ alpha: 1.5 })).toThrowError('alpha: expected a number from 0 to 1, got 1.5');
  expect(() => call({ alpha: Number.NaN })).toThrowError('alpha: expected a number from 0 to 1, got NaN');
  expect(() => call({}, map(2, 2, [0]))).toThrowError('map: expected width * height = 4 values');
});
