import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { blurred, deletion, insertion, riseKernel } from '../../src/metrics/curves.js';
import { averageDrop } from '../../src/metrics/drop.js';
import { impute } from '../../src/metrics/impute.js';
import { ranking } from '../../src/metrics/map.js';
import { removedAt, road } from '../../src/metrics/road.js';
import { probeOf, square } from '../support/metrics.js';

const references = JSON.parse(readFileSync('test/fixtures/metrics/metrics.json', 'utf8'));
const side: number = references.side;

/** Four pixels of one channel each, worth 8, 4, 2 and 1 in all. */
const four = Float32Array.of(8, 0, 0, 4, 0, 0, 2, 0, 0, 1, 0, 0);
const sum = (x: Float32Array) => x.reduce((a, b) => a + b, 0);

describe('deletion and insertion', () => {
  it('delete the most important pixels first and take the area by trapezoids', async () => {
    const probe = probeOf(four, 2, sum);
    const { auc, scores, fractions } = await deletion(probe, square([0.1, 0.9, 0.5, 0.3]), { steps: 4 });
    expect(scores).toEqual([15, 11, 9, 8, 0]);
    expect(fractions).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(auc).toBe((15 / 2 + 11 + 9 + 8 + 0) / 4);
    expect(probe.asked.length).toBe(4);
  });

  it('insert them into the baseline', async () => {
    const probe = probeOf(four, 2, sum);
    const { scores } = await insertion(probe, square([0.1, 0.9, 0.5, 0.3]), { steps: 4, baseline: 'mean' });
    expect(scores).toEqual([0, 4, 6, 7, 15]);
    expect(probe.asked.length).toBe(4);
    const own = await insertion(probe, square([4, 3, 2, 1]), { steps: 2, baseline: new Float32Array(12).fill(-1) });
    expect(own.scores).toEqual([-12, 6, 15]);
  });

  it('take several pixels a step, all of them in the end', async () => {
    const { scores, fractions } = await deletion(probeOf(four, 2, sum), square([4, 3, 2, 1]), { steps: 3 });
    expect(fractions).toEqual([0, 0.25, 0.75, 1]);
    expect(scores).toEqual([15, 7, 1, 0]);
  });

  it("blur as RISE's kernel does, zeros around", () => {
    const line = riseKernel();
    for (let i = 0; i < 121; i++)
      expect(line[Math.floor(i / 11)] * line[i % 11]).toBeCloseTo(references.riseKernel[i], 12);
    const x = blurred(Float32Array.from(references.picture), side);
    const expected: number[] = references.blurred; // channel by channel
    for (let i = 0; i < x.length; i++)
      expect(Math.abs(x[i] - expected[(i % 3) * side * side + Math.floor(i / 3)])).toBeLessThan(1e-4);
  });

  it('refuse maps of another size and numbers that are not finite', async () => {
    const probe = probeOf(four, 2, sum);
    await expect(deletion(probe, square(new Float32Array(9)))).rejects.toThrow('expected a map of 2 x 2, got 3 x 3');
    await expect(deletion(probe, square([0, 1, Number.NaN, 0]))).rejects.toThrow(
      'deletion: expected finite numbers, got NaN in row 1, column 0',
    );
    await expect(insertion(probe, square([0, 1, 1, 0]), { steps: 5 })).rejects.toThrow('at most 4 steps');
    await expect(insertion(probe, square([0, 1, 1, 0]), { steps: 0 })).rejects.toThrow('steps');
    expect(probe.asked.length).toBe(0);
  });

  it('stop where the signal says so, and report', async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const onProgress = (done: number) => {
      seen.push(done);
      if (done >= 0.5) stop.abort();
    };
    const call = deletion(probeOf(four, 2, sum), square([1, 2, 3, 4]), { steps: 4, signal: stop.signal, onProgress });
    await expect(call).rejects.toMatchObject({ code: 'ABORTED' });
    expect(seen).toEqual([0.25, 0.5]);
  });
});

describe('ranking', () => {
  it('orders by value, and equal values by the seed alone', () => {
    expect([...ranking(square([-1, -4, -2, -3]))]).toEqual([0, 2, 3, 1]);
    const flat = square(new Float32Array(10_000));
    const [a, b, again] = [0, 1, 0].map((seed) => ranking(flat, seed));
    expect(again).toEqual(a);
    expect(b).not.toEqual(a);
    expect(new Set(a).size).toBe(10_000);
    const middle = a.subarray(0, 1000).reduce((total, i) => total + i, 0) / 1000;
    expect(Math.abs(middle - 5000)).toBeLessThan(300); // three deviations: nothing of the rows' order is left
  });
});

describe('ROAD', () => {
  const falling = Float32Array.from({ length: side * side }, (_, i) => -i);

  it.each([0, 1])('fills hole %i as a direct solver does in float64', async (which) => {
    const { removed, imputed } = references.holes[which];
    const x = await impute(Float32Array.from(references.picture), side, Uint8Array.from(removed));
    for (let i = 0; i < x.length; i++) expect(Math.abs(x[i] - imputed[i])).toBeLessThan(2e-3); // of 40, the deviation
  });

  it('keeps known pixels, and fills any hole of a plain picture with its colour', async () => {
    const plain = new Float32Array(3 * side * side).fill(7);
    const removed = new Uint8Array(side * side).fill(1);
    removed[5] = 0;
    const x = await impute(plain, side, removed, { guess: new Float32Array(plain.length) });
    for (const value of x) expect(value).toBeCloseTo(7, 3);
    expect(x.subarray(15, 18)).toEqual(Float32Array.of(7, 7, 7));
  });

  it("removes as many pixels as reach NumPy's percentile", () => {
    for (const [n, p, count] of references.removedAt) expect(removedAt(p, n)).toBe(count);
  });

  it('removes the most and the least relevant pixels and combines the two', async () => {
    const n = side * side;
    const picture = Float32Array.from(references.picture);
    const probe = probeOf(picture, side, (x) => x[0]);
    const { percentiles, morf, lerf, combined } = await road(probe, square(falling), {
      percentiles: [50, 90],
      noise: 0,
    });
    const changed = probe.asked.map((x) =>
      Array.from({ length: n }, (_, i) => i).filter((i) => x[3 * i] !== picture[3 * i]),
    );
    const [few, half] = [removedAt(90, n), removedAt(50, n)];
    const ends = changed.map((pixels) => [pixels[0], pixels.length, pixels.at(-1)]);
    expect(ends).toEqual([
      [0, few, few - 1], // the most relevant first
      [0, half, half - 1],
      [n - few, few, n - 1], // the least relevant first
      [n - half, half, n - 1],
    ]);
    expect(percentiles).toEqual([50, 90]);
    expect(morf).toEqual([probe.asked[1][0], probe.asked[0][0]]);
    expect(lerf).toEqual([picture[0], picture[0]]);
    expect(combined).toBeCloseTo((lerf[0] + lerf[1] - morf[0] - morf[1]) / 4, 12);
  });

  it('draws its noise from the seed', async () => {
    const run = async (seed: number) => {
      const probe = probeOf(Float32Array.from(references.picture), side, (x) => x[0]);
      await road(probe, square(falling), { percentiles: [80], seed, order: 'morf' });
      return probe.asked[0];
    };
    const [a, b, again] = [await run(0), await run(1), await run(0)];
    expect(again).toEqual(a);
    const differences = a.map((value, i) => value - b[i]).filter((value) => value !== 0);
    expect(differences.length).toBe(3 * removedAt(80, side * side));
    const deviation = Math.sqrt(differences.reduce((total, d) => total + d * d, 0) / differences.length);
    expect(deviation).toBeGreaterThan(0.012); // 0.01 times the root of 2
    expect(deviation).toBeLessThan(0.0165);
  });

  it('refuses percentiles that leave no pixel', async () => {
    const probe = probeOf(four, 2, sum);
    await expect(road(probe, square([1, 2, 3, 4]), { percentiles: [0] })).rejects.toThrow('percentiles above 0');
  });
});

describe('averageDrop', () => {
  const quarter = Float32Array.of(0.25, 0, 0, 0.25, 0, 0, 0.25, 0, 0, 0, 0, 0);

  it('multiplies the input with the map', async () => {
    const worse = await averageDrop(probeOf(quarter, 2, sum), square([1, 0.5, 0, 1]));
    expect(worse).toEqual({ score: 0.375, drop: 0.375 / (0.75 + 1e-7), increase: 0, gain: 0 });
    const better = await averageDrop(
      probeOf(quarter, 2, (x) => 1 - sum(x)),
      square([1, 0.5, 0, 1]),
    );
    expect(better).toEqual({ score: 0.625, drop: 0, increase: 1, gain: 0.375 / (0.75 + 1e-7) });
    const same = await averageDrop(probeOf(quarter, 2, sum), square([1, 1, 1, 1]));
    expect(same).toMatchObject({ drop: 0, increase: 0, gain: 0 });
  });

  it('refuses maps that are not finished, and logits', async () => {
    await expect(averageDrop(probeOf(quarter, 2, sum), square([-1, 0, 0, 1]))).rejects.toThrow('0..1');
    await expect(averageDrop(probeOf(four, 2, sum), square([1, 0, 0, 1]))).rejects.toThrow('probability');
  });
});
