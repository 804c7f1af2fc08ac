import { describe, expect, it } from 'vitest';
import { phase, type View, view } from '../src/wasm/job.js';
import { conv3x3Job, type PackedConv, packConvJob, packedConvBytes } from '../src/wasm/ops/conv.js';
import type { Runtime } from '../src/wasm/runtime.js';
import { conv3x3 } from './reference/conv.js';
import { builds, onRuntime, put, putLast, readView, reserve, UNTOUCHED, writeView } from './support/kernels.js';
import { randomFloats } from './support/random.js';
import { expectClose } from './support/references.js';

const TOLERANCE = 2e-6;

/** [h, w, cin, cout, dilation] */
const shapes: [number, number, number, number, number][] = [
  [1, 1, 1, 1, 1],
  [1, 1, 4, 8, 2],
  [1, 7, 3, 5, 1],
  [5, 1, 2, 9, 3],
  [2, 2, 5, 4, 1],
  [9, 7, 3, 64, 1],
  [9, 7, 7, 15, 1],
  [9, 7, 8, 16, 2],
  [9, 7, 9, 17, 4],
  [6, 5, 15, 33, 8],
  [3, 4, 16, 7, 16],
  [14, 14, 17, 8, 1],
  [17, 19, 33, 3, 3],
  [20, 18, 4, 2, 16],
  [7, 9, 100, 72, 1],
  [5, 6, 300, 10, 1],
  [4, 4, 257, 130, 2],
];

interface Operands {
  x: Float32Array;
  w: Float32Array;
  b: Float32Array;
}

const operands = (h: number, w: number, cin: number, cout: number): Operands => ({
  x: randomFloats(h * w * cin, 1),
  w: randomFloats(9 * cin * cout, 2),
  b: randomFloats(cout, 3),
});

function pack(runtime: Runtime, { w, b }: Operands, cin: number, cout: number): PackedConv {
  const packed = { ptr: reserve(runtime, packedConvBytes(cin, cout) / 4 + 4), cin, cout };
  runtime.run(packConvJob(put(runtime, w), packed));
  runtime.arena.f32(packed.ptr, cout).set(b);
  expect(runtime.arena.f32(packed.ptr + packedConvBytes(cin, cout), 1)[0], 'behind the packed weights').toBe(UNTOUCHED);
  return packed;
}

/** A view with gaps between channels, pixels and rows, as a phase of a wider map has. */
function gappedView(runtime: Runtime, h: number, w: number, c: number): View {
  const pix = c + 3;
  const row = w * pix + 5;
  return { ptr: reserve(runtime, h * row + c), h, w, c, row, pix };
}

describe.each(builds)('conv3x3, $kernels, $threads threads', (build) => {
  it.each(shapes)('%d x %d, %d -> %d channels, dilation %d', async (h, w, cin, cout, dilation) => {
    const o = operands(h, w, cin, cout);
    await onRuntime(build, (runtime) => {
      const packed = pack(runtime, o, cin, cout);
      const x = view(put(runtime, o.x), h, w, cin);
      const gapped = gappedView(runtime, h, w, cin);
      writeView(runtime, gapped, o.x);
      for (const relu of [false, true]) {
        const y = view(reserve(runtime, h * w * cout), h, w, cout);
        runtime.run(conv3x3Job(x, packed, y, { dilation, relu }));
        const expected = conv3x3({ data: o.x, h, w, c: cin }, o.w, o.b, cout, { dilation, relu });
        expectClose(readView(runtime, y), expected, TOLERANCE, `relu ${relu}`);

        const other = gappedView(runtime, h, w, cout);
        runtime.run(conv3x3Job(gapped, packed, other, { dilation, relu }));
        expect(readView(runtime, other), 'the same bits on views').toEqual(readView(runtime, y));
        const between = { ...other, ptr: other.ptr + 4 * cout, c: 3 };
        expect(
          readView(runtime, between).every((value) => value === UNTOUCHED),
          'gaps untouched',
        ).toBe(true);
      }
    });
  });

  it('gives every phase of a dilated convolution the bits of an ordinary one', async () => {
    const [h, w, cin, cout, dilation] = [23, 18, 20, 24, 4];
    const o = operands(h, w, cin, cout);
    await onRuntime(build, (runtime) => {
      const packed = pack(runtime, o, cin, cout);
      const x = view(put(runtime, o.x), h, w, cin);
      const dilated = view(reserve(runtime, h * w * cout), h, w, cout);
      const phases = view(reserve(runtime, h * w * cout), h, w, cout);
      runtime.run(conv3x3Job(x, packed, dilated, { dilation, relu: true }));
      for (let py = 0; py < dilation; py++)
        for (let px = 0; px < dilation; px++)
          runtime.run(
            conv3x3Job(phase(x, dilation, py, px), packed, phase(phases, dilation, py, px), {
              dilation: 1,
              relu: true,
            }),
          );
      expect(readView(runtime, phases)).toEqual(readView(runtime, dilated));
    });
  });

  it('keeps NaN through its ReLU', async () => {
    const o = operands(5, 5, 4, 8);
    o.x[4 * (2 * 5 + 2)] = Number.NaN;
    await onRuntime(build, (runtime) => {
      const y = view(reserve(runtime, 5 * 5 * 8), 5, 5, 8);
      runtime.run(conv3x3Job(view(put(runtime, o.x), 5, 5, 4), pack(runtime, o, 4, 8), y, { dilation: 1, relu: true }));
      const nans = Array.from(readView(runtime, y)).filter(Number.isNaN);
      expect(nans.length, 'the nine pixels around it, all channels').toBe(9 * 8);
    });
  });

  it('reads nothing behind its map', async () => {
    const [h, w, cin, cout] = [6, 5, 7, 9];
    const o = operands(h, w, cin, cout);
    await onRuntime(build, (runtime) => {
      const packed = pack(runtime, o, cin, cout);
      const y = view(reserve(runtime, h * w * cout), h, w, cout);
      const x = view(putLast(runtime, o.x), h, w, cin);
      runtime.run(conv3x3Job(x, packed, y, { dilation: 2, relu: false }));
      const expected = conv3x3({ data: o.x, h, w, c: cin }, o.w, o.b, cout, { dilation: 2, relu: false });
      expectClose(readView(runtime, y), expected, TOLERANCE, 'y');
    });
  });
});
