import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { init, type Kernels } from '../src/kernels.js';
import { builds } from './support/kernels.js';
import { randomFloats, seeded } from './support/random.js';

/**
 * Properties that need no reference: a linear map A and its gradient A' satisfy <A x, y> = <x, A' y>, max pools and ReLU too (their value
 * is a selection of x); and a gradient is the slope of the forward pass, by central differences.
 */

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

const norm = (a: ArrayLike<number>): number => Math.sqrt(dot(a, a));

/** Fails unless two numbers differ by at most `tolerance` of what their scalar product could be. */
function expectSame(got: number, expected: number, size: number, tolerance: number, what: string): void {
  expect(Math.abs(got - expected) / size, `${what}: ${got} for ${expected}`).toBeLessThan(tolerance);
}

/** x + step v, for slopes along v. */
const along = (x: Float32Array, v: Float32Array, step: number): Float32Array =>
  x.map((value, i) => value + step * v[i]);

/** The slope of <f(x), dy> along v, by central differences. */
function slope(f: (x: Float32Array) => Float32Array, x: Float32Array, v: Float32Array, dy: Float32Array, step: number) {
  const [up, down] = [along(x, v, step), along(x, v, -step)];
  return (dot(f(up), dy) - dot(f(down), dy)) / (2 * step);
}

/** All different, 1/16 apart and at least 1/32 from zero, in random order: no step below that changes a maximum or a ReLU. */
function apart(length: number, seed: number): Float32Array {
  const next = seeded(seed);
  const order = Array.from({ length }, (_, i) => ({ i, key: next() })).sort((a, b) => a.key - b.key);
  return Float32Array.from(order, ({ i }) => (i - Math.floor(length / 2)) / 16 + 1 / 32);
}

/** [n, h, w, cin, cout, dilation] */
const convolutions: number[][] = [
  [1, 1, 1, 3, 5, 1],
  [2, 1, 1, 4, 4, 16],
  [1, 2, 33, 3, 8, 1],
  [1, 3, 5, 65, 7, 2],
  [3, 4, 4, 8, 12, 4],
  [1, 7, 9, 12, 65, 3],
  [1, 14, 14, 16, 32, 1],
  [2, 15, 13, 5, 4, 16],
  [1, 17, 1, 64, 20, 8],
  [1, 21, 22, 4, 36, 5],
  [1, 28, 28, 8, 8, 2],
  [1, 33, 31, 20, 12, 16],
];

/** [n, h, w, c, size, stride, dilation] */
const pools: number[][] = [
  [1, 1, 1, 3, 1, 1, 1],
  [1, 2, 2, 65, 2, 2, 1],
  [2, 5, 7, 4, 2, 1, 1],
  [1, 9, 33, 5, 3, 2, 1],
  [1, 12, 10, 8, 2, 1, 4],
  [1, 8, 6, 17, 2, 1, 16],
  [1, 32, 32, 3, 16, 16, 1],
  [1, 13, 14, 12, 3, 1, 2],
];

/** [n, inputs, outputs] */
const layers: number[][] = [
  [1, 1, 1],
  [1, 37, 19],
  [1, 130, 65],
  [4, 65, 33],
  [9, 8, 3],
];

describe.each(builds)('gradients, $kernels, $threads threads', (build) => {
  describe.each(['exact', 'fast'] as const)('%s', (precision) => {
    let k: Kernels;
    beforeAll(async () => {
      k = await init({ ...build, precision });
    });
    afterAll(() => k.dispose());

    it.each(convolutions)('conv2d: %d maps %d x %d, %d -> %d channels, dilation %d', (n, h, w, cin, cout, dilation) => {
      const options = { shape: [n, h, w, cin], cout, dilation };
      const [x, vx] = [1, 2].map((seed) => randomFloats(n * h * w * cin, seed));
      const [weights, vw] = [3, 4].map((seed) => randomFloats(9 * cin * cout, seed));
      const [b, vb] = [5, 6].map((seed) => randomFloats(cout, seed));
      const dy = randomFloats(n * h * w * cout, 7);
      const { dx, dw, db } = k.conv2dBackward({ ...options, x, w: weights, dy });
      const y = k.conv2d({ ...options, x, w: weights });
      const size = norm(y) * norm(dy);
      expectSame(dot(x, dx), dot(y, dy), size, 2e-6, '<x, dx>');
      expectSame(dot(weights, dw), dot(y, dy), size, 2e-6, '<w, dw>');
      const biased = k.conv2d({ ...options, x, w: weights, b });
      expectSame(dot(weights, dw) + dot(b, db), dot(biased, dy), norm(biased) * norm(dy), 2e-6, '<w, dw> + <b, db>');

      const bySteps = [
        {
          what: 'dx',
          got: dot(dx, vx),
          f: (v: Float32Array) => k.conv2d({ ...options, x: v, w: weights, b }),
          x,
          v: vx,
        },
        {
          what: 'dw',
          got: dot(dw, vw),
          f: (v: Float32Array) => k.conv2d({ ...options, x, w: v, b }),
          x: weights,
          v: vw,
        },
        {
          what: 'db',
          got: dot(db, vb),
          f: (v: Float32Array) => k.conv2d({ ...options, x, w: weights, b: v }),
          x: b,
          v: vb,
        },
      ];
      for (const { what, got, f, x: at, v } of bySteps)
        expectSame(got, slope(f, at, v, dy, 0.5), norm(biased) * norm(dy), 1e-5, `slope, ${what}`);
    });
  });

  describe('other kernels', () => {
    let k: Kernels;
    beforeAll(async () => {
      k = await init(build);
    });
    afterAll(() => k.dispose());

    it.each(pools)(
      'maxPool2d: %d maps %d x %d x %d, size %d, stride %d, dilation %d',
      (n, h, w, c, size, stride, dilation) => {
        const options = { shape: [n, h, w, c], size, stride, dilation };
        const x = apart(n * h * w * c, 1);
        const y = k.maxPool2d({ ...options, x });
        const dy = randomFloats(y.length, 2);
        const dx = k.maxPool2dBackward({ ...options, x, dy });
        expectSame(dot(x, dx), dot(y, dy), norm(y) * norm(dy), 1e-6, '<x, dx>');
        const v = randomFloats(x.length, 3);
        const got = slope((at) => k.maxPool2d({ ...options, x: at }), x, v, dy, 1 / 64);
        expectSame(dot(dx, v), got, norm(dy) * norm(v), 1e-3, 'slope');
      },
    );

    it.each(layers)('dense: %d rows, %d inputs, %d outputs', (n, inputs, out) => {
      const options = { shape: [n, inputs], out };
      const [x, vx] = [1, 2].map((seed) => randomFloats(n * inputs, seed));
      const [w, vw] = [3, 4].map((seed) => randomFloats(inputs * out, seed));
      const [b, dy] = [randomFloats(out, 5), randomFloats(n * out, 6)];
      const { dx, dw, db } = k.denseBackward({ ...options, x, w, dy });
      const y = k.dense({ ...options, x, w });
      expectSame(dot(x, dx), dot(y, dy), norm(y) * norm(dy), 2e-6, '<x, dx>');
      expectSame(dot(w, dw), dot(y, dy), norm(y) * norm(dy), 2e-6, '<w, dw>');
      const biased = k.dense({ ...options, x, w, b });
      expectSame(dot(w, dw) + dot(b, db), dot(biased, dy), norm(biased) * norm(dy), 2e-6, '<w, dw> + <b, db>');
      const size = norm(biased) * norm(dy);
      expectSame(
        dot(dx, vx),
        slope((at) => k.dense({ ...options, x: at, w, b }), x, vx, dy, 0.5),
        size,
        1e-5,
        'dx',
      );
      expectSame(
        dot(dw, vw),
        slope((at) => k.dense({ ...options, x, w: at, b }), w, vw, dy, 0.5),
        size,
        1e-5,
        'dw',
      );
    });

    it.each([1, 3, 4, 33, 65])('ReLU of %d numbers, through a dense layer and a convolution', (length) => {
      const x = apart(length, 1);
      const [v, dy] = [2, 3].map((seed) => randomFloats(length, seed));
      const one = Float32Array.of(1);
      const dense = (at: Float32Array) => k.dense({ x: at, shape: [length, 1], w: one, out: 1, relu: true });
      const tap = new Float32Array(9).fill(1, 4, 5);
      const conv = (at: Float32Array) => k.conv2d({ x: at, shape: [1, 1, length, 1], w: tap, cout: 1, relu: true });
      for (const relu of [dense, conv]) {
        const y = relu(x);
        const dx = k.reluBackward({ y, dy });
        expectSame(dot(x, dx), dot(y, dy), norm(x) * norm(dy), 1e-6, '<x, dx>');
        expectSame(dot(dx, v), slope(relu, x, v, dy, 1 / 64), norm(dy) * norm(v), 1e-4, 'slope');
      }
    });

    it.each([
      [1, 2],
      [3, 10],
      [2, 33],
      [5, 65],
    ])('softmax and its cross-entropy: %d rows of %d', (rows, columns) => {
      const shape = [rows, columns];
      const [x, v, dy] = [1, 2, 3].map((seed) => randomFloats(rows * columns, seed).map((value) => 2 * value));
      const softmax = (at: Float32Array) => k.softmax({ x: at, shape });
      const dx = k.softmaxBackward({ y: softmax(x), shape, dy });
      expectSame(dot(dx, v), slope(softmax, x, v, dy, 1 / 64), norm(dy) * norm(v), 1e-4, 'softmax');
      const labels = Array.from({ length: rows }, (_, i) => (7 * i) % columns);
      const weights = randomFloats(rows, 4);
      for (const given of [{ labels }, { targets: softmax(dy) }]) {
        const loss = (at: Float32Array) => k.softmaxCrossEntropy({ x: at, shape, ...given });
        const gradient = k.softmaxCrossEntropyBackward({ x, shape, ...given, dy: weights });
        expectSame(dot(gradient, v), slope(loss, x, v, weights, 1 / 64), norm(weights) * norm(v), 1e-4, 'loss');
      }
    });
  });
});

describe.each(['simd', 'relaxed'] as const)('gradients on threads, %s', (kernels) => {
  it('have the same bits with 1, 2 and 5 threads', async () => {
    const gradients = async (threads: number) => {
      const results: Float32Array[] = [];
      for (const precision of ['exact', 'fast'] as const) {
        const k = await init({ kernels, threads, precision });
        for (const [h, w, cin, cout, dilation] of [
          [40, 37, 36, 44, 1],
          [33, 34, 20, 68, 4],
          [23, 9, 3, 64, 2],
        ]) {
          const options = {
            x: randomFloats(h * w * cin, 1),
            shape: [1, h, w, cin],
            w: randomFloats(9 * cin * cout, 2),
          };
          const dy = randomFloats(h * w * cout, 3);
          results.push(...Object.values(k.conv2dBackward({ ...options, cout, dilation, dy })));
        }
        const pool = { x: randomFloats(30 * 31 * 40, 4), shape: [1, 30, 31, 40], size: 2, stride: 1, dilation: 3 };
        results.push(k.maxPool2dBackward({ ...pool, dy: randomFloats(30 * 31 * 40, 5) }));
        const dense = { x: randomFloats(6 * 300, 6), shape: [6, 300], w: randomFloats(300 * 170, 7), out: 170 };
        results.push(...Object.values(k.denseBackward({ ...dense, dy: randomFloats(6 * 170, 8) })));
        const x = randomFloats(9 * 100, 9);
        results.push(k.softmaxCrossEntropyBackward({ x, shape: [9, 100], targets: x }));
        results.push(k.reluBackward({ y: x, dy: randomFloats(900, 10), guided: true }));
        k.dispose();
      }
      return results;
    };
    const one = await gradients(1);
    for (const threads of [2, 5]) {
      const other = await gradients(threads);
      one.forEach((result, i) => {
        expect(Buffer.compare(Buffer.from(result.buffer), Buffer.from(other[i].buffer)), `result ${i}`).toBe(0);
      });
    }
  });
});

describe.each(builds)('NaN in the gradients, $kernels, $threads threads', (build) => {
  it.each(['exact', 'fast'] as const)('is shown by a convolution, %s, and stays in its phase', async (precision) => {
    const k = await init({ ...build, precision });
    const [h, w, cin, cout, dilation] = [8, 8, 4, 8, 2];
    const options = { x: randomFloats(h * w * cin, 1), shape: [1, h, w, cin], w: randomFloats(9 * cin * cout, 2) };
    const dy = randomFloats(h * w * cout, 3);
    dy[(4 * w + 4) * cout + 5] = Number.NaN;
    const { dx, dw, db } = k.conv2dBackward({ ...options, cout, dilation, dy });
    const at = (y: number, x: number) => [...dx.subarray((y * w + x) * cin, (y * w + x + 1) * cin)];
    expect(at(4, 4).every(Number.isNaN)).toBe(true);
    expect(at(2, 6).every(Number.isNaN)).toBe(true);
    expect(at(5, 4).some(Number.isNaN)).toBe(false);
    expect([...db].map(Number.isNaN)).toEqual([false, false, false, false, false, true, false, false]);
    expect([...dw].every((value, i) => Number.isNaN(value) === (i % cout === 5))).toBe(true);

    const x = options.x.slice();
    x[(4 * w + 4) * cin + 1] = Number.NaN;
    const other = k.conv2dBackward({ ...options, x, cout, dilation, dy: randomFloats(dy.length, 3) });
    expect([...other.dw].every((value, i) => Number.isNaN(value) === (Math.floor(i / cout) % cin === 1))).toBe(true);
    expect([...other.dx, ...other.db].some(Number.isNaN)).toBe(false);
    k.dispose();
  });
});
