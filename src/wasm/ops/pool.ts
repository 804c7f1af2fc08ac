import type { Job, View } from '../job.js';
import { splitRows } from './split.js';

/** Channels of one task of the gradient: a cache line, so that no two threads write to one. */
const CHANNELS_PER_TASK = 16;

/** A square window; positions and distances in pixels of the input. */
export interface PoolWindow {
  readonly size: number;
  readonly stride: number;
  readonly dilation: number;
}

/** Where the first window begins. */
export interface PoolOffset {
  readonly offsetY: number;
  readonly offsetX: number;
}

/** y(i, j) = max of x over the window at (offsetY + stride i, offsetX + stride j), -inf beyond the bottom and right edge. */
export function maxPoolJob(
  x: View,
  y: View,
  { size, stride, dilation, offsetY, offsetX }: PoolWindow & PoolOffset,
): Job {
  const { rows, tasks } = splitRows(y.h, y.w * y.c * size * size);
  const source = [x.ptr, x.row, x.pix, x.h, x.w, x.c];
  const target = [y.ptr, y.row, y.pix, y.h, y.w];
  return {
    kernel: 'maxPool',
    args: [...source, ...target, size, stride, dilation, offsetY, offsetX, rows],
    tasks,
    scratch: 0,
  };
}

/**
 * Gradient of `maxPoolJob` at x: dx = or, with `accumulate`, += each dy(i, j) where its window's first maximum in row order lies.
 * The maps are views; x and dx have the same sizes.
 */
export function maxPoolBackwardJob(
  x: View,
  dy: View,
  dx: View,
  { size, stride, dilation, offsetY, offsetX, accumulate = false }: PoolWindow & PoolOffset & { accumulate?: boolean },
): Job {
  const maps = [x.ptr, x.row, x.pix, x.h, x.w, x.c, dy.ptr, dy.row, dy.pix, dy.h, dy.w, dx.ptr, dx.row, dx.pix];
  const window = [size, stride, dilation, offsetY, offsetX];
  return {
    kernel: 'maxPoolBackward',
    args: [...maps, ...window, accumulate ? 1 : 0, CHANNELS_PER_TASK],
    tasks: Math.ceil(x.c / CHANNELS_PER_TASK),
    scratch: 0,
  };
}
