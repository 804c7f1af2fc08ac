import { at, type Job, job, type View, type WindowCall } from '../job.js';
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

/** A window of any size, and where it lies. */
export type PoolCall = WindowCall & { readonly rows: number; readonly columns: number };

/**
 * y = the largest or the mean of each window of x. `beyond`: what lies outside x is not there (`nothing`: a mean does not count it) or
 * is zero. A window that sees nothing gives 0. x and y have sizes of their own.
 */
export function poolJob(
  kind: 'max' | 'mean',
  x: View,
  y: View,
  { rows, columns, stride, dilation, startY, startX }: PoolCall,
  beyond: 'nothing' | 'zero',
): Job {
  const split = splitRows(y.h, y.w * y.c * rows * columns);
  const sizes = { h: x.h, w: x.w, c: x.c, outH: y.h, outW: y.w };
  const window = { rows, columns, stride, dilation, startY, startX };
  const fields = { ...at('x', x), ...at('y', y), ...sizes, ...window, mean: kind === 'mean', zero: beyond === 'zero' };
  return job('pool', { ...fields, task: split.rows }, split.tasks);
}

/** dx = or += the gradient of `poolJob`; of a mean x is not read. Of equal maxima the first in row order gets it. */
export function poolBackwardJob(
  kind: 'max' | 'mean',
  x: View,
  dy: View,
  dx: View,
  { rows, columns, stride, dilation, startY, startX }: PoolCall,
  beyond: 'nothing' | 'zero',
  accumulate: boolean,
): Job {
  const sizes = { h: dx.h, w: dx.w, c: dx.c, outH: dy.h, outW: dy.w };
  const window = { rows, columns, stride, dilation, startY, startX };
  const rest = { mean: kind === 'mean', zero: beyond === 'zero', accumulate, channels: CHANNELS_PER_TASK };
  const fields = { ...at('x', x), ...at('dy', dy), ...at('dx', dx), ...sizes, ...window, ...rest };
  return job('poolBackward', fields, Math.ceil(dx.c / CHANNELS_PER_TASK));
}

/** y (rate, rate, c) = the largest or the mean of the points (i rate + q, j rate + p) of x, for each q and p. */
export function globalJob(kind: 'max' | 'mean', x: View, y: View, rate: number): Job {
  const fields = { ...at('x', x), ...at('y', y), h: x.h, w: x.w, c: x.c, rate, mean: kind === 'mean' };
  const tasks = rate * rate * Math.ceil(x.c / CHANNELS_PER_TASK);
  return job('globalPool', { ...fields, channels: CHANNELS_PER_TASK }, tasks);
}

/** dx = or += the gradient of `globalJob`; of a mean x is not read. */
export function globalBackwardJob(
  kind: 'max' | 'mean',
  x: View,
  dy: View,
  dx: View,
  rate: number,
  accumulate: boolean,
): Job {
  const maps = { ...at('x', x), ...at('dy', dy), ...at('dx', dx), h: dx.h, w: dx.w, c: dx.c };
  const fields = { ...maps, rate, mean: kind === 'mean', accumulate, channels: CHANNELS_PER_TASK };
  return job('globalPoolBackward', fields, rate * rate * Math.ceil(dx.c / CHANNELS_PER_TASK));
}
