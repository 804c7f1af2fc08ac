import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { view } from '../src/wasm/job.js';
import {
  layerNormBackwardJob,
  layerNormJob,
  layerNormWeightGradientJobs,
  layerNormWorkspaceBytes,
} from '../src/wasm/ops/map.js';
import { layerNorm, layerNormBackward } from './reference/graph/points.js';
import { put, putLast, readView, reserve } from './support/kernels.js';
import { everywhere, expectBits, type Machine, startMachines } from './support/machines.js';
import { randomFloats } from './support/random.js';
import { expectClose, expectNear, expectWithin } from './support/references.js';

/** [h, w, c, offset of x]: far from zero, sums of squares alone would cancel. */
const shapes = [
  [1, 1, 1, 0],
  [1, 1, 2, 1],
  [2, 3, 3, 0],
  [9, 7, 4, 5],
  [3, 5, 5, 100],
  [1, 11, 7, 1000],
  [7, 1, 8, 0],
  [5, 3, 17, -30],
  [2, 2, 96, 3],
  [2, 1, 771, 0.5],
] as const;

const EPSILON = 1e-6;

const points = (data: Float32Array, c: number): Float32Array[] =>
  Array.from({ length: data.length / c }, (_, i) => data.subarray(i * c, (i + 1) * c));

function inverseDeviation(point: Float32Array): number {
  const mean = point.reduce((sum, x) => sum + x / point.length, 0);
  return 1 / Math.sqrt(point.reduce((sum, x) => sum + (x - mean) ** 2 / point.length, EPSILON));
}

describe.each(['simd', 'relaxed'] as const)('layer norm, %s', (kernels) => {
  let machines: Machine[];
  beforeAll(async () => {
    machines = await startMachines(kernels);
  });
  afterAll(() => {
    for (const machine of machines) machine.dispose();
  });

  it.each(shapes)('of %d x %d points of %d channels around %d', (h, w, c, offset) => {
    const size = { h, w, c };
    const data = randomFloats(h * w * c, 1).map((value) => value + offset);
    const [dy, earlier] = [randomFloats(h * w * c, 2), randomFloats(h * w * c, 3)];
    const [scale, shift] = [randomFloats(c, 4), randomFloats(c, 5)];
    const x64 = Float64Array.from(data);
    const affine = { scale: Float64Array.from(scale), shift: Float64Array.from(shift) };
    const x = { ...size, data };

    const [y] = everywhere(machines, [x], [size], ([x], [y], put) => [
      layerNormJob(x, { scale: put(scale), shift: put(shift), epsilon: EPSILON }, y),
    ]);
    expectClose(y, layerNorm(x64, affine, EPSILON), 2e-7, 'y');
    const [over] = everywhere(machines, [], [x], (_, [x], put) => [
      layerNormJob(x, { scale: put(scale), shift: put(shift), epsilon: EPSILON }, x),
    ]);
    expectBits(over, y, 'in place');
    const [bare] = everywhere(machines, [x], [size], ([x], [y]) => [
      layerNormJob(x, { scale: 0, shift: 0, epsilon: EPSILON }, y),
    ]);
    const ones = { scale: new Float64Array(c).fill(1), shift: new Float64Array(c) };
    expectClose(bare, layerNorm(x64, ones, EPSILON), 2e-7, 'without scale and shift');

    const right = new Float64Array(data.length);
    const weights = { scale: new Float64Array(c), shift: new Float64Array(c) };
    layerNormBackward(x64, affine, EPSILON, Float64Array.from(dy), right, weights);
    const back = (accumulate: boolean) =>
      everywhere(machines, [x, { ...size, data: dy }], [{ ...size, data: earlier }], ([x, dy], [dx], put) => [
        layerNormBackwardJob(x, { scale: put(scale), epsilon: EPSILON }, dy, dx, accumulate),
      ])[0];
    const dx = back(false);
    const steepest = Math.max(...points(data, c).map(inverseDeviation)); // its terms may cancel, of two channels nearly all
    expectWithin(dx, right, () => 5e-7 * steepest, 'dx');
    expectBits(
      back(true),
      dx.map((d, i) => d + earlier[i]),
      'dx, added',
    );
    const [inPlace] = everywhere(machines, [x], [{ ...size, data: dy }], ([x], [dy], put) => [
      layerNormBackwardJob(x, { scale: put(scale), epsilon: EPSILON }, dy, dy, false),
    ]);
    expectBits(inPlace, dx, 'dx in the place of dy');

    const targets = [scale, shift].map((data) => ({ h: 1, w: 1, c, data }));
    const gradients = (accumulate: boolean) =>
      everywhere(machines, [x, { ...size, data: dy }], targets, ([x, dy], [scale, shift], put) => {
        const workspace = { ptr: put(new Float32Array(layerNormWorkspaceBytes(x) / 4)) };
        const target = { scale: scale.ptr, shift: shift.ptr };
        return layerNormWeightGradientJobs(x, dy, { epsilon: EPSILON }, target, accumulate, workspace);
      });
    const [dscale, dshift] = gradients(false);
    expectNear(dscale, weights.scale, 1e-6, 'dscale');
    expectNear(dshift, weights.shift, 1e-6, 'dshift');
    const [more, moreShift] = gradients(true);
    expectNear(
      more,
      weights.scale.map((d, k) => d + scale[k]),
      1e-6,
      'dscale, added',
    );
    expectNear(
      moreShift,
      weights.shift.map((d, k) => d + shift[k]),
      1e-6,
      'dshift, added',
    );
  });

  it('has the gradient of finite differences', () => {
    const size = { h: 2, w: 3, c: 6 };
    const data = randomFloats(36, 1);
    const dy = randomFloats(36, 2);
    const scale = randomFloats(6, 3);
    const affine = { scale: Float64Array.from(scale), shift: new Float64Array(6) };
    const [dx] = everywhere(
      machines,
      [data, dy].map((data) => ({ ...size, data })),
      [size],
      ([x, dy], [dx], put) => [layerNormBackwardJob(x, { scale: put(scale), epsilon: 1e-3 }, dy, dx, false)],
    );
    const loss = (x: Float64Array) => layerNorm(x, affine, 1e-3).reduce((sum, y, i) => sum + y * dy[i], 0);
    const moved = (i: number, by: number) => Float64Array.from(data, (x, at) => (at === i ? x + by : x));
    const step = 1e-5;
    const slopes = Float64Array.from(data, (_, i) => (loss(moved(i, step)) - loss(moved(i, -step))) / (2 * step));
    expectClose(dx, slopes, 1e-6, 'dx');
  });

  it('of equal channels is the shift, and NaN stays in its point', () => {
    const data = Float32Array.of(3, 3, 3, 3, 3, 1, NaN, 3, 4, 5);
    const [y] = everywhere(machines, [{ h: 1, w: 2, c: 5, data }], [{ h: 1, w: 2, c: 5 }], ([x], [y], put) => [
      layerNormJob(x, { scale: put([1, 2, 3, 4, 5]), shift: put([1, 2, 3, 4, 5]), epsilon: EPSILON }, y),
    ]);
    expect([...y]).toEqual([1, 2, 3, 4, 5, NaN, NaN, NaN, NaN, NaN]);
  });

  it('reads and writes nothing behind its maps', () => {
    const [machine] = machines;
    for (const c of [2, 3, 5, 7]) {
      const x = randomFloats(c, 1);
      const norm = { scale: 0, shift: 0, epsilon: EPSILON };
      const out = view(reserve(machine, c), 1, 1, c);
      machine.run(layerNormJob(view(putLast(machine, x), 1, 1, c), { ...norm, scale: putLast(machine, x) }, out));
      const last = view(putLast(machine, x), 1, 1, c);
      machine.run(layerNormJob(view(put(machine, x), 1, 1, c), { ...norm, scale: put(machine, x) }, last));
      expectBits(readView(machine, last), readView(machine, out), 'the same');
    }
  });
});
