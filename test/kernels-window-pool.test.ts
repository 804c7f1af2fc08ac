import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { phase, type View, view } from '../src/wasm/job.js';
import { globalBackwardJob, globalJob, poolBackwardJob, poolJob } from '../src/wasm/ops/pool.js';
import { global, globalBackward } from './reference/graph/points.js';
import { pool, poolBackward } from './reference/graph/windows.js';
import type { Map3 } from './reference/map.js';
import { meanPoolInFloat32 } from './reference/pool.js';
import { onRuntime, put, putLast, readView, reserve } from './support/kernels.js';
import { everywhere, expectBits, type Machine, startMachines } from './support/machines.js';
import { randomFloats } from './support/random.js';
import { expectClose } from './support/references.js';
import { channelsFor, windowCases } from './support/window-cases.js';

const KINDS = ['max', 'mean'] as const;
const BEYOND = ['nothing', 'zero'] as const;

/** Rounded to eighths so that ties occur, zeros among them. */
const ties = (length: number, seed: number): Float32Array =>
  randomFloats(length, seed).map((value) => Math.round(value * 8) / 8 + 0); // + 0: no -0

const plain = ({ data, ...size }: Map3) => ({ ...size, data: Float64Array.from(data) });
const plus = (a: ArrayLike<number>, b: ArrayLike<number>) => Float64Array.from(a, (value, i) => value + b[i]);

describe.each(['simd', 'relaxed'] as const)('pools, %s', (kernels) => {
  let machines: Machine[];
  beforeAll(async () => {
    machines = await startMachines(kernels);
  });
  afterAll(() => {
    for (const machine of machines) machine.dispose();
  });

  it.each(windowCases.map((each, i) => [each.title, each, channelsFor(i)] as const))('%s', (_, each, channels) => {
    const { h, w, window, outH, outW } = each;
    for (const c of channels)
      for (const kind of KINDS)
        for (const beyond of BEYOND) {
          const what = `${kind}, beyond ${beyond}, ${c} channels`;
          const x = { h, w, c, data: ties(h * w * c, 1) };
          const dy = { h: outH, w: outW, c, data: randomFloats(outH * outW * c, 2) };
          const before = randomFloats(h * w * c, 3);
          const placed = { window: { ...window, top: -window.startY, left: -window.startX }, delay: [0, 0] as const };
          const options = { ...placed, kind, beyond };

          const [y] = everywhere(machines, [x], [{ ...dy, data: undefined }], ([x], [y]) => [
            poolJob(kind, x, y, window, beyond),
          ]);
          const expected = pool(plain(x), dy, options);
          if (kind === 'max') expectBits(y, Float32Array.from(expected), what);
          else expectBits(y, meanPoolInFloat32(x, outH, outW, window, beyond === 'zero'), `${what}, in float32`);
          expectClose(y, expected, 3e-7, what);

          const expectedDx = new Float64Array(x.data.length);
          poolBackward(plain(x), plain(dy), options, expectedDx);
          for (const accumulate of [false, true]) {
            const data = accumulate ? before : undefined;
            const [dx] = everywhere(machines, [x, dy], [{ h, w, c, data }], ([x, dy], [dx]) => [
              poolBackwardJob(kind, x, dy, dx, window, beyond, accumulate),
            ]);
            expectClose(dx, accumulate ? plus(expectedDx, before) : expectedDx, 1e-6, `gradient of ${what}`);
          }
        }
  });

  it('keep -Infinity and NaN that a window sees, and send gradients to them', () => {
    const [h, w] = [3, 5];
    const none = Number.NEGATIVE_INFINITY;
    const data = new Float32Array(h * w).fill(none);
    data[7] = Number.NaN;
    const window = { rows: 3, columns: 3, stride: 2, dilation: 1, startY: 0, startX: -1 };
    const dy = { h: 1, w: 3, c: 1, data: Float32Array.of(1, 2, 4) };
    for (const [beyond, values, gradients] of [
      ['nothing', [none, Number.NaN, none], { 0: 1, 7: 2, 3: 4 }],
      ['zero', [0, Number.NaN, 0], { 7: 2 }],
    ] as const) {
      const [y, dx] = everywhere(
        machines,
        [{ h, w, c: 1, data }, dy],
        [
          { h: 1, w: 3, c: 1 },
          { h, w, c: 1 },
        ],
        (inputs, outputs) => [
          poolJob('max', inputs[0], outputs[0], window, beyond),
          poolBackwardJob('max', inputs[0], inputs[1], outputs[1], window, beyond, false),
        ],
      );
      expect([...y], beyond).toEqual(values);
      const expected: number[] = new Array(h * w).fill(0);
      for (const [at, value] of Object.entries(gradients)) expected[Number(at)] = value;
      expect([...dx], beyond).toEqual(expected);
    }
  });

  it.each(KINDS)('%s: interleaved phases have the bits of each by itself', (kind) => {
    const [h, w, c, rate] = [26, 21, 20, 4];
    const [machine] = machines;
    const mark = machine.arena.mark();
    const x = view(put(machine, randomFloats(h * w * c, 1)), h, w, c);
    const [whole, parts] = [0, 1].map(() => view(reserve(machine, h * w * c), h, w, c));
    const at = (rate: number) => ({
      rows: 3,
      columns: 5,
      stride: 1,
      dilation: 2 * rate,
      startY: -rate,
      startX: -6 * rate,
    });
    machine.run(poolJob(kind, x, whole, at(rate), 'nothing'));
    for (let i = 0; i < rate * rate; i++) {
      const own = (v: View) => phase(v, rate, Math.floor(i / rate), i % rate);
      machine.run(poolJob(kind, own(x), own(parts), at(1), 'nothing'));
    }
    expectBits(readView(machine, parts), readView(machine, whole), 'phase by phase');
    machine.arena.release(mark);
  });

  it('read nothing behind their map', async () => {
    const [h, w, c] = [5, 6, 7];
    const data = randomFloats(h * w * c, 1);
    const window = { rows: 3, columns: 3, stride: 1, dilation: 1, startY: -1, startX: -1 };
    for (const kind of KINDS) {
      const jobs = (x: View, y: View) => [
        poolJob(kind, x, y, window, 'zero'),
        globalJob(kind, x, { ...y, h: 2, w: 2 }, 2),
      ];
      const results = await Promise.all(
        [put, putLast].map((place) =>
          onRuntime({ kernels, threads: 1 }, (runtime) => {
            const y = view(reserve(runtime, h * w * c), h, w, c);
            const x = view(place(runtime, data), h, w, c);
            return jobs(x, y).map((job) => {
              runtime.run(job);
              return readView(runtime, y);
            });
          }),
        ),
      );
      expect(results[1]).toEqual(results[0]);
    }
  });
});

/** [h, w, c, rate] */
const shapes = [
  [1, 1, 1, 1],
  [7, 9, 3, 1],
  [13, 2, 37, 1],
  [5, 11, 150, 1],
  [8, 8, 5, 2],
  [9, 7, 20, 2],
  [13, 17, 33, 3],
  [3, 5, 8, 4],
  [2, 1, 6, 5],
  [21, 18, 16, 8],
  [40, 33, 70, 16],
];

describe.each(['simd', 'relaxed'] as const)('global pools, %s', (kernels) => {
  let machines: Machine[];
  beforeAll(async () => {
    machines = await startMachines(kernels);
  });
  afterAll(() => {
    for (const machine of machines) machine.dispose();
  });

  it.each(shapes)('%d x %d x %d at rate %d', (h, w, c, rate) => {
    for (const kind of KINDS) {
      const x = { h, w, c, data: kind === 'max' ? ties(h * w * c, 1) : randomFloats(h * w * c, 1) };
      const dy = { h: rate, w: rate, c, data: randomFloats(rate * rate * c, 2) };
      const before = randomFloats(h * w * c, 3);
      const [y] = everywhere(machines, [x], [{ ...dy, data: undefined }], ([x], [y]) => [globalJob(kind, x, y, rate)]);
      const expected = phases(x, rate).flatMap((part) =>
        part.data.length > 0 ? [...global(part, kind)] : new Array(c).fill(0),
      );
      // A mean is rounded once: float64 sums of float32 numbers are as good as exact here.
      expectBits(y, Float32Array.from(expected), kind);

      const expectedDx = new Float64Array(h * w * c);
      phases(x, rate).forEach((part, n) => {
        const dx = new Float64Array(part.data.length);
        if (dx.length > 0) globalBackward(part, Float64Array.from(dy.data.subarray(n * c, (n + 1) * c)), kind, dx);
        for (const [i, at] of part.places.entries()) expectedDx[at] = dx[i];
      });
      for (const accumulate of [false, true]) {
        const data = accumulate ? before : undefined;
        const [dx] = everywhere(machines, [x, dy], [{ h, w, c, data }], ([x, dy], [dx]) => [
          globalBackwardJob(kind, x, dy, dx, rate, accumulate),
        ]);
        expectClose(dx, accumulate ? plus(expectedDx, before) : expectedDx, 1e-7, `gradient of ${kind}`);
      }
    }
  });

  it('keep NaN and -Infinity', () => {
    const data = Float32Array.of(-Infinity, 1, -Infinity, Number.NaN, -Infinity, 3);
    const [y, mean, dx] = everywhere(
      machines,
      [
        { h: 3, w: 1, c: 2, data },
        { h: 1, w: 1, c: 2, data: [5, 7] },
      ],
      [
        { h: 1, w: 1, c: 2 },
        { h: 1, w: 1, c: 2 },
        { h: 3, w: 1, c: 2 },
      ],
      ([x, dy], [y, mean, dx]) => [
        globalJob('max', x, y, 1),
        globalJob('mean', x, mean, 1),
        globalBackwardJob('max', x, dy, dx, 1, false),
      ],
    );
    expect([...y]).toEqual([-Infinity, Number.NaN]);
    expect([...mean]).toEqual([-Infinity, Number.NaN]);
    expect([...dx]).toEqual([5, 0, 0, 7, 0, 0]);
  });
});

/** The maps of all phases in row order, and where their elements lie in x. */
function phases({ data, h, w, c }: Map3, rate: number) {
  return Array.from({ length: rate * rate }, (_, n) => {
    const rows = Math.max(0, Math.ceil((h - Math.floor(n / rate)) / rate));
    const columns = Math.max(0, Math.ceil((w - (n % rate)) / rate));
    const places = Array.from({ length: rows * columns * c }, (_, at) => {
      const [i, j] = [Math.floor(at / (columns * c)), Math.floor(at / c) % columns];
      return ((i * rate + Math.floor(n / rate)) * w + j * rate + (n % rate)) * c + (at % c);
    });
    return { h: rows, w: columns, c, places, data: Float64Array.from(places, (at) => data[at]) };
  });
}
