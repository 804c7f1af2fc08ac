import { describe, expect, it } from 'vitest';
import { type Clip, phase, type View, view, type WindowCall } from '../src/wasm/job.js';
import {
  type ConvSize,
  convJob,
  type PackedConv,
  packConvJob,
  packedConvBytes,
  unpackConvJob,
} from '../src/wasm/ops/conv.js';
import type { Runtime } from '../src/wasm/runtime.js';
import { conv, same3x3 } from './reference/conv.js';
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
import { expectClose } from './support/references.js';

const TOLERANCE = 2e-6;

/** A 3x3 convolution with padding 'same'. */
const same = (h: number, w: number, cin: number, cout: number, dilation: number): ConvCase => {
  const { startY, startX } = same3x3({ h, w }, cout, dilation);
  return { x: { h, w }, size: { rows: 3, columns: 3, cin, cout }, call: { stride: 1, dilation, startY, startX }, h, w };
};

const cases = [
  ...convCases,
  same(1, 1, 1, 1, 1),
  same(1, 1, 4, 8, 2),
  same(1, 7, 3, 5, 1),
  same(5, 1, 2, 9, 3),
  same(2, 2, 5, 4, 1),
  same(9, 7, 3, 64, 1),
  same(9, 7, 7, 15, 1),
  same(9, 7, 8, 16, 2),
  same(9, 7, 9, 17, 4),
  same(6, 5, 15, 33, 8),
  same(3, 4, 16, 7, 16),
  same(14, 14, 17, 8, 1),
  same(17, 19, 33, 3, 3),
  same(20, 18, 4, 2, 16),
  same(7, 9, 100, 72, 1),
  same(5, 6, 300, 10, 1),
  same(4, 4, 257, 130, 2),
];

const CLIPS: Clip[] = [
  { low: 0, high: Number.POSITIVE_INFINITY },
  { low: -0.25, high: 0.5 },
];

const clipped = (y: Float32Array, { low, high }: Clip) => y.map((sum) => Math.min(Math.max(sum, low), high));

function pack(runtime: Runtime, { w, b }: { w: Float32Array; b: Float32Array }, size: ConvSize): PackedConv {
  const bytes = packedConvBytes(size);
  const packed = { ...size, ptr: reserve(runtime, bytes / 4 + 4) };
  runtime.run(packConvJob(put(runtime, w), packed));
  runtime.arena.f32(packed.ptr, size.cout).set(b);
  expect(get(runtime, packed.ptr + bytes, 1)[0], 'behind the packed weights').toBe(UNTOUCHED);
  return packed;
}

const SAME: WindowCall = { stride: 1, dilation: 1, startY: -1, startX: -1 };

describe.each(builds)('conv, $kernels, $threads threads', (build) => {
  it.each(cases.map((item) => [titleOfConv(item), item] as const))('%s', async (_, item) => {
    const { call, size, h, w } = item;
    const o = operandsOf(item);
    const expected = conv({ ...item.x, c: size.cin, data: o.x }, o.w, o.b, shapeOf(item));
    await onRuntime(build, (runtime) => {
      const packed = pack(runtime, o, size);
      const x = view(put(runtime, o.x), item.x.h, item.x.w, size.cin);
      const y = view(reserve(runtime, h * w * size.cout), h, w, size.cout);
      runtime.run(convJob(x, packed, y, call));
      const bits = readView(runtime, y);
      expectClose(bits, expected, TOLERANCE, 'y');

      const gapped = [gappedView(runtime, x, o.x), gappedView(runtime, y)] as const;
      runtime.run(convJob(gapped[0], packed, gapped[1], call));
      expect(readView(runtime, gapped[1]), 'the same bits on views').toEqual(bits);
      expect(writtenGaps(runtime, gapped[1]), 'written between the pixels of y').toBe(0);
      for (const clip of CLIPS) {
        runtime.run(convJob(x, packed, gapped[1], { ...call, clip }));
        expect(readView(runtime, gapped[1]), `from ${clip.low} to ${clip.high}`).toEqual(clipped(bits, clip));
      }

      const sum = gappedView(runtime, y, o.dy);
      runtime.run(convJob(gapped[0], packed, sum, { ...call, accumulate: true }));
      const added = expected.map((value, i) => value - o.b[i % size.cout] + o.dy[i]);
      expectClose(readView(runtime, sum), added, TOLERANCE, 'added to y');
      expect(writtenGaps(runtime, sum), 'written between the pixels of the sum').toBe(0);
    });
  });

  it.each([1, 3, 64])('packs and unpacks %d output channels', async (cout) => {
    const size = { rows: 2, columns: 5, cin: 3, cout };
    const o = operandsOf({ x: { h: 1, w: 1 }, size, call: SAME, h: 1, w: 1 });
    await onRuntime(build, (runtime) => {
      const weights = reserve(runtime, o.w.length + 4);
      runtime.run(unpackConvJob(pack(runtime, o, size), weights));
      expect(get(runtime, weights, o.w.length + 4)).toEqual(new Float32Array([...o.w, ...Array(4).fill(UNTOUCHED)]));
    });
  });

  it.each([
    [3, 3, -1],
    [5, 3, 0],
    [4, 1, -2],
  ])(
    'gives every phase of a dilated convolution the bits of an ordinary one: %d x %d from %d',
    async (rows, columns, start) => {
      const [h, w, dilation] = [23, 18, 4];
      const size = { rows, columns, cin: 20, cout: 24 };
      const at = (rate: number) => ({ stride: 1, dilation: rate, startY: start * rate, startX: start * rate });
      const o = operandsOf({ x: { h, w }, size, call: at(1), h, w });
      await onRuntime(build, (runtime) => {
        const packed = pack(runtime, o, size);
        const x = view(put(runtime, o.x), h, w, size.cin);
        const maps = [0, 1].map(() => view(reserve(runtime, h * w * size.cout), h, w, size.cout));
        runtime.run(convJob(x, packed, maps[0], { ...at(dilation), clip: CLIPS[0] }));
        const part = (map: View, i: number) => phase(map, dilation, Math.floor(i / dilation), i % dilation);
        for (let i = 0; i < dilation ** 2; i++)
          runtime.run(convJob(part(x, i), packed, part(maps[1], i), { ...at(1), clip: CLIPS[0] }));
        expect(readView(runtime, maps[1])).toEqual(readView(runtime, maps[0]));
      });
    },
  );

  it.each([
    [3, 3, 2, 1],
    [7, 7, 2, 1],
    [1, 1, 3, 1],
    [2, 4, 3, 2],
  ])(
    'gives a strided convolution the bits of the one without: %d x %d, stride %d, dilation %d',
    async (rows, columns, stride, dilation) => {
      const size = { rows, columns, cin: 11, cout: 10 };
      const call = { stride: 1, dilation, startY: -1, startX: -2 };
      const [h, w] = [19, 21];
      const o = operandsOf({ x: { h, w }, size, call, h, w });
      await onRuntime(build, (runtime) => {
        const packed = pack(runtime, o, size);
        const x = view(put(runtime, o.x), h, w, size.cin);
        const whole = view(reserve(runtime, h * w * size.cout), h, w, size.cout);
        runtime.run(convJob(x, packed, whole, call));
        const every = phase(whole, stride, 0, 0);
        const strided = gappedView(runtime, every);
        runtime.run(convJob(x, packed, strided, { ...call, stride }));
        expect(readView(runtime, strided)).toEqual(readView(runtime, every));
      });
    },
  );

  it('keeps NaN through its bounds', async () => {
    const item = same(5, 5, 4, 8, 1);
    const o = operandsOf(item);
    o.x[4 * (2 * 5 + 2)] = Number.NaN;
    await onRuntime(build, (runtime) => {
      const y = view(reserve(runtime, 5 * 5 * 8), 5, 5, 8);
      for (const clip of CLIPS) {
        runtime.run(convJob(view(put(runtime, o.x), 5, 5, 4), pack(runtime, o, item.size), y, { ...SAME, clip }));
        const nans = Array.from(readView(runtime, y)).filter(Number.isNaN);
        expect(nans.length, 'the nine pixels around it, all channels').toBe(9 * 8);
      }
    });
  });

  it.each(
    [same(6, 5, 7, 9, 2), ...convCases.filter(({ size }) => size.rows === 7 || size.cin === 257)].map(
      (item) => [titleOfConv(item), item] as const,
    ),
  )('reads nothing behind its map: %s', async (_, item) => {
    const { call, size, h, w } = item;
    const o = operandsOf(item);
    await onRuntime(build, (runtime) => {
      const packed = pack(runtime, o, size);
      const y = view(reserve(runtime, h * w * size.cout), h, w, size.cout);
      const x = view(putLast(runtime, o.x), item.x.h, item.x.w, size.cin);
      runtime.run(convJob(x, packed, y, call));
      const expected = conv({ ...item.x, c: size.cin, data: o.x }, o.w, o.b, shapeOf(item));
      expectClose(readView(runtime, y), expected, TOLERANCE, 'y');
    });
  });
});
