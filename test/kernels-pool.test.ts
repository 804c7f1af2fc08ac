import { describe, expect, it } from 'vitest';
import { phase, type View, view } from '../src/wasm/job.js';
import { maxPoolBackwardJob, maxPoolJob } from '../src/wasm/ops/pool.js';
import { maxPool, maxPoolBackward } from './reference/pool.js';
import { builds, get, onRuntime, put, putLast, readView, reserve, UNTOUCHED, writeView } from './support/kernels.js';
import { randomFloats } from './support/random.js';
import { expectNear } from './support/references.js';

/** [h, w, channels, size, stride, dilation, offsetY, offsetX] */
const shapes: number[][] = [
  [1, 1, 1, 2, 2, 1, 0, 0],
  [2, 2, 3, 2, 2, 1, 0, 0],
  [5, 7, 4, 2, 1, 1, 0, 0],
  [9, 7, 5, 2, 1, 2, 0, 0],
  [9, 7, 7, 3, 2, 1, 0, 0],
  [12, 10, 8, 3, 1, 3, 0, 0],
  [8, 8, 9, 2, 2, 1, 1, 1],
  [9, 8, 15, 2, 2, 1, 1, 0],
  [7, 9, 16, 2, 2, 1, 0, 1],
  [20, 17, 17, 2, 1, 8, 0, 0],
  [64, 96, 3, 32, 32, 1, 0, 0],
  [4, 4, 33, 2, 1, 16, 0, 0],
];

/** Rounded to eighths so that ties occur. */
const ties = (length: number, seed: number): Float32Array =>
  randomFloats(length, seed).map((value) => Math.round(value * 8) / 8 + 0); // + 0: no -0

describe.each(builds)('maxPool, $kernels, $threads threads', (build) => {
  it.each(shapes)('%d x %d x %d, size %d, stride %d, dilation %d, offset %d %d', async (...shape) => {
    const [h, w, c, size, stride, dilation, offsetY, offsetX] = shape;
    const window = { size, stride, dilation, offsetY, offsetX };
    const outH = Math.ceil((h - offsetY) / stride);
    const outW = Math.ceil((w - offsetX) / stride);
    const x = ties(h * w * c, 1);
    const dy = randomFloats(outH * outW * c, 2);
    await onRuntime(build, (runtime) => {
      const source = view(put(runtime, x), h, w, c);
      const target = view(reserve(runtime, outH * outW * c), outH, outW, c);
      runtime.run(maxPoolJob(source, target, window));
      const map = { data: x, h, w, c };
      expect(readView(runtime, target)).toEqual(new Float32Array(maxPool(map, outH, outW, window)));
      const dx = view(reserve(runtime, h * w * c), h, w, c);
      runtime.run(maxPoolBackwardJob(source, view(put(runtime, dy), outH, outW, c), dx, window));
      const expected = maxPoolBackward(map, dy, outH, outW, window);
      const once = readView(runtime, dx);
      expectNear(once, expected, 1e-7, 'dx');
      runtime.run(
        maxPoolBackwardJob(source, view(put(runtime, dy), outH, outW, c), dx, { ...window, accumulate: true }),
      );
      expectNear(
        readView(runtime, dx),
        expected.map((value) => 2 * value),
        1e-7,
        'dx, added to itself',
      );

      const gapped = (side: number, wide: number, dense: Float32Array): View => {
        const [pix, row] = [c + 3, wide * (c + 3) + 1];
        const v = { ptr: reserve(runtime, side * row), h: side, w: wide, c, row, pix };
        writeView(runtime, v, dense);
        return v;
      };
      const other = gapped(h, w, new Float32Array(x.length).fill(1));
      runtime.run(maxPoolBackwardJob(gapped(h, w, x), gapped(outH, outW, dy), other, window));
      expect(readView(runtime, other), 'the same bits on views').toEqual(once);
      const gaps = { ...other, ptr: other.ptr + 4 * c, c: 3 };
      expect(
        readView(runtime, gaps).every((value) => value === UNTOUCHED),
        'gaps untouched',
      ).toBe(true);
    });
  });

  it.each([
    ['zeros', () => 0],
    ['negative numbers', (i: number) => -1 - (i % 5)],
    ['-Infinity', () => Number.NEGATIVE_INFINITY],
  ])('sends the gradient of a window of %s to its first maximum', async (_, value) => {
    const [h, w, c] = [6, 4, 5];
    const x = Float32Array.from({ length: h * w * c }, (_, i) => value(i));
    const dy = new Float32Array(3 * 2 * c).fill(1);
    const window = { size: 2, stride: 2, dilation: 1, offsetY: 0, offsetX: 0 };
    await onRuntime(build, (runtime) => {
      const dx = view(reserve(runtime, h * w * c), h, w, c);
      runtime.run(maxPoolBackwardJob(view(put(runtime, x), h, w, c), view(put(runtime, dy), 3, 2, c), dx, window));
      const expected = maxPoolBackward({ data: x, h, w, c }, dy, 3, 2, window);
      expect(readView(runtime, dx)).toEqual(new Float32Array(expected));
    });
  });

  it('keeps NaN, wherever it stands in the window', async () => {
    for (const at of [0, 1, 2, 3]) {
      const x = new Float32Array(4).fill(1);
      x[at] = Number.NaN;
      await onRuntime(build, (runtime) => {
        const source = view(put(runtime, x), 2, 2, 1);
        const y = view(reserve(runtime, 1), 1, 1, 1);
        runtime.run(maxPoolJob(source, y, { size: 2, stride: 2, dilation: 1, offsetY: 0, offsetX: 0 }));
        expect(readView(runtime, y)).toEqual(new Float32Array([Number.NaN]));
        const dx = view(reserve(runtime, 4), 2, 2, 1);
        const dy = view(put(runtime, [1]), 1, 1, 1);
        runtime.run(maxPoolBackwardJob(source, dy, dx, { size: 2, stride: 2, dilation: 1, offsetY: 0, offsetX: 0 }));
        expect(readView(runtime, dx)).toEqual(new Float32Array(4).fill(1, at, at + 1));
      });
    }
  });

  it('stores child phases into an interleaved map', async () => {
    const [h, w, c] = [10, 8, 6];
    const x = ties(h * w * c, 3);
    await onRuntime(build, (runtime) => {
      const source = view(put(runtime, x), h, w, c);
      const children = view(reserve(runtime, h * w * c), h, w, c);
      for (const offsetY of [0, 1])
        for (const offsetX of [0, 1]) {
          const child = phase(children, 2, offsetY, offsetX);
          runtime.run(maxPoolJob(source, child, { size: 2, stride: 2, dilation: 1, offsetY, offsetX }));
        }
      const window = { size: 2, stride: 1, dilation: 1 };
      const expected = maxPool({ data: x, h, w, c }, h, w, window);
      expect(readView(runtime, children), 'the atrous pool').toEqual(new Float32Array(expected));

      const dy = view(put(runtime, randomFloats(h * w * c, 6)), h, w, c);
      const dx = view(reserve(runtime, h * w * c), h, w, c);
      for (const [i, [offsetY, offsetX]] of [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ].entries()) {
        const parts = { size: 2, stride: 2, dilation: 1, offsetY, offsetX, accumulate: i > 0 };
        runtime.run(maxPoolBackwardJob(source, phase(dy, 2, offsetY, offsetX), dx, parts));
      }
      const gradient = maxPoolBackward({ data: x, h, w, c }, readView(runtime, dy), h, w, window);
      expectNear(readView(runtime, dx), gradient, 1e-7, 'its gradient, child by child');
    });
  });

  it('writes nothing between the channels of its view', async () => {
    await onRuntime(build, (runtime) => {
      const y = { ptr: reserve(runtime, 2 * 2 * 8), h: 2, w: 2, c: 5, row: 16, pix: 8 };
      const x = view(put(runtime, randomFloats(4 * 4 * 5, 4)), 4, 4, 5);
      runtime.run(maxPoolJob(x, y, { size: 2, stride: 2, dilation: 1, offsetY: 0, offsetX: 0 }));
      const all = get(runtime, y.ptr, 2 * 2 * 8);
      expect(all.filter((_, i) => i % 8 >= 5)).toEqual(new Float32Array(12).fill(UNTOUCHED));
    });
  });

  it('reads nothing behind its map', async () => {
    const [h, w, c] = [5, 5, 3];
    const x = ties(h * w * c, 5);
    await onRuntime(build, (runtime) => {
      const window = { size: 2, stride: 1, dilation: 2, offsetY: 0, offsetX: 0 };
      const y = view(reserve(runtime, h * w * c), h, w, c);
      runtime.run(maxPoolJob(view(putLast(runtime, x), h, w, c), y, window));
      expect(readView(runtime, y)).toEqual(new Float32Array(maxPool({ data: x, h, w, c }, h, w, window)));
    });
  });
});
