import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ActivationFunction,
  type Conv2dOptions,
  init,
  type Kernels,
  type Padding,
  type Sides,
} from '../src/kernels.js';
import { curveOf } from './reference/graph/activations.js';
import type { PlainMap } from './reference/graph/types.js';
import { conv, convBackward } from './reference/graph/windows.js';
import { type Strided, strided, stridedBackward } from './reference/strides.js';
import { builds } from './support/kernels.js';
import { randomFloats } from './support/random.js';
import { expectClose, expectNear } from './support/references.js';

/** A convolution, and what it should become: where the first window begins, and the output's size. */
interface Case {
  shape: [number, number, number, number];
  cout: number;
  size?: Sides;
  stride?: Sides;
  pad?: Padding;
  dilation?: number;
  groups?: number;
  begins: [number, number];
  gives: [number, number];
}

const cases: Case[] = [
  { shape: [1, 5, 7, 3], cout: 4, begins: [1, 1], gives: [5, 7] },
  { shape: [2, 9, 11, 8], cout: 12, dilation: 2, begins: [2, 2], gives: [9, 11] },
  { shape: [1, 13, 14, 3], cout: 9, size: 7, stride: 2, pad: 3, begins: [3, 3], gives: [7, 7] },
  { shape: [2, 10, 9, 4], cout: 8, stride: 2, begins: [0, 1], gives: [5, 5] }, // 'same': the odd one at the far side
  { shape: [1, 10, 9, 4], cout: 8, stride: 2, pad: 1, begins: [1, 1], gives: [5, 5] },
  { shape: [3, 6, 5, 16], cout: 24, size: 1, begins: [0, 0], gives: [6, 5] },
  { shape: [1, 7, 8, 5], cout: 7, size: 1, stride: 2, begins: [0, 0], gives: [4, 4] },
  { shape: [1, 9, 8, 6], cout: 5, size: 2, begins: [0, 0], gives: [9, 8] }, // 'same' of an even window
  { shape: [1, 8, 12, 5], cout: 3, size: [1, 7], begins: [0, 3], gives: [8, 12] },
  { shape: [2, 12, 8, 2], cout: 6, size: [5, 2], pad: 0, begins: [0, 0], gives: [8, 7] },
  { shape: [1, 9, 9, 4], cout: 4, pad: 0, begins: [0, 0], gives: [7, 7] },
  { shape: [1, 9, 10, 4], cout: 4, pad: [1, 0, 2, 3], begins: [1, 0], gives: [10, 11] },
  { shape: [1, 9, 10, 4], cout: 4, pad: [-2, 1, 1, -3], begins: [-2, 1], gives: [6, 6] }, // crops
  { shape: [1, 11, 13, 3], cout: 5, stride: [2, 3], begins: [1, 1], gives: [6, 5] },
  { shape: [2, 11, 13, 4], cout: 8, size: [3, 5], stride: [3, 1], pad: 2, dilation: 2, begins: [2, 2], gives: [4, 9] },
  { shape: [2, 6, 7, 8], cout: 12, groups: 2, begins: [1, 1], gives: [6, 7] },
  { shape: [1, 9, 7, 15], cout: 10, groups: 5, size: 5, stride: 2, pad: 2, begins: [2, 2], gives: [5, 4] },
  { shape: [2, 7, 7, 12], cout: 12, groups: 4, stride: [1, 2], begins: [1, 1], gives: [7, 4] },
  { shape: [2, 9, 8, 7], cout: 7, groups: 7, begins: [1, 1], gives: [9, 8] },
  { shape: [1, 12, 9, 20], cout: 20, groups: 20, size: 5, stride: 2, begins: [1, 2], gives: [6, 5] },
  { shape: [2, 9, 8, 6], cout: 6, groups: 6, stride: [3, 2], dilation: 2, pad: 2, begins: [2, 2], gives: [3, 4] },
  { shape: [1, 6, 6, 5], cout: 15, groups: 5, begins: [1, 1], gives: [6, 6] }, // three kernels for each channel
  { shape: [1, 3, 3, 4], cout: 4, size: 3, pad: 9, begins: [9, 9], gives: [19, 19] }, // mostly padding
];
const titled = cases.map(({ begins, gives, ...o }) => ({ title: JSON.stringify(o), o, begins, gives }));

const sides = (given: Sides): [number, number] => (typeof given === 'number' ? [given, given] : [given[0], given[1]]);

function operands({ shape: [n, h, w, cin], cout, size = 3, groups = 1 }: Omit<Case, 'begins' | 'gives'>) {
  const [rows, columns] = sides(size);
  return {
    x: randomFloats(n * h * w * cin, 1),
    w: randomFloats((rows * columns * cin * cout) / groups, 2),
    b: randomFloats(cout, 3),
  };
}

/** The convolution of each map, and its gradients summed over them, in float64. */
function reference({ o, begins, gives }: (typeof titled)[number], dy?: ArrayLike<number>) {
  const { shape, cout, size = 3, stride = 1, dilation = 1, groups = 1 } = o;
  const [n, h, w, c] = shape;
  const data = operands(o);
  const [rows, columns] = sides(size);
  const kernel = { kernel: Float64Array.from(data.w), bias: Float64Array.from(data.b) };
  const at: Strided = {
    window: { rows, columns, dilation, top: begins[0], left: begins[1] },
    strides: sides(stride),
    h: gives[0],
    w: gives[1],
    c: cout,
  };
  const length = gives[0] * gives[1] * cout;
  const y = new Float64Array(n * length);
  const dx = new Float64Array(data.x.length);
  const dw = { kernel: new Float64Array(data.w.length), bias: new Float64Array(cout) };
  for (let i = 0; i < n; i++) {
    const x: PlainMap = { h, w, c, data: Float64Array.from(data.x.subarray(i * h * w * c, (i + 1) * h * w * c)) };
    y.set(
      strided(at, ({ shape, placed }) => conv(x, kernel, shape, placed, groups)),
      i * length,
    );
    if (!dy) continue;
    const back = stridedBackward(
      at,
      Array.from({ length }, (_, k) => dy[i * length + k]),
    );
    const own = dx.subarray(i * h * w * c, (i + 1) * h * w * c);
    convBackward(x, kernel, back.dy, back.placed, groups, own, dw);
  }
  return { y, dx, dw: dw.kernel, db: dw.bias };
}

/** Winograd's algorithm rounds more. */
const TOLERANCE = { exact: 2e-6, fast: 1e-5 };

describe.each(builds)('conv2d, $kernels, $threads threads', (build) => {
  describe.each(['exact', 'fast'] as const)('%s', (precision) => {
    let k: Kernels;
    beforeAll(async () => {
      k = await init({ ...build, precision });
    });
    afterAll(() => k.dispose());

    it.each(titled)('$title', (item) => {
      const options: Conv2dOptions = { ...item.o, ...operands(item.o) };
      const dy = randomFloats(item.o.shape[0] * item.gives[0] * item.gives[1] * item.o.cout, 4);
      const right = reference(item, dy);
      const y = k.conv2d(options);
      expectClose(y, right.y, TOLERANCE[precision], 'y');
      expect(k.conv2d({ ...options, b: undefined })).toEqual(
        k.conv2d({ ...options, b: new Float32Array(item.o.cout) }),
      );
      const relu = k.conv2d({ ...options, relu: true });
      expect(relu).toEqual(y.map((value) => Math.max(value, 0)));
      expect(k.conv2d({ ...options, activation: 'relu' })).toEqual(relu);

      const { dx, dw, db } = k.conv2dBackward({ ...options, dy });
      expectNear(dx, right.dx, TOLERANCE[precision], 'dx');
      expectNear(dw, right.dw, TOLERANCE[precision], 'dw');
      expectNear(db, right.db, TOLERANCE[precision], 'db');
      const masked = dy.map((value, i) => (y[i] > 0 && value > 0 ? value : 0));
      const expected = k.conv2dBackward({ ...options, dy: masked });
      expect(k.conv2dBackward({ ...options, dy, y: relu, guided: true })).toEqual(expected);
      expect(k.conv2dBackward({ ...options, dy, relu: true, guided: true })).toEqual(expected);
    });
  });
});

describe('conv2d with an activation', () => {
  let k: Kernels;
  beforeAll(async () => {
    k = await init({ kernels: 'simd', threads: 1, precision: 'exact' });
  });
  afterAll(() => k.dispose());

  const slope = Float32Array.of(0.1, 0.2, 0.3, 0.4);
  const activations: ActivationFunction[] = [
    'silu',
    'gelu',
    'relu6',
    { f: 'leaky-relu', slope: 0.2 },
    { f: 'prelu', slope },
  ];

  it.each(activations.map((activation) => ({ title: JSON.stringify(activation), activation })))(
    '$title',
    ({ activation }) => {
      const options = { ...titled[0].o, ...operands(titled[0].o) };
      const z = k.conv2d(options);
      const y = k.conv2d({ ...options, activation });
      expect(y).toEqual(k.activation({ x: z, activation }));
      const dy = randomFloats(z.length, 5);
      const dz = k.activationBackward({ x: z, dy, activation });
      expect(k.conv2dBackward({ ...options, activation, dy })).toEqual(k.conv2dBackward({ ...options, dy: dz }));
      if (activation === 'silu') {
        const { value, slope } = curveOf({ f: 'silu' });
        expectClose(y, [...z].map(value), 3e-7, 'y');
        expectClose(
          dz,
          [...z].map((x, i) => slope(x) * dy[i]),
          5e-7,
          'dz',
        );
      }
    },
  );
});
