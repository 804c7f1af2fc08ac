import { describe, expect, it } from 'vitest';
import { type GridMap, gridLevels, gridNumber } from '../../src/metrics.js';
import { referenceGrid } from '../reference/grid.js';
import { seeded } from '../support/random.js';

const mapOf = (width: number, height: number, value: (x: number, y: number) => number): GridMap => ({
  width,
  height,
  data: Float32Array.from({ length: width * height }, (_, i) => value(i % width, Math.floor(i / width))),
});
const square = (value: (x: number, y: number) => number): GridMap => mapOf(224, 224, value);
function noise(seed: number) {
  const next = seeded(seed);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
const bump = (x: number, y: number) => Math.exp(-((x - 112) ** 2 + (y - 112) ** 2) / (2 * 20 ** 2));

describe('the grid number', () => {
  it('is 0 for a bump and 1 for a comb, whatever their size and offset', () => {
    expect(gridNumber(square(bump))).toBeLessThan(0.0005);
    const comb = square((x, y) => (x % 16 === 5 && y % 16 === 0 ? 3 : 0.1));
    expect(gridNumber(comb)).toBeCloseTo(1, 4);
    expect(gridNumber({ ...comb, data: Array.from(comb.data, (value) => 1e3 - 7 * value) })).toBeCloseTo(1, 4);
  });

  it('is a quarter for white noise', () => {
    const numbers = [1, 2, 3, 4].map((seed) => gridNumber(square(noise(seed))));
    for (const number of numbers) expect(Math.abs(number - 0.25)).toBeLessThan(0.015);
  });

  it.each([
    [224, 224, 1],
    [64, 64, 1],
    [96, 128, 1],
    [57, 31, 1],
    [100, 75, 1],
    [112, 112, 2],
    [56, 40, 4],
    [28, 28, 8],
    [14, 14, 16],
    [30, 21, 3],
  ])('is that of the whole spectrum: %i x %i points, %i apart', (width, height, spacing) => {
    const random = noise(width + height);
    const map = mapOf(width, height, (x, y) => random() + 2 * bump(2 * x, y) + (x % 8 === 3 ? 1 : 0));
    const expected = referenceGrid(map, spacing);
    expect(gridNumber(map, { spacing })).toBeCloseTo(expected.all, 9);
    for (const period of [16, 8, 4, 2] as const)
      expect(gridLevels(map, { spacing })[period]).toBeCloseTo(expected.byPeriod[period], 9);
  });

  it.each([16, 8, 4, 2] as const)('tells the period: %i', (period) => {
    const stripes = square((x, y) => (x % period === 0 ? 1 : 0) + (y % period === 0 ? 1 : 0));
    const levels = gridLevels(stripes);
    for (const other of [16, 8, 4, 2] as const)
      if (other > period) expect(levels[other]).toBeLessThan(1e-9);
      else expect(levels[other]).toBeGreaterThan(0.01);
    const wave = gridLevels(square((x) => Math.cos((2 * Math.PI * x) / period)));
    expect(wave[period]).toBeCloseTo(1, 4);
  });

  it('is 0 where there is nothing to see', () => {
    expect(gridNumber(square(() => 0.1))).toBe(0);
    expect(gridNumber({ width: 1, height: 1, data: [3] })).toBe(0);
    const random = noise(7);
    expect(gridNumber(mapOf(14, 14, random), { spacing: 16 })).toBe(0); // wider apart than any period
  });

  it.each([
    [{ width: 4, height: 4, data: new Float32Array(15) }, {}, /got 15 for 4 x 4/],
    [{ width: 2, height: 1, data: [1, Number.NaN] }, {}, /finite numbers, got NaN at row 0/],
    [{ width: 1, height: 2, data: [1, 2] }, { spacing: 0.5 }, /spacing: .*got 0.5/],
  ])('refuses %j', (map, options, message) => {
    expect(() => gridNumber(map, options)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    expect(() => gridNumber(map, options)).toThrow(message);
  });
});
