import type { PoolKind, Shape, Window } from '../../../src/graph/graph.js';
import type { PlainMap, Shift } from './types.js';

/** A window, and how much later than its own start it begins. */
export interface Placed {
  readonly window: Window;
  readonly delay: Shift;
}

/**
 * A convolution with zeros beyond the map: y (h, w, c) from x, kernel (rows, columns, x.c / groups, c) and bias (c). Output (i, j) sees
 * row stride i + dilation a - top + delay for tap row a, and columns likewise.
 */
export function conv(
  x: PlainMap,
  { kernel, bias }: { kernel: Float64Array; bias: Float64Array },
  { h, w, c }: Shape,
  { window, delay }: Placed,
  groups: number,
): Float64Array {
  const { rows, columns, stride, dilation, top, left } = window;
  const { data, h: xh, w: xw, c: xc } = x;
  const [cin, cout] = [xc / groups, c / groups];
  const y = new Float64Array(h * w * c);
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const to = (i * w + j) * c;
      for (let k = 0; k < c; k++) y[to + k] = bias[k];
      for (let a = 0; a < rows; a++) {
        const r = stride * i + dilation * a - top + delay[0];
        if (r < 0 || r >= xh) continue;
        for (let e = 0; e < columns; e++) {
          const s = stride * j + dilation * e - left + delay[1];
          if (s < 0 || s >= xw) continue;
          for (let g = 0; g < groups; g++)
            for (let p = 0; p < cin; p++) {
              const value = data[(r * xw + s) * xc + g * cin + p];
              const tap = ((a * columns + e) * cin + p) * c + g * cout;
              for (let k = 0; k < cout; k++) y[to + g * cout + k] += value * kernel[tap + k];
            }
        }
      }
    }
  return y;
}

/** Adds the gradients of `conv`, from dy (h, w, c): to dx, and to those of kernel and bias where wanted. */
export function convBackward(
  x: PlainMap,
  { kernel }: { kernel: Float64Array },
  dy: PlainMap,
  { window, delay }: Placed,
  groups: number,
  dx: Float64Array,
  dw?: { kernel: Float64Array; bias: Float64Array },
): void {
  const { rows, columns, stride, dilation, top, left } = window;
  const { data, h: xh, w: xw, c: xc } = x;
  const { data: d, h, w, c } = dy;
  const [cin, cout] = [xc / groups, c / groups];
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const from = (i * w + j) * c;
      if (dw) for (let k = 0; k < c; k++) dw.bias[k] += d[from + k];
      for (let a = 0; a < rows; a++) {
        const r = stride * i + dilation * a - top + delay[0];
        if (r < 0 || r >= xh) continue;
        for (let e = 0; e < columns; e++) {
          const s = stride * j + dilation * e - left + delay[1];
          if (s < 0 || s >= xw) continue;
          for (let g = 0; g < groups; g++)
            for (let p = 0; p < cin; p++) {
              const at = (r * xw + s) * xc + g * cin + p;
              const tap = ((a * columns + e) * cin + p) * c + g * cout;
              let sum = 0;
              for (let k = 0; k < cout; k++) sum += d[from + g * cout + k] * kernel[tap + k];
              dx[at] += sum;
              if (dw) for (let k = 0; k < cout; k++) dw.kernel[tap + k] += d[from + g * cout + k] * data[at];
            }
        }
      }
    }
}

export interface Pool extends Placed {
  readonly kind: PoolKind;
  readonly beyond: 'nothing' | 'zero';
}

/** The largest or the mean of each window, for each channel: y (h, w, x.c). A window that sees nothing gives 0. */
export function pool(x: PlainMap, { h, w, c }: Shape, options: Pool): Float64Array {
  const y = new Float64Array(h * w * c);
  const seen: number[] = [];
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const divisor = pointsSeen(x, i, j, options, seen);
      for (let k = 0; k < c; k++) {
        const to = (i * w + j) * c + k;
        if (options.kind === 'max') {
          const winner = largest(x, seen, k);
          y[to] = winner < 0 ? 0 : x.data[winner];
        } else if (divisor > 0) {
          let sum = 0;
          for (const point of seen) if (point >= 0) sum += x.data[point * c + k];
          y[to] = sum / divisor;
        }
      }
    }
  return y;
}

/** Adds the gradient of `pool`, from dy (h, w, c), to dx. The first of several largest in row order takes it. */
export function poolBackward(x: PlainMap, dy: PlainMap, options: Pool, dx: Float64Array): void {
  const { h, w, c, data } = dy;
  const seen: number[] = [];
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const divisor = pointsSeen(x, i, j, options, seen);
      for (let k = 0; k < c; k++) {
        const d = data[(i * w + j) * c + k];
        if (options.kind === 'max') {
          const winner = largest(x, seen, k);
          if (winner >= 0) dx[winner] += d;
        } else if (divisor > 0) for (const point of seen) if (point >= 0) dx[point * c + k] += d / divisor;
      }
    }
}

/**
 * Fills `seen` with the points (row * w + column) that a window sees, in row order, -1 for a zero beyond the map, and returns how many a
 * mean divides by.
 */
function pointsSeen(x: PlainMap, i: number, j: number, { window, delay, beyond }: Pool, seen: number[]): number {
  const { rows, columns, stride, dilation, top, left } = window;
  seen.length = 0;
  for (let a = 0; a < rows; a++)
    for (let e = 0; e < columns; e++) {
      const r = stride * i + dilation * a - top + delay[0];
      const s = stride * j + dilation * e - left + delay[1];
      if (r >= 0 && r < x.h && s >= 0 && s < x.w) seen.push(r * x.w + s);
      else if (beyond === 'zero') seen.push(-1);
    }
  return seen.length;
}

/** Index in x of the first of the largest (a NaN is one) among the points `seen`; -1 where that is a zero beyond the map, or nothing. */
function largest({ data, c }: PlainMap, seen: readonly number[], k: number): number {
  let winner = -1;
  let most = Number.NEGATIVE_INFINITY;
  for (const point of seen) {
    const value = point < 0 ? 0 : data[point * c + k];
    if (value > most || (Number.isNaN(value) && !Number.isNaN(most))) {
      winner = point < 0 ? -1 : point * c + k;
      most = value;
    }
  }
  return winner;
}

/** For each cell of h x w, as adaptive pools have them, and each channel: the index in x of the first of the largest. */
export function cellWinners(x: PlainMap, { h, w }: { h: number; w: number }): number[] {
  const winners: number[] = [];
  const edges = (i: number, cells: number, side: number): [number, number] => [
    Math.floor((i * side) / cells),
    Math.ceil(((i + 1) * side) / cells),
  ];
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const [top, bottom] = edges(i, h, x.h);
      const [left, right] = edges(j, w, x.w);
      const seen: number[] = [];
      for (let r = top; r < bottom; r++) for (let s = left; s < right; s++) seen.push(r * x.w + s);
      for (let k = 0; k < x.c; k++) winners.push(largest(x, seen, k));
    }
  return winners;
}
