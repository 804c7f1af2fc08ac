import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Activation } from '../src/graph/graph.js';
import { view } from '../src/wasm/job.js';
import { activationBackwardJob, activationJob, preluWeightGradientJobs } from '../src/wasm/ops/map.js';
import { curveOf } from './reference/graph/activations.js';
import { put, putLast, readView, reserve } from './support/kernels.js';
import { everywhere, expectBits, type Machine, startMachines } from './support/machines.js';
import { randomFloats } from './support/random.js';
import { expectClose, expectWithin } from './support/references.js';

const activations: Activation[] = [
  { f: 'relu' },
  { f: 'clip', low: 0, high: 6 },
  { f: 'clip', low: -1.5, high: 2.25 },
  { f: 'leaky-relu', slope: 0.2 },
  { f: 'prelu' },
  { f: 'elu', alpha: 1 },
  { f: 'elu', alpha: 0.3 },
  { f: 'selu' },
  { f: 'sigmoid' },
  { f: 'tanh' },
  { f: 'silu' },
  { f: 'hard-sigmoid', slope: 0.2, offset: 0.5 },
  { f: 'hard-sigmoid', slope: 1 / 6, offset: 0.5 },
  { f: 'hard-swish' },
  { f: 'gelu', approximate: false },
  { f: 'gelu', approximate: true },
  { f: 'softplus' },
];
/** Where a curve of the list bends. */
const KINKS = [0, 6, -1.5, 2.25, 3, -3, 2.5, -2.5];

const titled = activations.map((activation) => ({ title: JSON.stringify(activation), activation }));

/** Dense near zero, where differences cancel, and as far out as e^x goes. */
const inputs = Float32Array.from([
  ...randomFloats(200, 1).map((x) => 3 * x),
  ...randomFloats(90, 2).map((x) => 12 * x),
  ...randomFloats(40, 3).map((x) => 1e-3 * x),
  ...randomFloats(30, 4).map((x) => 90 * x),
]);
const upstream = randomFloats(inputs.length, 5);

/** Ways to write 360 numbers as a map. */
const shapes = [
  [4, 18, 5],
  [1, 1, 360],
  [40, 9, 1],
  [9, 20, 2],
  [5, 8, 9],
  [5, 9, 8],
] as const;
const [[h, w, c]] = shapes;

/** A PReLU's slope. */
const SLOPE = 0.3;
const slopesOf = (c: number) => new Float32Array(c).fill(SLOPE);

/** A float64 reference of e^x and its kin has lost its digits below. */
const REFERENCE = 1e-14;

/** How far the value at x may be off, and the derivative. */
function allowed(activation: Activation, x: number, right: number): number {
  switch (activation.f) {
    case 'hard-sigmoid': // a difference, then held
      return 1.2e-7;
    case 'gelu': // the argument of e^ grows with x^2
      return 4e-7 * (1 + x * x) * Math.abs(right) + REFERENCE;
    default:
      return 4e-7 * Math.abs(right) + 2 ** -126;
  }
}
const allowedSlope = ({ f }: Activation, right: number): number =>
  f === 'silu' || f === 'gelu' || f === 'hard-swish' ? 4e-7 : 6e-7 * Math.abs(right) + REFERENCE;

type Back = Parameters<typeof activationBackwardJob>[4];

describe.each(['simd', 'relaxed'] as const)('activations, %s', (kernels) => {
  let machines: Machine[];
  beforeAll(async () => {
    machines = await startMachines(kernels);
  });
  afterAll(() => {
    for (const machine of machines) machine.dispose();
  });

  function apply(activation: Activation, x: Float32Array, [h, w, c]: readonly number[], inPlace = false): Float32Array {
    const size = { h, w, c };
    const slope = slopesOf(c);
    if (inPlace)
      return everywhere(machines, [], [{ ...size, data: x }], (_, [x], put) => [
        activationJob(x, x, activation, put(slope)),
      ])[0];
    return everywhere(machines, [{ ...size, data: x }], [size], ([x], [y], put) => [
      activationJob(x, y, activation, put(slope)),
    ])[0];
  }

  function back(
    activation: Activation,
    { x, dy, dx }: Record<'x' | 'dy', Float32Array> & { dx?: Float32Array },
    [h, w, c]: readonly number[] = shapes[0],
    o: Back = {},
  ): Float32Array {
    const given = [x, dy].map((data) => ({ h, w, c, data }));
    return everywhere(machines, given, [{ h, w, c, data: dx }], ([x, dy], [dx], put) => [
      activationBackwardJob(x, dy, dx, activation, { ...o, slope: put(slopesOf(c)) }),
    ])[0];
  }

  it.each(titled)('$title', ({ activation }) => {
    const y = apply(activation, inputs, shapes[0]);
    const right = Float64Array.from(inputs, curveOf(activation, SLOPE).value);
    expectWithin(y, right, (i) => allowed(activation, inputs[i], right[i]), 'y');
    for (const shape of shapes) expectBits(apply(activation, inputs, shape), y, `y as a map ${shape}`);
    expectBits(apply(activation, inputs, shapes[0], true), y, 'in place');
  });

  it.each(titled)('the gradient of $title', ({ activation }) => {
    const { value, slope } = curveOf(activation, SLOPE);
    const plain = { x: inputs, dy: upstream };
    const dx = back(activation, plain);
    const right = Float64Array.from(inputs, (x, i) => upstream[i] * slope(x));
    expectWithin(dx, right, (i) => allowedSlope(activation, right[i]), 'dx');
    for (const shape of shapes) expectBits(back(activation, plain, shape), dx, `dx as a map ${shape}`);

    const step = 1e-5;
    const rises = Float64Array.from(inputs, (x) => (value(x + step) - value(x - step)) / (2 * step));
    const smooth = [...inputs.keys()].filter((i) => KINKS.every((kink) => Math.abs(inputs[i] - kink) > 2 * step));
    expect(smooth.length).toBeGreaterThan(0.9 * inputs.length);
    const of = (all: ArrayLike<number>) => smooth.map((i) => all[i]);
    expectWithin(of(dx), of(rises.map((rise, i) => rise * upstream[i])), () => 1e-6, 'finite differences');
  });

  it.each(titled)('the gradient of $title in place, added, guided', ({ activation }) => {
    const plain = { x: inputs, dy: upstream };
    const dx = back(activation, plain);
    const size = { h, w, c };
    const slope = slopesOf(c);
    const [over] = everywhere(
      machines,
      [{ ...size, data: inputs }],
      [{ ...size, data: upstream }],
      ([x], [dy], put) => [activationBackwardJob(x, dy, dy, activation, { slope: put(slope) })],
    );
    expectBits(over, dx, 'in the place of dy');
    const earlier = randomFloats(inputs.length, 6);
    const added = back(activation, { ...plain, dx: earlier }, shapes[0], { accumulate: true });
    expectBits(
      added,
      dx.map((d, i) => d + earlier[i]),
      'added',
    );
    const guided = back(activation, plain, shapes[0], { guided: true });
    expectBits(guided, back(activation, { x: inputs, dy: upstream.map((d) => Math.max(d, 0)) }), 'guided');
  });

  it.each(titled)('$title of infinities, NaN, zeros, and what is out of the range of e^x', ({ activation }) => {
    const { value, slope } = curveOf(activation, SLOPE);
    const nan = new Float32Array(new Uint32Array([0x7fc00000, 0xffc12345, 0x7f812345]).buffer); // with any payload
    expect([...apply(activation, nan, [1, 3, 1])].every(Number.isNaN), 'NaN stays').toBe(true);
    const finite = [0, -0, 1e-45, -1e-45, 1e-40, 88.5, -88.5, 104, -104, 1e4, -1e4, 1e15, -1e15, 3e38, -3e38];
    const wild = Float32Array.from([Infinity, -Infinity, ...finite]);
    const shape = [1, wild.length, 1];
    const far = Float64Array.from(wild, (x) => Math.max(-1e200, Math.min(1e200, x)));
    const right = far.map((x, i) => (Number.isFinite(wild[i]) ? value(x) : Math.fround(value(x)))); // 1e200: Infinity
    expectWithin(apply(activation, wild, shape), right, (i) => 1e-36 + 4e-7 * Math.abs(right[i]), 'y');
    const rises = far.map((x) => slope(Math.max(-1e60, Math.min(1e60, x))));
    const dy = new Float32Array(wild.length).fill(1);
    expectWithin(back(activation, { x: wild, dy }, shape), rises, () => 6e-7, 'dx');
  });

  it('closed functions let not even NaN and infinities through', () => {
    const dy = Float32Array.of(NaN, Infinity, -Infinity);
    for (const f of ['relu', 'hard-swish'] as const)
      expect(back({ f }, { x: new Float32Array(3).fill(-4), dy }, [1, 1, 3])).toEqual(new Float32Array(3));
    expect(back({ f: 'relu' }, { x: new Float32Array(3).fill(4), dy }, [1, 1, 3])).toEqual(dy);
  });

  it('a PReLU with a slope for each channel, and the gradient of its slopes', () => {
    for (const [h, w, c] of [
      [1, 1, 1],
      [3, 5, 3],
      [9, 7, 4],
      [2, 3, 17],
      [5, 4, 33],
    ] as const) {
      const size = { h, w, c };
      const data = randomFloats(h * w * c, 7);
      const dy = randomFloats(h * w * c, 8);
      const slopes = randomFloats(c, 9);
      const curve = (at: number) => curveOf({ f: 'prelu' }, slopes[at % c]);
      const [y] = everywhere(machines, [{ ...size, data }], [size], ([x], [y], put) => [
        activationJob(x, y, { f: 'prelu' }, put(slopes)),
      ]);
      expectClose(
        y,
        [...data].map((x, at) => curve(at).value(x)),
        1e-7,
        `${h} x ${w} x ${c}`,
      );
      const both = [data, dy].map((numbers) => ({ ...size, data: numbers }));
      const [dx] = everywhere(machines, both, [size], ([x, dy], [dx], put) => [
        activationBackwardJob(x, dy, dx, { f: 'prelu' }, { slope: put(slopes) }),
      ]);
      expectClose(
        dx,
        [...data].map((x, at) => curve(at).slope(x) * dy[at]),
        1e-7,
        'dx',
      );
      const sums = new Float64Array(c);
      for (const [at, x] of data.entries()) sums[at % c] += dy[at] * Math.min(x, 0);
      const [dslope, twice] = everywhere(
        machines,
        both,
        [
          { h: 1, w: 1, c },
          { h: 1, w: 1, c, data: slopes },
        ],
        ([x, dy], [once, more]) => [
          ...preluWeightGradientJobs(x, dy, once.ptr, false),
          ...preluWeightGradientJobs(x, dy, more.ptr, true),
        ],
      );
      expectClose(dslope, sums, 1e-6, 'dslope');
      expectClose(
        twice,
        sums.map((sum, k) => sum + slopes[k]),
        1e-6,
        'dslope, added',
      );
    }
  });

  it('reads and writes nothing behind its maps', () => {
    for (const machine of machines.slice(0, 1))
      for (const c of [1, 2, 3, 5, 6, 7]) {
        const x = randomFloats(c, 1);
        const out = view(reserve(machine, c), 1, 1, c);
        machine.run(activationJob(view(putLast(machine, x), 1, 1, c), out, { f: 'silu' }));
        const last = view(putLast(machine, x), 1, 1, c);
        machine.run(activationJob(view(put(machine, x), 1, 1, c), last, { f: 'silu' }));
        expect(readView(machine, last)).toEqual(readView(machine, out));
      }
  });
});
