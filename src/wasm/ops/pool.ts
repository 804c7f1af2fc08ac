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

/** Gradient of `maxPoolJob` without offset at x, dense maps: dx (h, w, c) from x (h, w, c) and dy. */
export function maxPoolBackwardJob(x: View, dy: View, dx: View, { size, stride, dilation }: PoolWindow): Job {
  return {
    kernel: 'maxPoolBackward',
    args: [x.ptr, x.h, x.w, x.c, dy.ptr, dy.h, dy.w, dx.ptr, size, stride, dilation, CHANNELS_PER_TASK],
    tasks: Math.ceil(x.c / CHANNELS_PER_TASK),
    scratch: 0,
  };
}
