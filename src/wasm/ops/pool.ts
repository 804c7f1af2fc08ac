import { at, type Job, job, type View } from '../job.js';
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
  const maps = { ...at('x', x), h: x.h, w: x.w, c: x.c, ...at('y', y), outH: y.h, outW: y.w };
  return job('maxPool', { ...maps, size, stride, dilation, offsetY, offsetX, rows }, tasks);
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
  const maps = { ...at('x', x), ...at('dy', dy), ...at('dx', dx), h: x.h, w: x.w, c: x.c, outH: dy.h, outW: dy.w };
  const window = { size, stride, dilation, offsetY, offsetX };
  const fields = { ...maps, ...window, accumulate, channels: CHANNELS_PER_TASK };
  return job('maxPoolBackward', fields, Math.ceil(x.c / CHANNELS_PER_TASK));
}
