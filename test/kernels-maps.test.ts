import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ActivationFunction, init, type Kernels } from '../src/kernels.js';
import { curveOf } from './reference/graph/activations.js';
import {
  combine,
  combineBackward,
  gather,
  gatherBackward,
  layerNorm,
  layerNormBackward,
} from './reference/graph/points.js';
import { builds } from './support/kernels.js';
import { randomFloats } from './support/random.js';
import { expectClose, expectNear } from './support/references.js';

/** [n, h, w, c]; one that fills several blocks of 4096 numbers, with a rest. */
const shapes = [
  [1, 1, 1, 1],
  [2, 3, 5, 3],
  [1, 9, 7, 4],
  [3, 2, 2, 17],
  [2, 31, 29, 5],
  [1, 5, 1, 5000],
] as const;

const size = (shape: readonly number[]) => shape.reduce((product, side) => product * side, 1);
const f64 = (data: ArrayLike<number>) => Float64Array.from(data);
const TOLERANCE = 1e-6;

const activations: [ActivationFunction, ReturnType<typeof curveOf>][] = [
  ['relu', curveOf({ f: 'relu' })],
  ['relu6', curveOf({ f: 'clip', low: 0, high: 6 })],
  ['elu', curveOf({ f: 'elu', alpha: 1 })],
  ['selu', curveOf({ f: 'selu' })],
  ['sigmoid', curveOf({ f: 'sigmoid' })],
  ['tanh', curveOf({ f: 'tanh' })],
  ['silu', curveOf({ f: 'silu' })],
  ['hard-swish', curveOf({ f: 'hard-swish' })],
  ['gelu', curveOf({ f: 'gelu', approximate: false })],
  ['gelu-tanh', curveOf({ f: 'gelu', approximate: true })],
  ['softplus', curveOf({ f: 'softplus' })],
  ...[
    { f: 'clip', low: -1, high: 2 } as const,
    { f: 'leaky-relu', slope: 0.3 } as const,
    { f: 'elu', alpha: 0.5 } as const,
    { f: 'hard-sigmoid', slope: 0.2, offset: 0.5 } as const,
  ].map((activation): [ActivationFunction, ReturnType<typeof curveOf>] => [activation, curveOf(activation)]),
];

describe.each(builds)('kernels on maps, $kernels, $threads threads', (build) => {
  let k: Kernels;
  beforeAll(async () => {
    k = await init(build);
  });
  afterAll(() => k.dispose());

  it.each(activations)('activation %j', (activation, { value, slope }) => {
    for (const length of [1, 7, 4096, 9001]) {
      const x = randomFloats(length, 1).map((number) => 7 * number);
      const dy = randomFloats(length, 2);
      expectClose(k.activation({ x, activation }), f64(x).map(value), TOLERANCE, `y of ${length}`);
      const right = f64(x).map((number, i) => slope(number) * dy[i]);
      expectClose(k.activationBackward({ x, activation, dy }), right, TOLERANCE, `dx of ${length}`);
      const positive = dy.map((d) => Math.max(d, 0));
      const guided = k.activationBackward({ x, activation, dy, guided: true });
      expect(guided).toEqual(k.activationBackward({ x, activation, dy: positive }));
    }
  });

  it.each(shapes)('prelu of (%d, %d, %d, %d)', (...shape) => {
    const c = shape[3];
    const [x, dy, slope] = [randomFloats(size(shape), 1), randomFloats(size(shape), 2), randomFloats(c, 3)];
    const curves = Array.from(slope, (own) => curveOf({ f: 'prelu' }, own));
    const y = k.activation({ x, activation: { f: 'prelu', slope } });
    expectClose(
      y,
      f64(x).map((number, i) => curves[i % c].value(number)),
      TOLERANCE,
      'y',
    );
    const { dx, dslope } = k.preluBackward({ x, slope, dy });
    expectClose(
      dx,
      f64(x).map((number, i) => curves[i % c].slope(number) * dy[i]),
      TOLERANCE,
      'dx',
    );
    expect(k.activationBackward({ x, activation: { f: 'prelu', slope }, dy })).toEqual(dx);
    const sums = new Float64Array(c);
    for (const [i, number] of x.entries()) sums[i % c] += dy[i] * Math.min(number, 0);
    expectNear(dslope, sums, TOLERANCE, 'dslope');
  });

  it.each(shapes)('affine of (%d, %d, %d, %d)', (...shape) => {
    const c = shape[3];
    const [x, dy] = [randomFloats(size(shape), 1), randomFloats(size(shape), 2)];
    const [scale, shift] = [randomFloats(c, 3), randomFloats(c, 4)];
    const y = k.affine({ x, shape, scale, shift });
    expectClose(
      y,
      f64(x).map((number, i) => number * scale[i % c] + shift[i % c]),
      TOLERANCE,
      'y',
    );
    expect(k.affine({ x, shape: [size(shape) / c, c], scale, shift }), 'any number of axes').toEqual(y);
    const { dx, dscale, dshift } = k.affineBackward({ x, shape, scale, dy });
    expectClose(
      dx,
      f64(dy).map((d, i) => d * scale[i % c]),
      TOLERANCE,
      'dx',
    );
    const sums = [new Float64Array(c), new Float64Array(c)];
    for (const [i, d] of dy.entries()) {
      sums[0][i % c] += d * x[i];
      sums[1][i % c] += d;
    }
    expectNear(dscale, sums[0], TOLERANCE, 'dscale');
    expectNear(dshift, sums[1], TOLERANCE, 'dshift');
  });

  it.each(shapes)('layerNorm of (%d, %d, %d, %d)', (...shape) => {
    const c = shape[3];
    const [x, dy] = [randomFloats(size(shape), 1).map((number) => number + 3), randomFloats(size(shape), 2)];
    const [scale, shift] = [randomFloats(c, 3), randomFloats(c, 4)];
    const epsilon = 1e-3;
    const weights = { scale: f64(scale), shift: f64(shift) };
    expectClose(k.layerNorm({ x, shape, scale, shift, epsilon }), layerNorm(f64(x), weights, epsilon), TOLERANCE, 'y');
    const dx = new Float64Array(x.length);
    const dw = { scale: new Float64Array(c), shift: new Float64Array(c) };
    layerNormBackward(f64(x), weights, epsilon, f64(dy), dx, dw);
    const gradients = k.layerNormBackward({ x, shape, scale, epsilon, dy });
    expectClose(gradients.dx, dx, 2e-6, 'dx');
    expectNear(gradients.dscale, dw.scale, TOLERANCE, 'dscale');
    expectNear(gradients.dshift, dw.shift, TOLERANCE, 'dshift');
    const ones = new Float32Array(c).fill(1);
    expect(k.layerNorm({ x, shape })).toEqual(
      k.layerNorm({ x, shape, scale: ones, shift: new Float32Array(c), epsilon: 1e-6 }),
    );
    expect(k.layerNormBackward({ x, shape, dy })).toEqual(k.layerNormBackward({ x, shape, scale: ones, dy }));
  });

  it.each(shapes)('add and multiply (%d, %d, %d, %d)', (...shape) => {
    const [n, h, w, c] = shape;
    const [a, dy] = [randomFloats(size(shape), 1), randomFloats(size(shape), 2)];
    const map = { h, w, c };
    for (const op of ['add', 'multiply'] as const)
      for (const b of [randomFloats(size(shape), 3), randomFloats(n * c, 4)]) {
        const each = (data: ArrayLike<number>, length: number, i: number) =>
          Float64Array.from({ length }, (_, at) => data[i * length + at]);
        const [y, da, db] = [[], [], []] as number[][];
        for (let i = 0; i < n; i++) {
          const A = { ...map, data: each(a, h * w * c, i) };
          const B = { ...(b.length === n * c ? { h: 1, w: 1, c } : map), data: each(b, b.length / n, i) };
          const gradients = [A, B].map(({ data }) => new Float64Array(data.length));
          combineBackward(op, A, B, { ...map, data: each(dy, h * w * c, i) }, gradients[0], gradients[1]);
          y.push(...combine(op, A, B, map));
          da.push(...gradients[0]);
          db.push(...gradients[1]);
        }
        expectClose(k[op]({ a, b, shape }), y, TOLERANCE, op);
        const back = k[`${op}Backward`]({ a, b, shape, dy });
        expectClose(back.da, da, TOLERANCE, `${op}: da`);
        expectNear(back.db, db, TOLERANCE, `${op}: db`);
      }
  });

  it('concat and its gradient', () => {
    const shapes = [3, 1, 8].map((c) => [2, 3, 2, c]);
    const xs = shapes.map((shape, i) => randomFloats(size(shape), i));
    const maps = shapes.map(([n, h, w, c], i) => ({ h: n * h, w, c, data: f64(xs[i]) }));
    const order = Array.from({ length: 12 }, (_, at) => at);
    expect(k.concat({ xs, shapes })).toEqual(Float32Array.from(gather(maps, order)));
    const dy = randomFloats(2 * 3 * 2 * 12, 9);
    const right = xs.map(({ length }) => new Float64Array(length));
    gatherBackward(maps, order, f64(dy), right);
    expect(k.concatBackward({ shapes, dy })).toEqual(right.map((dx) => Float32Array.from(dx)));
  });
});
