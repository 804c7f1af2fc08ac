import { describe, expect, it } from 'vitest';
import { type View, view } from '../src/wasm/job.js';
import {
  convInputGradientJob,
  convJob,
  type PackedConv,
  packAdjointJob,
  packConvJob,
  packedConvBytes,
} from '../src/wasm/ops/conv.js';
import { convWeightGradientJobs } from '../src/wasm/ops/conv-gradient.js';
import type { Runtime } from '../src/wasm/runtime.js';
import { conv, convBackward } from './reference/conv.js';
import { type ConvCase, convCases, operandsOf, shapeOf, titleOfConv } from './support/conv-cases.js';
import {
  builds,
  gappedView,
  get,
  onRuntime,
  put,
  putLast,
  readView,
  reserve,
  UNTOUCHED,
  writtenGaps,
} from './support/kernels.js';
import { expectNear } from './support/references.js';

/** Relative L2 error. */
const TOLERANCE = 1e-6;

const cases = convCases.map((item) => [titleOfConv(item), item] as const);

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);

const operandsAndGradients = (item: ConvCase) => {
  const o = operandsOf(item);
  return { o, expected: convBackward({ ...item.x, c: item.size.cin, data: o.x }, o.w, o.dy, shapeOf(item)) };
};

/** The packed kernel and its adjoint; the bias is 1, which no gradient may see. */
function packBoth(runtime: Runtime, { size }: ConvCase, w: Float32Array): { packed: PackedConv; adjoint: PackedConv } {
  const packed = { ...size, ptr: runtime.arena.alloc(packedConvBytes(size)) };
  runtime.run(packConvJob(put(runtime, w), packed));
  runtime.arena.f32(packed.ptr, size.cout).fill(1);
  const turned = { ...size, cin: size.cout, cout: size.cin };
  const adjoint = { ...turned, ptr: reserve(runtime, packedConvBytes(turned) / 4 + 4) };
  runtime.run(packAdjointJob(packed, adjoint));
  const behind = get(runtime, adjoint.ptr + packedConvBytes(turned), 4);
  expect(behind, 'behind the adjoint').toEqual(new Float32Array(4).fill(UNTOUCHED));
  return { packed, adjoint };
}

describe('the reference', () => {
  it.each(cases)('has adjoint gradients: %s', (_, item) => {
    const { o, expected } = operandsAndGradients(item);
    const x = { ...item.x, c: item.size.cin, data: o.x };
    const y = conv(x, o.w, new Float64Array(item.size.cout), shapeOf(item));
    const scale = 1 + Math.sqrt(dot(y, y) * dot(o.dy, o.dy));
    expect(Math.abs(dot(y, o.dy) - dot(o.x, expected.dx)), "<A x, dy> = <x, A' dy>").toBeLessThan(1e-13 * scale);
    expect(Math.abs(dot(y, o.dy) - dot(o.w, expected.dw)), 'linear in the weights').toBeLessThan(1e-13 * scale);
  });
});

describe.each(builds)('the gradients of conv, $kernels, $threads threads', (build) => {
  it.each(cases)('dx: %s', async (_, item) => {
    const { o, expected } = operandsAndGradients(item);
    await onRuntime(build, (runtime) => {
      const { packed, adjoint } = packBoth(runtime, item, o.w);
      const dy = view(put(runtime, o.dy), item.h, item.w, item.size.cout);
      const size = { ...item.x, c: item.size.cin };
      const dx = view(reserve(runtime, o.x.length), size.h, size.w, size.c);
      runtime.run(convInputGradientJob(dy, adjoint, dx, item.call, false));
      const bits = readView(runtime, dx);
      expectNear(bits, expected.dx, TOLERANCE, 'dx');

      const gapped = gappedView(runtime, size);
      runtime.run(convInputGradientJob(gappedView(runtime, dy, o.dy), adjoint, gapped, item.call, false));
      expect(readView(runtime, gapped), 'the same bits on views').toEqual(bits);
      const sum = gappedView(runtime, size, o.x);
      runtime.run(convInputGradientJob(dy, adjoint, sum, item.call, true));
      const added = expected.dx.map((value, i) => value + o.x[i]);
      expectNear(readView(runtime, sum), added, TOLERANCE, 'added to dx');
      expect(writtenGaps(runtime, gapped) + writtenGaps(runtime, sum), 'written between the pixels').toBe(0);

      const y = view(runtime.arena.alloc(4 * o.dy.length), item.h, item.w, item.size.cout);
      runtime.arena.f32(packed.ptr, item.size.cout).fill(0);
      runtime.run(convJob(view(put(runtime, o.x), size.h, size.w, size.c), packed, y, item.call));
      const out = readView(runtime, y);
      const scale = 1 + Math.sqrt(dot(out, out) * dot(o.dy, o.dy));
      expect(Math.abs(dot(out, o.dy) - dot(o.x, bits)), "<A x, dy> = <x, A' dy>").toBeLessThan(1e-6 * scale);
    });
  });

  it.each(cases)('dw and db: %s', async (_, item) => {
    const { o, expected } = operandsAndGradients(item);
    const { size, call } = item;
    const length = o.w.length + size.cout + 4;
    await onRuntime(build, (runtime) => {
      const run = (x: View, dy: View, to: number, accumulate: boolean): Float32Array => {
        const target = { kernel: to, bias: to + 4 * o.w.length };
        for (const job of convWeightGradientJobs(x, dy, size, call, target, accumulate)) runtime.run(job);
        return get(runtime, to, length);
      };
      const x = view(put(runtime, o.x), item.x.h, item.x.w, size.cin);
      const dy = view(put(runtime, o.dy), item.h, item.w, size.cout);
      const to = reserve(runtime, length);
      const bits = run(x, dy, to, false);
      expectNear(bits.subarray(0, o.w.length), expected.dw, TOLERANCE, 'dw');
      expectNear(bits.subarray(o.w.length, -4), expected.db, TOLERANCE, 'db');
      expect(bits.subarray(-4), 'behind db').toEqual(new Float32Array(4).fill(UNTOUCHED));
      const other = run(gappedView(runtime, x, o.x), gappedView(runtime, dy, o.dy), reserve(runtime, length), false);
      expect(other, 'the same bits on views').toEqual(bits);
      const twice = run(x, dy, to, true).subarray(0, -4);
      const doubled = [...expected.dw, ...expected.db].map((value) => 2 * value);
      expectNear(twice, doubled, TOLERANCE, 'dw and db twice');
    });
  });

  it.each(cases.filter(([, { size }]) => size.rows === 7 || size.cin === 17))(
    'reads nothing behind its maps: %s',
    async (_, item) => {
      const { o, expected } = operandsAndGradients(item);
      const { size, call } = item;
      for (const last of ['x', 'dy'])
        await onRuntime(build, (runtime) => {
          const { adjoint } = packBoth(runtime, item, o.w);
          const to = reserve(runtime, o.w.length);
          const dx = view(reserve(runtime, o.x.length), item.x.h, item.x.w, size.cin);
          const other = last === 'x' ? put(runtime, o.dy) : put(runtime, o.x);
          const end = putLast(runtime, last === 'x' ? o.x : o.dy);
          const x = { ...dx, ptr: last === 'x' ? end : other };
          const dy = view(last === 'x' ? other : end, item.h, item.w, size.cout);
          const target = { kernel: to, bias: 0 };
          for (const job of convWeightGradientJobs(x, dy, size, call, target, false)) runtime.run(job);
          runtime.run(convInputGradientJob(dy, adjoint, dx, call, false));
          expectNear(get(runtime, to, o.w.length), expected.dw, TOLERANCE, 'dw');
          expectNear(readView(runtime, dx), expected.dx, TOLERANCE, 'dx');
        });
    },
  );
});
