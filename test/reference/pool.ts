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
  const winners: number[] = [];
  for (let i = 0; i < outH; i++)
    for (let j = 0; j < outW; j++)
      for (let k = 0; k < x.c; k++) {
        let winner = -1;
        for (let a = 0; a < size; a++)
          for (let b = 0; b < size; b++) {
            const r = offsetY + stride * i + dilation * a;
            const s = offsetX + stride * j + dilation * b;
            if (r >= x.h || s >= x.w) continue;
            const at = (r * x.w + s) * x.c + k;
            const most = x.data[winner];
            const isNew = Number.isNaN(x.data[at]) ? !Number.isNaN(most) : x.data[at] > most;
            if (winner < 0 || isNew) winner = at;
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
