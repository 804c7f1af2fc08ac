import type { Taps, WindowCall } from '../../src/wasm/ops/window.js';
import type { Map3 } from './map.js';

/** A square window, and where the first one begins. */
export interface Window {
  readonly size: number;
  readonly stride: number;
  readonly dilation: number;
  readonly offsetY?: number;
  readonly offsetX?: number;
}

/** For each (i, j, k): the index in x of the first maximum of its window in row order (a NaN is one), -1 where it lies beyond x. */
export function maxPoolWinners(x: Map3, outH: number, outW: number, window: Window): number[] {
  const { size, stride, dilation, offsetY = 0, offsetX = 0 } = window;
  const { h, w, c } = x; // the loops read locals of one type, whatever object or array a caller has
  const data = new Float64Array(x.data);
  const winners: number[] = [];
  for (let i = 0; i < outH; i++)
    for (let j = 0; j < outW; j++)
      for (let k = 0; k < c; k++) {
        let winner = -1;
        for (let a = 0; a < size; a++)
          for (let b = 0; b < size; b++) {
            const r = offsetY + stride * i + dilation * a;
            const s = offsetX + stride * j + dilation * b;
            if (r >= h || s >= w) continue;
            const at = (r * w + s) * c + k;
            const isNew =
              winner < 0 || (Number.isNaN(data[at]) ? !Number.isNaN(data[winner]) : data[at] > data[winner]);
            if (isNew) winner = at;
          }
        winners.push(winner);
      }
  return winners;
}

/** Max pool: (outH, outW, c), -inf beyond the right and bottom edge. */
export const maxPool = (x: Map3, outH: number, outW: number, window: Window): Float64Array =>
  Float64Array.from(maxPoolWinners(x, outH, outW, window), (at) => (at < 0 ? -Infinity : x.data[at]));

/** Gradient of `maxPool` at x: the first maximum takes it, overlapping windows add up. */
export function maxPoolBackward(
  x: Map3,
  dy: ArrayLike<number>,
  outH: number,
  outW: number,
  window: Window,
): Float64Array {
  const dx = new Float64Array(x.h * x.w * x.c);
  for (const [i, at] of maxPoolWinners(x, outH, outW, window).entries()) if (at >= 0) dx[at] += dy[i];
  return dx;
}

/**
 * A mean pool rounded to float32 after each step: the sum of each row of a window, of these rows, over the number of taps that exist or, with
 * `zeros`, of all. 0 where a window sees nothing.
 */
export function meanPoolInFloat32(
  { data, h, w, c }: Map3,
  outH: number,
  outW: number,
  { rows, columns, stride, dilation, startY, startX }: WindowCall & Taps,
  zeros: boolean,
): Float32Array {
  const { fround } = Math;
  const y = new Float32Array(outH * outW * c);
  for (let i = 0; i < outH; i++)
    for (let j = 0; j < outW; j++)
      for (let k = 0; k < c; k++) {
        let [sum, exist] = [0, 0];
        for (let a = 0; a < rows; a++) {
          const r = stride * i + dilation * a + startY;
          if (r < 0 || r >= h) continue;
          let part = 0;
          for (let e = 0; e < columns; e++) {
            const s = stride * j + dilation * e + startX;
            if (s < 0 || s >= w) continue;
            part = fround(part + data[(r * w + s) * c + k]);
            exist++;
          }
          sum = fround(sum + part);
        }
        if (exist > 0) y[(i * outW + j) * c + k] = sum / (zeros ? rows * columns : exist);
      }
  return y;
}
