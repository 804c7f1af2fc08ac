import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gaussian, mulberry32 } from '../../src/base/random.js';
import { bootstrap, bootstrapOf, pairedDifference } from '../../src/metrics/intervals.js';
import { compare, measureMap, summarize } from '../../src/metrics/measure.js';
import { boxMask } from '../../src/metrics/regions.js';
import { rankCorrelation, ssim } from '../../src/metrics/similarity.js';
import { probeOf, square } from '../support/metrics.js';

const references = JSON.parse(readFileSync('test/fixtures/metrics/metrics.json', 'utf8'));
const [a, b, coarse] = [references.a, references.b, references.coarse].map(square);

describe('similarity', () => {
  it("is SciPy's Spearman correlation, ties included", () => {
    expect(rankCorrelation(a, b)).toBeCloseTo(references.spearman.ab, 10);
    expect(rankCorrelation(a, coarse)).toBeCloseTo(references.spearman.aCoarse, 10);
    expect(rankCorrelation(a, a)).toBeCloseTo(1, 12);
    expect(rankCorrelation(a, square(references.a.map((value: number) => -value)))).toBeCloseTo(-1, 12);
    expect(rankCorrelation(a, square(new Float32Array(a.data.length)))).toBe(0);
  });

  it("is scikit-image's structural similarity", () => {
    expect(ssim(a, b)).toBeCloseTo(references.ssim.ab, 8);
    expect(ssim(a, coarse)).toBeCloseTo(references.ssim.aCoarse, 8);
    expect(ssim(a, a)).toBeCloseTo(1, 12);
    expect(() => ssim(square([1, 2, 3, 4]), square([1, 2, 3, 4]))).toThrow('at least 11 x 11');
  });
});

describe('intervals', () => {
  it('hold the middle of the means of pictures that are drawn anew', () => {
    const draw = gaussian(mulberry32(5));
    const values = Float64Array.from({ length: 400 }, () => 10 + 2 * draw());
    const { value, low, high, count } = bootstrap(values, { samples: 5000 });
    expect(value).toBeCloseTo(values.reduce((x, y) => x + y, 0) / 400, 12);
    const spread = Math.sqrt(values.reduce((sum, x) => sum + (x - value) ** 2, 0) / 400 / 400);
    expect((high - value) / spread).toBeCloseTo(1.96, 1); // the central limit
    expect((value - low) / spread).toBeCloseTo(1.96, 1);
    expect(count).toBe(400);
    const narrow = bootstrap(values, { level: 0.5 });
    expect((narrow.high - narrow.low) / spread).toBeCloseTo(2 * 0.674, 1);
  });

  it('come from the seed', () => {
    const values = [1, 5, 2, 8, 3];
    expect(bootstrap(values, { seed: 3 })).toEqual(bootstrap(values, { seed: 3 }));
    expect(bootstrap(values, { seed: 3 })).not.toEqual(bootstrap(values, { seed: 4 }));
    expect(bootstrap([4])).toEqual({ value: 4, low: 4, high: 4, count: 1 });
  });

  it('see small differences between maps of very different pictures', () => {
    const first = Float64Array.from({ length: 50 }, (_, i) => i);
    const second = first.map((value, i) => value - 1 - (i % 2) / 2);
    const { value, low, high } = pairedDifference(first, second);
    expect(value).toBe(1.25);
    expect(low).toBeGreaterThan(1);
    expect(high).toBeLessThan(1.5);
    expect(bootstrap(first).low).toBeLessThan(bootstrap(second).high);
  });

  it('refuse what has no mean', () => {
    expect(() => bootstrap([])).toThrow('pictures');
    expect(() => bootstrap([1, Number.NaN])).toThrow('NaN of picture 1');
    expect(() => pairedDifference([1], [1, 2])).toThrow('1 and 2');
    expect(() => bootstrapOf(2, () => 0, { level: 1 })).toThrow('level');
  });
});

describe('measureMap', () => {
  const side = 12;
  const n = side * side;
  const tensor = Float32Array.from({ length: 3 * n }, (_, i) => (i < 60 ? 1 / 60 : 0));
  const probe = () => probeOf(tensor, side, (x) => x.reduce((sum, value) => sum + Math.abs(value), 0) / 2);
  const box = { x: 0, y: 0, width: 12, height: 2 };
  const mask = boxMask(box, side, side);
  const map = square(Float32Array.from({ length: n }, (_, i) => (i < 24 ? 1 : 0)));

  it('measures what its ground allows', async () => {
    const located = await measureMap(map, { mask, box });
    expect(Object.keys(located)).toEqual(['grid', 'pointing', 'energy', 'precision', 'maskiou', 'box']);
    expect(located).toMatchObject({ pointing: 1, energy: 1 });
    const seen: number[] = [];
    const judge = probe();
    const all = await measureMap(
      map,
      { mask, box, probe: judge },
      {
        steps: 4,
        percentiles: [50, 90],
        onProgress: (done) => seen.push(done),
      },
    );
    expect(judge.asked.length).toBe(4 + 4 + 4 + 1);
    expect(seen.length).toBe(13);
    expect(seen.at(-1)).toBeCloseTo(1, 12);
    expect(seen).toEqual([...seen].sort((x, y) => x - y));
    expect(all).toMatchObject({ drop: 0, gain: 0, increase: 0 });
    expect(all.road).toBeCloseTo((all.lerf! - all.morf!) / 2, 12);
    expect(all.deletion).toBeLessThan(all.insertion!);
  });

  it('says what is missing', async () => {
    await expect(measureMap(map, { mask }, { metrics: ['road'] })).rejects.toThrow('a probe for road');
    await expect(measureMap(map, { box }, { metrics: ['energy'] })).rejects.toThrow('a mask for energy');
    await expect(measureMap(map, { mask }, { metrics: ['box'] })).rejects.toThrow('a box for box');
    await expect(measureMap(map, { mask }, { metrics: ['iou' as never] })).rejects.toThrow("got 'iou'");
  });

  it('sums up many pictures', async () => {
    const other = square(Float32Array.from({ length: n }, (_, i) => (i >= 120 ? 1 : 0)));
    const measures = [await measureMap(map, { mask, box }), await measureMap(other, { mask, box })];
    const summary = summarize(measures, { samples: 200 });
    expect(Object.keys(summary)).toEqual([
      'grid',
      'pointing',
      'energy',
      'precision',
      'maskiou',
      'maxbox',
      'box30',
      'box50',
      'box70',
      'maxboxv2',
    ]);
    expect(summary.energy).toMatchObject({ value: 0.5, low: 0, high: 1, count: 2 });
    expect(summary.maxbox.value).toBe(0.5);
    expect(summary.maxboxv2.value).toBeCloseTo(0.5, 12);
    expect(Object.keys(summarize([measures[0], { energy: 1 }]))).toEqual(['energy']);
  });

  it('compares two maps of the same pictures', async () => {
    const shifted = square(Float32Array.from({ length: n }, (_, i) => (i >= 12 && i < 36 ? 1 : 0)));
    const measures = async (one: typeof map) => Array(5).fill(await measureMap(one, { mask, box }));
    const better = compare(await measures(map), await measures(shifted), { samples: 100 });
    expect(better.energy).toEqual({ value: 0.5, low: 0.5, high: 0.5, count: 5 });
    expect(better.box50.value).toBe(1); // the shifted box reaches 1 / 3
    expect(better.box30.value).toBe(0);
    expect(better.maxboxv2.value).toBeCloseTo(2 / 3, 12);
    expect(() => compare([{ energy: 1 }], [])).toThrow('1 and 0');
  });
});
