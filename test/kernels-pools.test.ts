import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { init, type Kernels, type Padding, type Sides } from '../src/kernels.js';
import { global, globalBackward } from './reference/graph/points.js';
import type { PlainMap } from './reference/graph/types.js';
import { pool, poolBackward } from './reference/graph/windows.js';
import { type Strided, strided, stridedBackward } from './reference/strides.js';
import { builds } from './support/kernels.js';
import { randomFloats } from './support/random.js';
import { expectClose } from './support/references.js';

/** A pool, and what it should become: where the first window begins, and the output's size. */
interface Case {
  shape: [number, number, number, number];
  size: Sides;
  stride?: Sides;
  pad?: Padding;
  dilation?: number;
  ceil?: boolean;
  countPadding?: boolean;
  begins: [number, number];
  gives: [number, number];
}

const cases: Case[] = [
  { shape: [2, 7, 9, 3], size: 2, begins: [0, 0], gives: [3, 4] },
  { shape: [1, 9, 9, 4], size: 3, stride: 2, begins: [0, 0], gives: [4, 4] },
  { shape: [1, 9, 8, 5], size: 3, stride: 2, pad: 1, begins: [1, 1], gives: [5, 4] },
  { shape: [1, 9, 8, 5], size: 3, stride: 2, pad: 1, countPadding: true, begins: [1, 1], gives: [5, 4] },
  { shape: [1, 8, 9, 6], size: 3, stride: 2, pad: 'same', begins: [0, 1], gives: [4, 5] },
  { shape: [2, 10, 8, 7], size: 3, stride: 2, ceil: true, begins: [0, 0], gives: [5, 4] },
  // one more across would lie in the padding alone
  { shape: [1, 10, 7, 4], size: 2, stride: 3, pad: 1, ceil: true, begins: [1, 1], gives: [4, 3] },
  { shape: [1, 6, 9, 8], size: [2, 3], stride: [1, 3], pad: 0, begins: [0, 0], gives: [5, 3] },
  { shape: [2, 11, 9, 17], size: 3, stride: [3, 2], pad: [1, 2, 0, 1], begins: [1, 2], gives: [4, 5] },
  { shape: [1, 9, 9, 2], size: 3, stride: [2, 1], pad: 2, dilation: 2, begins: [2, 2], gives: [5, 9] },
  { shape: [1, 6, 6, 3], size: 2, stride: 2, pad: -1, begins: [-1, -1], gives: [2, 2] }, // crops
  { shape: [1, 4, 4, 5], size: 2, stride: 2, pad: 4, begins: [4, 4], gives: [6, 6] }, // windows that see nothing
  { shape: [1, 7, 5, 8], size: [7, 5], begins: [0, 0], gives: [1, 1] },
];
const titled = cases.map(({ begins, gives, ...o }) => ({ title: JSON.stringify(o), o, begins, gives }));

const sides = (given: Sides): [number, number] => (typeof given === 'number' ? [given, given] : [given[0], given[1]]);

/** Rounded to eighths so that ties occur. */
const ties = (length: number, seed: number): Float32Array =>
  randomFloats(length, seed).map((value) => Math.round(value * 8) / 8 + 0);

const maps = (data: Float32Array, [n, h, w, c]: readonly number[]): PlainMap[] =>
  Array.from({ length: n }, (_, i) => ({
    h,
    w,
    c,
    data: Float64Array.from(data.subarray(i * h * w * c, (i + 1) * h * w * c)),
  }));

describe.each(builds)('pools, $kernels, $threads threads', (build) => {
  let k: Kernels;
  beforeAll(async () => {
    k = await init(build);
  });
  afterAll(() => k.dispose());

  it.each(titled)('$title', ({ o, begins, gives }) => {
    const { shape, size, stride = size, dilation = 1, countPadding } = o;
    const [n, h, w, c] = shape;
    const x = ties(n * h * w * c, 1);
    const dy = randomFloats(n * gives[0] * gives[1] * c, 2);
    const [rows, columns] = sides(size);
    const window = { rows, columns, dilation, top: begins[0], left: begins[1] };
    const at: Strided = { window, strides: sides(stride), h: gives[0], w: gives[1], c };
    const beyond = countPadding ? 'zero' : 'nothing';
    for (const kind of ['max', 'mean'] as const) {
      const [y, dx]: [number[], number[]] = [[], []];
      for (const [i, map] of maps(x, shape).entries()) {
        y.push(...strided(at, ({ shape, placed }) => pool(map, shape, { ...placed, kind, beyond })));
        const own = Array.from({ length: gives[0] * gives[1] * c }, (_, j) => dy[i * gives[0] * gives[1] * c + j]);
        const back = stridedBackward(at, own);
        const gradient = new Float64Array(map.data.length);
        poolBackward(map, back.dy, { ...back.placed, kind, beyond }, gradient);
        dx.push(...gradient);
      }
      const name = kind === 'max' ? 'maxPool2d' : 'averagePool2d';
      expectClose(k[name]({ ...o, x }), y, kind === 'max' ? 0 : 5e-7, name);
      expectClose(k[`${name}Backward`]({ ...o, x, dy }), dx, 5e-7, `${name}Backward`);
    }
  });

  it('a max pool of stride 1 keeps the size of its map, a mean pool does not', () => {
    const x = ties(5 * 6 * 2, 1);
    const options = { x, shape: [1, 5, 6, 2], size: 2, stride: 1 };
    expect(k.maxPool2d(options)).toEqual(k.maxPool2d({ ...options, pad: [0, 0, 1, 1] }));
    expect(k.maxPool2d(options).length).toBe(60);
    expect(k.averagePool2d(options).length).toBe(4 * 5 * 2);
  });

  it.each([
    [1, 1, 1, 1],
    [2, 7, 7, 5],
    [3, 4, 9, 16],
    [1, 31, 17, 37],
  ])('global pools of (%d, %d, %d, %d)', (...shape) => {
    const [n, h, w, c] = shape;
    const [x, dy] = [ties(n * h * w * c, 3), randomFloats(n * c, 4)];
    for (const kind of ['mean', 'max'] as const) {
      const [y, dx]: [number[], number[]] = [[], []];
      for (const [i, map] of maps(x, shape).entries()) {
        y.push(...global(map, kind));
        const gradient = new Float64Array(map.data.length);
        globalBackward(map, Float64Array.from(dy.subarray(i * c, (i + 1) * c)), kind, gradient);
        dx.push(...gradient);
      }
      const name = kind === 'max' ? 'globalMax' : 'globalMean';
      expectClose(k[name]({ x, shape }), y, kind === 'max' ? 0 : 3e-7, name);
      expectClose(k[`${name}Backward`]({ x, shape, dy }), dx, 3e-7, `${name}Backward`);
    }
  });
});
