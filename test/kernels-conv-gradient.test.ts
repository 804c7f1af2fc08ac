import { describe, expect, it } from 'vitest';
import type { Precision } from '../src/base/types.js';
import {
  adjointJobs,
  adjointKernel,
  adjointKernelBytes,
  adjointWorkspaceBytes,
  biasOf,
  type ConvKernel,
  convKernel,
  convKernelBytes,
  convWeightGradientJobs,
  inputGradientJobs,
  packKernelJob,
  weightGradientBytes,
  workspaceBytes,
} from '../src/operators/convolution.js';
import { type Job, type View, view } from '../src/wasm/job.js';
import { biasGradientJob } from '../src/wasm/ops/conv-gradient.js';
import { winogradFits } from '../src/wasm/ops/winograd.js';
import { winogradGradientBytes, winogradWeightGradientJobs } from '../src/wasm/ops/winograd-gradient.js';
import type { Runtime } from '../src/wasm/runtime.js';
import { conv3x3Backward } from './reference/conv.js';
import { builds, get, onRuntime, put, putLast, readView, reserve, UNTOUCHED, writeView } from './support/kernels.js';
import { randomFloats } from './support/random.js';
import { expectNear } from './support/references.js';

/** Relative L2 error. */
const TOLERANCE = { exact: 1e-6, fast: 2e-6 };

/** [h, w, cin, cout, dilation] */
const shapes: [number, number, number, number, number][] = [
  [1, 1, 3, 5, 1],
  [1, 1, 4, 8, 16],
  [1, 9, 5, 3, 1],
  [7, 1, 8, 12, 2],
  [2, 3, 65, 4, 1],
  [4, 5, 4, 65, 3],
  [5, 4, 16, 20, 16],
  [8, 16, 32, 8, 1],
  [9, 7, 3, 64, 1],
  [9, 17, 33, 9, 2],
  [14, 14, 64, 64, 1],
  [17, 18, 12, 36, 4],
  [20, 13, 7, 10, 8],
  [28, 28, 20, 8, 2],
  [18, 33, 5, 12, 1],
  [31, 33, 4, 4, 5],
  [33, 32, 36, 28, 16],
];

interface Operands {
  x: Float32Array;
  w: Float32Array;
  dy: Float32Array;
}

const operands = (h: number, w: number, cin: number, cout: number): Operands => ({
  x: randomFloats(h * w * cin, 1),
  w: randomFloats(9 * cin * cout, 2),
  dy: randomFloats(h * w * cout, 3),
});

/** A view with gaps between channels, pixels and rows, as a phase of a wider map has. */
function gappedView(runtime: Runtime, dense: ArrayLike<number> | undefined, h: number, w: number, c: number): View {
  const pix = c + 4;
  const row = w * pix + 4;
  const v = { ptr: reserve(runtime, h * row + c), h, w, c, row, pix };
  if (dense) writeView(runtime, v, dense);
  return v;
}

/** A 3x3 convolution with zero padding 'same'. */
const square = (cin: number, cout: number) => ({ rows: 3, columns: 3, stride: 1, same: true, cin, cout });
const callOf = (dilation: number) => ({ stride: 1, dilation, startY: -dilation, startX: -dilation });

/** Nothing of a workspace may be read before it is written. */
function workspace(runtime: Runtime, bytes: number) {
  const ptr = runtime.arena.alloc(bytes);
  runtime.arena.f32(ptr, bytes / 4).fill(Number.NaN);
  return { ptr, bytes };
}

function pack(runtime: Runtime, w: Float32Array, cin: number, cout: number, precision: Precision): ConvKernel {
  const layer = square(cin, cout);
  const kernel = convKernel(layer, precision, runtime.arena.alloc(convKernelBytes(layer, precision)));
  runtime.run(packKernelJob(put(runtime, w), kernel));
  runtime.arena.f32(biasOf(kernel), cout).fill(1);
  return kernel;
}

function adjoint(runtime: Runtime, from: ConvKernel, precision: Precision): ConvKernel {
  const bytes = adjointKernelBytes(from, precision);
  const to = adjointKernel(from, precision, reserve(runtime, bytes / 4 + 4));
  for (const job of adjointJobs(from, to, workspace(runtime, adjointWorkspaceBytes(from, to)))) runtime.run(job);
  expect(get(runtime, to.weights.ptr + bytes, 4), 'behind the adjoint').toEqual(new Float32Array(4).fill(UNTOUCHED));
  return to;
}

/** The jobs of dw at `to` and db behind it; `Winograd` by that algorithm however small the map is. */
function jobsOf(
  runtime: Runtime,
  way: Precision | 'Winograd',
  x: View,
  dy: View,
  to: number,
  o: { dilation: number; accumulate: boolean },
): Job[] {
  const db = to + 4 * 9 * x.c * dy.c;
  const precision: Precision = way === 'exact' ? way : 'fast';
  const layer = square(x.c, dy.c);
  if (way !== 'Winograd') {
    const space = workspace(runtime, weightGradientBytes(layer, x, o.dilation, precision));
    const how = { precision, accumulate: o.accumulate };
    return convWeightGradientJobs(layer, x, dy, callOf(o.dilation), { kernel: to, bias: db }, how, space);
  }
  const space = workspace(runtime, winogradGradientBytes(x, dy.c, o.dilation));
  return [biasGradientJob(dy, db, o.accumulate), ...winogradWeightGradientJobs(x, dy, to, o, space)];
}

describe.each(builds)('the gradients of conv3x3, $kernels, $threads threads', (build) => {
  it.each(shapes)('dx: %d x %d, %d -> %d channels, dilation %d', async (h, w, cin, cout, dilation) => {
    const o = operands(h, w, cin, cout);
    const expected = conv3x3Backward({ data: o.x, h, w, c: cin }, o.w, o.dy, cout, dilation).dx;
    await onRuntime(build, (runtime) => {
      const dy = gappedView(runtime, o.dy, h, w, cout);
      for (const [from, to] of [
        ['exact', 'exact'],
        ['exact', 'fast'],
        ['fast', 'fast'],
      ] as const) {
        const kernel = adjoint(runtime, pack(runtime, o.w, cin, cout, from), to);
        const space = workspace(runtime, workspaceBytes(kernel, dy, dilation));
        const run = (dx: View, accumulate: boolean): Float32Array => {
          for (const job of inputGradientJobs(dy, kernel, dx, callOf(dilation), accumulate, space)) runtime.run(job);
          return readView(runtime, dx);
        };
        const dx = run(gappedView(runtime, undefined, h, w, cin), false);
        expectNear(dx, expected, TOLERANCE[to], `${from} to ${to}`);
        const added = expected.map((value, i) => value + o.x[i]);
        expectNear(run(gappedView(runtime, o.x, h, w, cin), true), added, TOLERANCE[to], `added, ${from} to ${to}`);
      }
    });
  });

  it('makes the same adjoint from packed, transformed and plain weights', async () => {
    for (const [cin, cout] of [
      [12, 20],
      [64, 4],
      [8, 72],
    ])
      await onRuntime(build, (runtime) => {
        const w = randomFloats(9 * cin * cout, 4);
        const turned = new Float32Array(w.length);
        for (let tap = 0; tap < 9; tap++)
          for (let c = 0; c < cin; c++)
            for (let k = 0; k < cout; k++) turned[((8 - tap) * cout + k) * cin + c] = w[(tap * cin + c) * cout + k];
        const bits = (kernel: ConvKernel, bytes: number) => get(runtime, kernel.weights.ptr, bytes / 4);
        for (const precision of ['exact', 'fast'] as const) {
          const bytes = adjointKernelBytes(convKernel(square(cin, cout), precision, 0), precision);
          const plain = pack(runtime, turned, cout, cin, precision);
          runtime.arena.f32(biasOf(plain), cin).fill(0);
          const skew = (data: Float32Array) => (precision === 'fast' ? withoutSkew(data, cin, cout) : data);
          const expected = skew(bits(plain, bytes));
          for (const from of ['exact', precision] as const) {
            const made = adjoint(runtime, pack(runtime, w, cin, cout, from), precision);
            expect(skew(bits(made, bytes)), `from ${from} to ${precision}`).toEqual(expected);
          }
        }
      });
  });

  it.each(shapes)('dw and db: %d x %d, %d -> %d channels, dilation %d', async (h, w, cin, cout, dilation) => {
    const o = operands(h, w, cin, cout);
    const { dw, db } = conv3x3Backward({ data: o.x, h, w, c: cin }, o.w, o.dy, cout, dilation);
    await onRuntime(build, (runtime) => {
      for (const way of winogradFits(cin, cout)
        ? (['exact', 'fast', 'Winograd'] as const)
        : (['exact', 'fast'] as const)) {
        const tolerance = TOLERANCE[way === 'exact' ? way : 'fast'];
        const run = (x: View, dy: View, to: number, accumulate: boolean) => {
          for (const job of jobsOf(runtime, way, x, dy, to, { dilation, accumulate })) runtime.run(job);
          return get(runtime, to, dw.length + cout + 4);
        };
        const [x, dy] = [view(put(runtime, o.x), h, w, cin), view(put(runtime, o.dy), h, w, cout)];
        const to = reserve(runtime, dw.length + cout + 4);
        const dense = run(x, dy, to, false);
        expectNear(dense.subarray(0, dw.length), dw, tolerance, `dw, ${way}`);
        expectNear(dense.subarray(dw.length, -4), db, tolerance, `db, ${way}`);
        expect(dense.subarray(-4), 'behind db').toEqual(new Float32Array(4).fill(UNTOUCHED));
        const gapped = [gappedView(runtime, o.x, h, w, cin), gappedView(runtime, o.dy, h, w, cout)] as const;
        const other = run(...gapped, reserve(runtime, dw.length + cout + 4), false);
        expect(other, 'the same bits on views').toEqual(dense);
        const twice = run(x, dy, to, true);
        const doubled = dw.map((value) => 2 * value);
        expectNear(twice.subarray(0, dw.length), doubled, tolerance, `dw twice, ${way}`);
        expectNear(
          twice.subarray(dw.length, -4),
          db.map((value) => 2 * value),
          tolerance,
          'db twice',
        );
      }
    });
  });

  it('sums weights and biases of 50,000 pixels without losing digits', async () => {
    const [h, w, cin, cout] = [224, 224, 4, 4];
    const o = operands(h, w, cin, cout);
    const positive = { x: o.x.map(Math.abs), dy: o.dy.map(Math.abs), w: o.w };
    const { dw, db } = conv3x3Backward({ data: positive.x, h, w, c: cin }, o.w, positive.dy, cout, 1);
    await onRuntime(build, (runtime) => {
      const [x, dy] = [view(put(runtime, positive.x), h, w, cin), view(put(runtime, positive.dy), h, w, cout)];
      for (const way of ['exact', 'fast'] as const) {
        const to = reserve(runtime, dw.length + cout);
        for (const job of jobsOf(runtime, way, x, dy, to, { dilation: 1, accumulate: false })) runtime.run(job);
        expectNear(get(runtime, to, dw.length), dw, TOLERANCE.exact, `dw, ${way}`);
        expectNear(get(runtime, to + 4 * dw.length, cout), db, TOLERANCE.exact, `db, ${way}`);
      }
    });
  });

  it('reads nothing behind its maps', async () => {
    const [h, w, cin, cout] = [5, 6, 7, 9];
    const o = operands(h, w, cin, cout);
    const { dw } = conv3x3Backward({ data: o.x, h, w, c: cin }, o.w, o.dy, cout, 2);
    for (const last of ['x', 'dy'])
      await onRuntime(build, (runtime) => {
        const to = reserve(runtime, dw.length + cout);
        const at = (name: string, data: Float32Array) => (name === last ? putLast : put)(runtime, data);
        const [x, dy] = last === 'x' ? [0, at('dy', o.dy)] : [at('x', o.x), 0];
        const maps = [view(x || at('x', o.x), h, w, cin), view(dy || at('dy', o.dy), h, w, cout)] as const;
        const target = { kernel: to, bias: to + 4 * dw.length };
        const options = { precision: 'exact', accumulate: false } as const;
        const layer = square(cin, cout);
        const space = { ptr: 0, bytes: 0 };
        for (const job of convWeightGradientJobs(layer, ...maps, callOf(2), target, options, space)) runtime.run(job);
        expectNear(get(runtime, to, dw.length), dw, TOLERANCE.exact, `${last} at the end`);
      });
  });
});

/** Transformed weights without what lies between their 36 coefficients. */
function withoutSkew(data: Float32Array, cin: number, cout: number): Float32Array {
  const stride = data.length / 36;
  const used = cout * 8 * Math.ceil(cin / 8);
  return data.filter((_, i) => i % stride < used);
}
