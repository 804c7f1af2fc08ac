import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { phase, view } from '../src/wasm/job.js';
import {
  addJob,
  affineBackwardJob,
  affineJob,
  affineWeightGradientJobs,
  channelsBackwardJob,
  channelsJob,
  copyJob,
  multiplyJob,
  spreadSumJob,
} from '../src/wasm/ops/map.js';
import { combine, combineBackward, gather, gatherBackward } from './reference/graph/points.js';
import { placeInSpread, spread, spreadSum } from './reference/map.js';
import { put, putLast, readView, reserve, writeView } from './support/kernels.js';
import { everywhere, expectBits, type Given, type Machine, startMachines } from './support/machines.js';
import { randomFloats, seeded } from './support/random.js';
import { expectClose, expectWithin } from './support/references.js';

/** [h, w, c] */
const shapes = [
  [1, 1, 1],
  [1, 1, 37],
  [5, 1, 2],
  [3, 5, 3],
  [9, 7, 4],
  [2, 13, 5],
  [17, 3, 8],
  [4, 6, 15],
  [3, 4, 16],
  [7, 9, 17],
  [2, 3, 33],
  [5, 7, 70],
] as const;

const RATES = [1, 2, 3, 5, 8];
const none = Number.NEGATIVE_INFINITY;
const CLIPS = [undefined, { low: 0, high: Infinity }, { low: -0.25, high: 0.5 }];

interface Full extends Given {
  data: Float32Array;
}

const map = ([h, w, c]: readonly number[], seed: number): Full => ({ h, w, c, data: randomFloats(h * w * c, seed) });
const plain = ({ h, w, c, data = [] }: Given) => ({ h, w, c, data: Float64Array.from(data) });
const vector = (c: number): Given => ({ h: 1, w: 1, c });
const clipped = (y: Float64Array, { low, high } = { low: none, high: Infinity }) =>
  y.map((value) => Math.min(Math.max(value, low), high));
const plus = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, i) => value + b[i]);

describe.each(['simd', 'relaxed'] as const)('maps number by number, %s', (kernels) => {
  let machines: Machine[];
  beforeAll(async () => {
    machines = await startMachines(kernels);
  });
  afterAll(() => {
    for (const machine of machines) machine.dispose();
  });

  it.each(shapes)('add and multiply two maps %d x %d x %d', (...shape) => {
    const [a, b, earlier] = [map(shape, 1), map(shape, 2), map(shape, 3)];
    for (const clip of CLIPS) {
      const [y] = everywhere(machines, [a, b], [map(shape, 4)], ([a, b], [y]) => [addJob(a, b, y, { clip })]);
      expectClose(y, clipped(combine('add', plain(a), plain(b), a), clip), 6e-8, 'sum');
      const [added] = everywhere(machines, [a, b], [earlier], ([a, b], [y]) => [
        addJob(a, b, y, { clip, accumulate: true }),
      ]);
      expectBits(added, plus(earlier.data, y), 'sum, added');
      const [over] = everywhere(machines, [b], [a], ([b], [a]) => [addJob(a, b, a, { clip })]);
      expectBits(over, y, 'sum in the place of a');
      const [other] = everywhere(machines, [a], [b], ([a], [b]) => [addJob(a, b, b, { clip })]);
      expectBits(other, y, 'sum in the place of b');
    }
    const [y] = everywhere(machines, [a, b], [a], ([a, b], [y]) => [multiplyJob(a, b, y)]);
    expectClose(y, combine('multiply', plain(a), plain(b), a), 6e-8, 'product');
    const [added] = everywhere(machines, [a, b], [earlier], ([a, b], [y]) => [
      multiplyJob(a, b, y, { accumulate: true }),
    ]);
    expectBits(added, plus(earlier.data, y), 'product, added');
    const [over] = everywhere(machines, [b], [a], ([b], [a]) => [multiplyJob(a, b, a)]);
    expectBits(over, y, 'product in the place of a');
  });

  it.each(shapes)('spread vectors over a map %d x %d x %d, and their gradient', (...shape) => {
    const [a, earlier] = [map(shape, 1), map(shape, 3)];
    for (const rate of RATES) {
      const vectors = map([rate, rate, a.c], 5);
      const whole = { ...a, data: spread(vectors.data, a, rate) };
      for (const [op, job] of [
        ['add', addJob],
        ['multiply', multiplyJob],
      ] as const) {
        const [y] = everywhere(machines, [a, vectors], [map(shape, 4)], ([a, b], [y]) => [job(a, b, y, { rate })]);
        expectClose(y, combine(op, plain(a), whole, a), 6e-8, `${op}, rate ${rate}`);
        const [over] = everywhere(machines, [vectors], [a], ([b], [a]) => [job(a, b, a, { rate })]);
        expectBits(over, y, `${op} in place, rate ${rate}`);
        const [added] = everywhere(machines, [a, vectors], [earlier], ([a, b], [y]) => [
          job(a, b, y, { rate, accumulate: true }),
        ]);
        expectBits(added, plus(earlier.data, y), `${op}, added, rate ${rate}`);

        const [da, db] = [new Float64Array(a.data.length), new Float64Array(a.data.length)];
        combineBackward(op, plain(a), whole, plain(earlier), da, db);
        const factor = op === 'add' ? undefined : a;
        const sum = (accumulate: boolean) =>
          everywhere(machines, factor ? [earlier, factor] : [earlier], [vectors], ([dy, b], [y]) => [
            spreadSumJob(dy, b, y, rate, accumulate),
          ])[0];
        const sums = spreadSum({ ...a, data: db }, rate);
        const terms = spreadSum({ ...a, data: db.map(Math.abs) }, rate);
        const allowed = (i: number) => 1.2e-7 * (terms[i] + Math.abs(vectors.data[i]));
        expectWithin(sum(false), sums, allowed, `gradient of ${op}, rate ${rate}`);
        expectWithin(
          sum(true),
          sums.map((s, i) => s + vectors.data[i]),
          allowed,
          `the same, added`,
        );
      }
    }
  });

  it('sum a phase to the same bits among others as alone', () => {
    const [h, w, c] = [23, 19, 21];
    const [a, b] = [map([h, w, c], 1), map([h, w, c], 2)];
    for (const machine of machines)
      for (const rate of [2, 3, 7]) {
        const [A, B] = [a, b].map(({ data }) => view(put(machine, data), h, w, c));
        const y = view(reserve(machine, rate * rate * c), rate, rate, c);
        machine.run(spreadSumJob(A, B, y, rate, false));
        const alone = view(reserve(machine, c), 1, 1, c);
        for (let q = 0; q < rate; q++)
          for (let p = 0; p < rate; p++) {
            machine.run(spreadSumJob(phase(A, rate, q, p), phase(B, rate, q, p), alone, 1, false));
            expectBits(
              readView(machine, { ...phase(y, rate, q, p), h: 1, w: 1 }),
              readView(machine, alone),
              `${q} ${p}`,
            );
          }
      }
  });

  it.each(shapes)('an affine layer on %d x %d x %d', (...shape) => {
    const [x, dy, earlier] = [map(shape, 1), map(shape, 2), map(shape, 3)];
    const { c } = x;
    const [scale, shift] = [randomFloats(c, 4), randomFloats(c, 5)];
    const expected = Float64Array.from(x.data, (value, at) => value * scale[at % c] + shift[at % c]);
    for (const clip of CLIPS) {
      const [y] = everywhere(machines, [x], [dy], ([x], [y], put) => [
        affineJob(x, { scale: put(scale), shift: put(shift) }, y, { clip }),
      ]);
      expectWithin(y, clipped(expected, clip), () => 1.5e-7, 'y');
      const [over] = everywhere(machines, [], [x], (_, [x], put) => [
        affineJob(x, { scale: put(scale), shift: put(shift) }, x, { clip }),
      ]);
      expectBits(over, y, 'in place');
    }
    const [dx] = everywhere(machines, [dy], [x], ([dy], [dx], put) => [affineBackwardJob(dy, put(scale), dx)]);
    expectClose(
      dx,
      [...dy.data].map((d, at) => d * scale[at % c]),
      6e-8,
      'dx',
    );
    const [added] = everywhere(machines, [dy], [earlier], ([dy], [dx], put) => [
      affineBackwardJob(dy, put(scale), dx, { accumulate: true }),
    ]);
    expectBits(added, plus(earlier.data, dx), 'dx, added');

    const sums = { scale: new Float64Array(c), shift: new Float64Array(c) };
    for (const [at, d] of dy.data.entries()) {
      sums.scale[at % c] += d * x.data[at];
      sums.shift[at % c] += d;
    }
    const gradients = (accumulate: boolean) =>
      everywhere(
        machines,
        [x, dy],
        [scale, shift].map((data) => ({ ...vector(c), data })),
        ([x, dy], [scale, shift]) =>
          affineWeightGradientJobs(x, dy, { scale: scale.ptr, shift: shift.ptr }, accumulate),
      );
    const allowed = () => 1e-7 * x.h * x.w;
    const once = gradients(false);
    expectWithin(once[0], sums.scale, allowed, 'dscale');
    expectWithin(once[1], sums.shift, allowed, 'dshift');
    const twice = gradients(true);
    expectWithin(
      twice[0],
      sums.scale.map((s, k) => s + scale[k]),
      () => 2e-7 * (x.h * x.w + 1),
      'dscale, added',
    );
    expectWithin(
      twice[1],
      sums.shift.map((s, k) => s + shift[k]),
      () => 2e-7 * (x.h * x.w + 1),
      'dshift, added',
    );
  });

  it('clips keep NaN', () => {
    const x = { ...vector(3), data: Float32Array.of(NaN, 7, -7) };
    const clip = { low: -1, high: 1 };
    const expected = Float32Array.of(NaN, 1, -1);
    const [y] = everywhere(machines, [x], [vector(3)], ([x], [y], put) => [
      affineJob(x, { scale: put([1, 1, 1]), shift: put([0, 0, 0]) }, y, { clip }),
    ]);
    expect(y).toEqual(expected);
    const zeros = { ...vector(3), data: new Float32Array(3) };
    const [sum] = everywhere(machines, [x, zeros], [vector(3)], ([a, b], [y]) => [addJob(a, b, y, { clip })]);
    expect(sum).toEqual(expected);
  });

  it.each(shapes)('copy and take channels of %d x %d x %d', (...shape) => {
    const [x, earlier] = [map(shape, 1), map(shape, 3)];
    const [copy] = everywhere(machines, [x], [earlier], ([x], [y]) => [copyJob(x, y)]);
    expectBits(copy, x.data, 'copy');
    const [added] = everywhere(machines, [x], [earlier], ([x], [y]) => [copyJob(x, y, { accumulate: true })]);
    expectBits(added, plus(earlier.data, x.data), 'copy, added');

    const next = seeded(7);
    for (const cout of [1, 2, 5, 16, 19]) {
      const order = Array.from({ length: cout }, () => Math.floor(next() * (x.c + 1)) - 1);
      const place = (put: (numbers: ArrayLike<number>) => number) =>
        put(new Float32Array(Int32Array.from(order).buffer));
      const size = { ...x, c: cout, data: undefined };
      const [y] = everywhere(machines, [x], [size], ([x], [y], put) => [channelsJob(x, place(put), y)]);
      expectBits(y, Float32Array.from(gather([plain(x)], order)), `channels ${order}`);
      const dy = map([x.h, x.w, cout], 6);
      for (const accumulate of [false, true]) {
        const [dx] = everywhere(machines, [dy], [earlier], ([dy], [dx], put) => [
          channelsBackwardJob(dy, place(put), dx, accumulate),
        ]);
        const expected = accumulate ? plain(earlier).data : new Float64Array(x.data.length);
        gatherBackward([plain(x)], order, plain(dy).data, [expected]);
        expectWithin(dx, expected, () => 1e-6, `gradient of channels ${order}`);
      }
    }
  });

  it('give a number the same bits as a map of any shape', () => {
    const [a, b] = [1, 2].map((seed) => randomFloats(360, seed));
    const results = [
      [4, 18, 5],
      [1, 1, 360],
      [40, 9, 1],
      [5, 8, 9],
    ].map(([h, w, c]) =>
      everywhere(
        machines,
        [a, b].map((data) => ({ h, w, c, data })),
        [
          { h, w, c },
          { h, w, c },
          { h, w, c },
        ],
        ([a, b], [sum, product, affine], put) => {
          const same = (value: number) => put(new Float32Array(c).fill(value));
          return [
            addJob(a, b, sum),
            multiplyJob(a, b, product),
            affineJob(a, { scale: same(1.7), shift: same(0.3) }, affine),
          ];
        },
      ),
    );
    for (const result of results) for (const [i, y] of result.entries()) expectBits(y, results[0][i], `job ${i}`);
  });

  it('read and write nothing behind their maps', () => {
    const [machine] = machines;
    for (const c of [1, 2, 3, 5, 6, 7]) {
      const x = randomFloats(c, 1);
      const at = (ptr: number) => view(ptr, 1, 1, c);
      const [first, out] = [at(put(machine, x)), at(reserve(machine, c))];
      const last = at(putLast(machine, x));
      const table = { scale: last.ptr, shift: last.ptr };
      for (const job of [
        (x: typeof last, y: typeof last) => addJob(x, last, y),
        (x: typeof last, y: typeof last) => affineJob(x, table, y),
        (x: typeof last, y: typeof last) => copyJob(x, y),
        (x: typeof last, y: typeof last) => spreadSumJob(x, last, y, 1, false),
      ]) {
        machine.run(job(last, out));
        const expected = readView(machine, out);
        machine.run(job(first, last));
        expectBits(readView(machine, last), expected, 'the same');
        writeView(machine, last, x);
      }
    }
  });

  it('the reference of spreading lays each vector at its phase', () => {
    const size = { h: 3, w: 4, c: 2 };
    const vectors = Array.from({ length: 8 }, (_, i) => i);
    expect([...spread(vectors, size, 2)].slice(0, 16)).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7]);
    expect(placeInSpread(23, size, 2)).toBe(3);
    expect([...spreadSum({ ...size, data: new Float64Array(24).fill(1) }, 2)]).toEqual([4, 4, 4, 4, 2, 2, 2, 2]);
  });
});
