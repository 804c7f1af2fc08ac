import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { phase, view } from '../src/wasm/job.js';
import { depthwiseInputGradientJob, depthwiseJob, depthwiseWeightGradientJobs } from '../src/wasm/ops/depthwise.js';
import { depthwiseInFloat32 } from './reference/depthwise.js';
import { conv, convBackward } from './reference/graph/windows.js';
import { get, onRuntime, put, putLast, readView, reserve, UNTOUCHED } from './support/kernels.js';
import { everywhere, expectBits, type Machine, startMachines } from './support/machines.js';
import { randomFloats } from './support/random.js';
import { expectClose, expectNear, expectWithin } from './support/references.js';
import { channelsFor, type WindowCase, windowCases } from './support/window-cases.js';

const CLIPS = [undefined, { low: 0, high: Infinity }, { low: -0.25, high: 0.5 }];

/** Random operands of a case with c channels, in float32. */
const operandsOf = ({ h, w, window, outH, outW }: WindowCase, c: number) => ({
  x: randomFloats(h * w * c, 1),
  kernel: randomFloats(window.rows * window.columns * c, 2),
  bias: randomFloats(c, 3),
  dy: randomFloats(outH * outW * c, 4),
});

/** y and the sums of its terms' sizes, dx, and the gradients at the weights, in float64. */
function referenceOf({ h, w, window, outH, outW }: WindowCase, c: number, o: ReturnType<typeof operandsOf>) {
  const plain = (data: Float32Array, h: number, w: number) => ({ data: Float64Array.from(data), h, w, c });
  const placed = { window: { ...window, top: -window.startY, left: -window.startX }, delay: [0, 0] as const };
  const weights = { kernel: Float64Array.from(o.kernel), bias: Float64Array.from(o.bias) };
  const dx = new Float64Array(o.x.length);
  const dw = { kernel: new Float64Array(o.kernel.length), bias: new Float64Array(c) };
  const x = plain(o.x, h, w);
  convBackward(x, weights, plain(o.dy, outH, outW), placed, c, dx, dw);
  const shape = { h: outH, w: outW, c };
  const sizes = { kernel: weights.kernel.map(Math.abs), bias: weights.bias.map(Math.abs) };
  const terms = conv({ ...x, data: x.data.map(Math.abs) }, sizes, shape, placed, c);
  return { y: conv(x, weights, shape, placed, c), terms, dx, dkernel: dw.kernel, dbias: dw.bias };
}

const plus = (a: ArrayLike<number>, b: ArrayLike<number>) => Float64Array.from(a, (value, i) => value + b[i]);

describe.each(['simd', 'relaxed'] as const)('depthwise convolution, %s', (kernels) => {
  let machines: Machine[];
  beforeAll(async () => {
    machines = await startMachines(kernels);
  });
  afterAll(() => {
    for (const machine of machines) machine.dispose();
  });

  it.each(windowCases.map((each, i) => [each.title, each, channelsFor(i)] as const))('%s', (_, each, channels) => {
    const { h, w, window, outH, outW } = each;
    const { rows, columns } = window;
    for (const c of channels) {
      const o = operandsOf(each, c);
      const expected = referenceOf(each, c, o);
      const x = { h, w, c, data: o.x };
      const dy = { h: outH, w: outW, c, data: o.dy };
      for (const clip of CLIPS) {
        const [y] = everywhere(machines, [x], [{ h: outH, w: outW, c }], ([x], [y], put) => [
          depthwiseJob(x, { rows, columns, kernel: put(o.kernel), bias: put(o.bias) }, y, { ...window, clip }),
        ]);
        const { low, high } = clip ?? { low: -Infinity, high: Infinity };
        const clipped = expected.y.map((value) => Math.min(Math.max(value, low), high));
        if (kernels === 'simd' && !clip)
          expectBits(y, depthwiseInFloat32(x, o.kernel, o.bias, { ...window, h: outH, w: outW }), 'y in float32');
        expectWithin(y, clipped, (i) => 4e-7 * expected.terms[i], `y, ${c} channels`);
      }
      for (const accumulate of [false, true]) {
        const before = accumulate ? o.x : undefined;
        const [dx] = everywhere(machines, [dy], [{ h, w, c, data: before }], ([dy], [dx], put) => [
          depthwiseInputGradientJob(dy, { rows, columns, kernel: put(o.kernel), bias: 0 }, dx, window, accumulate),
        ]);
        expectClose(dx, accumulate ? plus(expected.dx, o.x) : expected.dx, 1e-6, `dx, ${c} channels`);
        const [dkernel, dbias] = everywhere(
          machines,
          [x, dy],
          [
            { h: 1, w: 1, c: o.kernel.length, data: accumulate ? o.kernel : undefined },
            { h: 1, w: 1, c, data: accumulate ? o.bias : undefined },
          ],
          ([x, dy], [{ ptr: kernel }, { ptr: bias }]) =>
            depthwiseWeightGradientJobs(x, dy, { rows, columns }, window, { kernel, bias }, accumulate),
        );
        expectNear(dkernel, accumulate ? plus(expected.dkernel, o.kernel) : expected.dkernel, 1e-6, 'dkernel');
        expectNear(dbias, accumulate ? plus(expected.dbias, o.bias) : expected.dbias, 1e-6, 'dbias');
      }
    }
  });

  it('has the bits of each phase by itself where phases are interleaved', () => {
    const [h, w, c, rate] = [26, 21, 20, 4];
    const [machine] = machines;
    const o = { x: randomFloats(h * w * c, 1), kernel: randomFloats(15 * c, 2), bias: randomFloats(c, 3) };
    const mark = machine.arena.mark();
    const weights = { rows: 3, columns: 5, kernel: put(machine, o.kernel), bias: put(machine, o.bias) };
    const x = view(put(machine, o.x), h, w, c);
    const at = (rate: number) => ({ stride: 1, dilation: 2 * rate, startY: -2 * rate, startX: -5 * rate });
    const [whole, parts] = [0, 1].map(() => view(reserve(machine, h * w * c), h, w, c));
    machine.run(depthwiseJob(x, weights, whole, at(rate)));
    for (let i = 0; i < rate * rate; i++) {
      const own = (v: typeof x) => phase(v, rate, Math.floor(i / rate), i % rate);
      machine.run(depthwiseJob(own(x), weights, own(parts), at(1)));
    }
    expectBits(readView(machine, parts), readView(machine, whole), 'phase by phase');
    machine.arena.release(mark);
  });

  it('divides many channels of a large window, and few points, without changing bits', () => {
    const [h, w, c] = [6, 5, 150];
    const [rows, columns] = [23, 21];
    const o = { x: randomFloats(h * w * c, 1), kernel: randomFloats(rows * columns * c, 2), bias: randomFloats(c, 3) };
    const call = { stride: 1, dilation: 1, startY: -11, startX: -10 };
    const run = (c0: number, channels: number): Float32Array => {
      const pick = (data: Float32Array) => data.filter((_, i) => i % c >= c0 && i % c < c0 + channels);
      const [y] = everywhere(
        machines,
        [{ h, w, c: channels, data: pick(o.x) }],
        [{ h, w, c: channels }],
        ([x], [y], put) => [
          depthwiseJob(x, { rows, columns, kernel: put(pick(o.kernel)), bias: put(pick(o.bias)) }, y, call),
        ],
      );
      return y;
    };
    const all = run(0, c);
    for (const [c0, channels] of [
      [0, 9],
      [70, 5],
      [143, 7],
    ])
      expectBits(
        all.filter((_, i) => i % c >= c0 && i % c < c0 + channels),
        run(c0, channels),
        `from channel ${c0}`,
      );
  });

  it('keeps NaN through its clip, and lets weights that are not finite alone where their tap sees nothing', () => {
    const [h, w, c] = [5, 5, 12];
    const x = randomFloats(h * w * c, 1).map(Math.abs);
    x[(2 * w + 2) * c + 5] = Number.NaN;
    const kernel = new Float32Array(9 * c).fill(1);
    kernel.fill(Number.POSITIVE_INFINITY, 0, c); // the first tap
    const call = { stride: 1, dilation: 1, startY: -1, startX: -1, clip: { low: 0, high: 6 } };
    const [y] = everywhere(machines, [{ h, w, c, data: x }], [{ h, w, c }], ([x], [y], put) => [
      depthwiseJob(x, { rows: 3, columns: 3, kernel: put(kernel), bias: put(new Float32Array(c)) }, y, call),
    ]);
    const points = (test: (value: number) => boolean) =>
      Array.from(y.keys())
        .filter((i) => test(y[i]))
        .map((i) => Math.floor(i / c));
    expect(points(Number.isNaN)).toEqual([6, 7, 8, 11, 12, 13, 16, 17, 18]);
    expect(points((value) => value !== 6 && !Number.isNaN(value)).length).toBeGreaterThan(0);
  });

  it('reads nothing behind its operands and writes nothing behind its results', async () => {
    const [h, w, c] = [6, 5, 7];
    const o = { x: randomFloats(h * w * c, 1), kernel: randomFloats(9 * c, 2), bias: randomFloats(c, 3) };
    const call = { stride: 1, dilation: 1, startY: -1, startX: -1 };
    const weights = { rows: 3, columns: 3 };
    const results: Float32Array[] = [];
    for (const last of ['none', 'x', 'kernel', 'bias', 'y'])
      await onRuntime({ kernels, threads: 1 }, (runtime) => {
        const y = reserve(runtime, h * w * c + 8);
        const place = (name: 'x' | 'kernel' | 'bias') => (last === name ? 0 : put(runtime, o[name]));
        const [x, kernel, bias] = [place('x'), place('kernel'), place('bias')];
        const end = last === 'none' ? 0 : putLast(runtime, last === 'y' ? new Float32Array(h * w * c) : o[last as 'x']);
        const target = view(last === 'y' ? end : y, h, w, c);
        runtime.run(
          depthwiseJob(view(x || end, h, w, c), { ...weights, kernel: kernel || end, bias: bias || end }, target, call),
        );
        results.push(readView(runtime, target));
        expect(get(runtime, y + 4 * h * w * c, 8)).toEqual(new Float32Array(8).fill(UNTOUCHED));
      });
    for (const result of results) expectBits(result, results[0], 'at the end of the memory');
  });
});
