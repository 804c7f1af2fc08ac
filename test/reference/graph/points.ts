import type { PoolKind, Shape } from '../../../src/graph/graph.js';
import type { PlainMap } from './types.js';

/** The largest or the mean of a whole map, for each channel. */
export function global(x: PlainMap, kind: PoolKind): Float64Array {
  const { data, h, w, c } = x;
  const y = new Float64Array(c);
  if (kind === 'max') return y.map((_, k) => data[firstLargest(x, k)]);
  for (let at = 0; at < data.length; at++) y[at % c] += data[at];
  return y.map((sum) => sum / (h * w));
}

/** Adds the gradient of `global` to dx; the first of several largest takes it. */
export function globalBackward(x: PlainMap, dy: Float64Array, kind: PoolKind, dx: Float64Array): void {
  const { h, w, c } = x;
  if (kind === 'max') for (let k = 0; k < c; k++) dx[firstLargest(x, k)] += dy[k];
  else for (let at = 0; at < dx.length; at++) dx[at] += dy[at % c] / (h * w);
}

/** Index of the first of the largest of channel k; a NaN is one. */
function firstLargest({ data, c }: PlainMap, k: number): number {
  let winner = k;
  for (let at = k + c; at < data.length; at += c)
    if (data[at] > data[winner] || (Number.isNaN(data[at]) && !Number.isNaN(data[winner]))) winner = at;
  return winner;
}

/** kernel (x.length, bias.length) */
export function dense(x: Float64Array, kernel: Float64Array, bias: Float64Array): Float64Array {
  const y = bias.slice();
  for (let p = 0; p < x.length; p++) for (let k = 0; k < y.length; k++) y[k] += x[p] * kernel[p * y.length + k];
  return y;
}

/** Adds the gradients of `dense`. */
export function denseBackward(
  x: Float64Array,
  kernel: Float64Array,
  dy: Float64Array,
  dx: Float64Array,
  dw?: { kernel: Float64Array; bias: Float64Array },
): void {
  const n = dy.length;
  for (let p = 0; p < x.length; p++)
    for (let k = 0; k < n; k++) {
      dx[p] += dy[k] * kernel[p * n + k];
      if (dw) dw.kernel[p * n + k] += dy[k] * x[p];
    }
  if (dw) for (let k = 0; k < n; k++) dw.bias[k] += dy[k];
}

/** Mean, and one over the standard deviation, of the channels of the point that begins at `at`. */
function moments(x: Float64Array, at: number, c: number, epsilon: number): { mean: number; inverse: number } {
  let mean = 0;
  for (let k = 0; k < c; k++) mean += x[at + k] / c;
  let variance = 0;
  for (let k = 0; k < c; k++) variance += (x[at + k] - mean) ** 2 / c;
  return { mean, inverse: 1 / Math.sqrt(variance + epsilon) };
}

export interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** Each point less its mean over the channels, over its standard deviation; then scale and shift. */
export function layerNorm(x: Float64Array, { scale, shift }: Affine, epsilon: number): Float64Array {
  const c = scale.length;
  const y = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += c) {
    const { mean, inverse } = moments(x, at, c, epsilon);
    for (let k = 0; k < c; k++) y[at + k] = (x[at + k] - mean) * inverse * scale[k] + shift[k];
  }
  return y;
}

/** Adds the gradients of `layerNorm`: with n the normalized point and g = scale dy, dx = (g - mean(g) - n mean(g n)) / deviation. */
export function layerNormBackward(
  x: Float64Array,
  { scale }: Pick<Affine, 'scale'>,
  epsilon: number,
  dy: Float64Array,
  dx: Float64Array,
  dw?: Affine,
): void {
  const c = scale.length;
  for (let at = 0; at < x.length; at += c) {
    const { mean, inverse } = moments(x, at, c, epsilon);
    const normal = (k: number) => (x[at + k] - mean) * inverse;
    let [sum, product] = [0, 0];
    for (let k = 0; k < c; k++) {
      const g = scale[k] * dy[at + k];
      sum += g / c;
      product += (g * normal(k)) / c;
      if (dw) dw.scale[k] += dy[at + k] * normal(k);
      if (dw) dw.shift[k] += dy[at + k];
    }
    for (let k = 0; k < c; k++) dx[at + k] += inverse * (scale[k] * dy[at + k] - sum - normal(k) * product);
  }
}

/** Where element `at` of a result of `shape` lies in an operand, which may be a vector that is spread over it. */
const placeIn = (operand: Shape, { h, w, c }: Shape): ((at: number) => number) =>
  operand.h === h && operand.w === w ? (at) => at : (at) => at % c;

/** Sum or product of two maps, or of a map and a vector, which is spread over it. */
export function combine(op: 'add' | 'multiply', a: PlainMap, b: PlainMap, shape: Shape): Float64Array {
  const [inA, inB] = [placeIn(a, shape), placeIn(b, shape)];
  const y = new Float64Array(shape.h * shape.w * shape.c);
  for (let at = 0; at < y.length; at++) {
    const [p, q] = [a.data[inA(at)], b.data[inB(at)]];
    y[at] = op === 'add' ? p + q : p * q;
  }
  return y;
}

/** Adds the gradients of `combine` to those of both operands, which may be one and the same. */
export function combineBackward(
  op: 'add' | 'multiply',
  a: PlainMap,
  b: PlainMap,
  dy: PlainMap,
  da: Float64Array,
  db: Float64Array,
): void {
  const [inA, inB] = [placeIn(a, dy), placeIn(b, dy)];
  for (let at = 0; at < dy.data.length; at++) {
    const [p, q, d] = [inA(at), inB(at), dy.data[at]];
    da[p] += op === 'add' ? d : d * b.data[q];
    db[q] += op === 'add' ? d : d * a.data[p];
  }
}

/** Output channel k is channel `order[k]` of the inputs' channels, one after the other, or 0 where that is -1. */
export function gather(xs: readonly PlainMap[], order: readonly number[]): Float64Array {
  const sources = order.map((k) => sourceOf(xs, k));
  const points = xs[0].h * xs[0].w;
  const y = new Float64Array(points * order.length);
  for (let i = 0; i < points; i++)
    for (const [k, from] of sources.entries()) if (from) y[i * order.length + k] = from.x.data[i * from.x.c + from.k];
  return y;
}

/** Adds the gradient of `gather` to those of its inputs. */
export function gatherBackward(
  xs: readonly PlainMap[],
  order: readonly number[],
  dy: Float64Array,
  dxs: readonly Float64Array[],
): void {
  const sources = order.map((k) => sourceOf(xs, k));
  const points = xs[0].h * xs[0].w;
  for (let i = 0; i < points; i++)
    for (const [k, from] of sources.entries())
      if (from) dxs[from.input][i * from.x.c + from.k] += dy[i * order.length + k];
}

function sourceOf(xs: readonly PlainMap[], k: number): { x: PlainMap; input: number; k: number } | undefined {
  if (k < 0) return undefined;
  for (const [input, x] of xs.entries()) {
    if (k < x.c) return { x, input, k };
    k -= x.c;
  }
  throw new Error('there is no such channel');
}
