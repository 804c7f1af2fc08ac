import type { PoolKind } from '../../graph/graph.js';
import { at, type Job, job, type View } from '../job.js';
import { gcd, splitRows, up } from './split.js';
import type { Taps, WindowCall } from './window.js';

/** Tasks that there should be, for threads; channels of a cache line, and fewer than which none should have. */
const TASKS = 8;
const LINE = 16;
const LEAST_CHANNELS = 64;
/** Bytes of scratch of a task of the gradient. */
const SHARE_BYTES = 128;

/** What a window sees beyond the map: nothing, which a mean does not count, or zeros. */
export type Beyond = 'nothing' | 'zero';

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

/**
 * y = the largest or the mean of each window of x, 0 where a window sees nothing. The maps are views of any sizes. The same points give
 * the same bits wherever they lie.
 */
export function poolJob(kind: PoolKind, x: View, y: View, window: WindowCall & Taps, beyond: Beyond): Job {
  const { rows, columns, stride, dilation } = window;
  const period = dilation / gcd(stride, dilation);
  const { rows: each } = splitRows(Math.ceil(y.h / period), y.w * y.c * rows * columns);
  const tasks = period * Math.ceil(Math.ceil(y.h / period) / each);
  const maps = { ...at('x', x), h: x.h, w: x.w, ...at('y', y), outH: y.h, outW: y.w, c: x.c };
  return job('pool', { ...maps, ...windowOf(window), ...kindOf(kind, beyond), each }, tasks);
}

/**
 * dx = or, with `accumulate`, += the gradient of `poolJob` at x. Of the largest: each dy goes to the first of them in row order, and is lost where that
 * is a zero beyond x. x and dx have the same sizes; of a mean x is not read.
 */
export function poolBackwardJob(
  kind: PoolKind,
  x: View,
  dy: View,
  dx: View,
  window: WindowCall & Taps,
  beyond: Beyond,
  accumulate: boolean,
): Job {
  const maps = { ...at('x', x), h: x.h, w: x.w, c: x.c, ...at('dy', dy), outH: dy.h, outW: dy.w, ...at('dx', dx) };
  // Rows of a residue modulo the dilation; at least two windows high, for windows that reach into two tasks are computed twice.
  const height = Math.ceil(x.h / window.dilation);
  const { rows } = splitRows(height, x.w * x.c * window.rows * window.columns);
  const each = Math.min(height, Math.max(rows, 2 * window.rows));
  const ranges = window.dilation * Math.ceil(height / each);
  const parts = Math.min(Math.ceil(TASKS / ranges), Math.ceil(x.c / LEAST_CHANNELS));
  const channels = up(Math.ceil(x.c / parts), LINE);
  const fields = { ...maps, ...windowOf(window), ...kindOf(kind, beyond), accumulate, each, channels };
  return job('poolBackward', fields, ranges * Math.ceil(x.c / channels), SHARE_BYTES);
}

/** y(i, j) = max of x over the window at (offsetY + stride i, offsetX + stride j), beyond whose edges lies nothing. */
export const maxPoolJob = (x: View, y: View, window: PoolWindow & PoolOffset): Job =>
  poolJob('max', x, y, square(window), 'nothing');

/** Gradient of `maxPoolJob` at x. */
export const maxPoolBackwardJob = (
  x: View,
  dy: View,
  dx: View,
  { accumulate = false, ...window }: PoolWindow & PoolOffset & { accumulate?: boolean },
): Job => poolBackwardJob('max', x, dy, dx, square(window), 'nothing', accumulate);

const square = ({ size, stride, dilation, offsetY, offsetX }: PoolWindow & PoolOffset): WindowCall & Taps => ({
  rows: size,
  columns: size,
  stride,
  dilation,
  startY: offsetY,
  startX: offsetX,
});

/**
 * y(q, p) = the largest or the mean of x over the rows q, q + rate, .. and the columns p, p + rate, ..; 0 where there are none. y is a rate x rate
 * view. A mean is summed in row order in float64, whatever the rate.
 */
export const globalJob = (kind: PoolKind, x: View, y: View, rate: number): Job =>
  globalPool('globalPool', kind, x, y, { ptr: 0, row: 0, pix: 0 }, rate, false);

/**
 * dx = or, with `accumulate`, += the gradient of `globalJob` at x. Of the largest, all goes to the first of them in row order; of a mean x is
 * not read.
 */
export const globalBackwardJob = (
  kind: PoolKind,
  x: View,
  dy: View,
  dx: View,
  rate: number,
  accumulate: boolean,
): Job => globalPool('globalPoolBackward', kind, x, dy, dx, rate, accumulate);

/** Channels of a task at most: their sums lie in its scratch. */
const MOST_CHANNELS = 1024;
/** Bytes of scratch in front of the sums. */
const HEAD_BYTES = 64;

function globalPool(
  kernel: 'globalPool' | 'globalPoolBackward',
  kind: PoolKind,
  x: View,
  y: View,
  dx: Pick<View, 'ptr' | 'row' | 'pix'>,
  rate: number,
  accumulate: boolean,
): Job {
  const channels = Math.min(MOST_CHANNELS, rate > 1 ? up(x.c, 16) : up(Math.ceil(x.c / 8), 16));
  const { rows: points, tasks } = splitRows(rate * rate, Math.ceil(x.h / rate) * Math.ceil(x.w / rate) * x.c);
  const maps = { ...at('x', x), h: x.h, w: x.w, c: x.c, ...at('y', y), dx: dx.ptr, dxRow: dx.row, dxPix: dx.pix };
  const fields = { ...maps, rate, mean: kind === 'mean', accumulate, points, channels };
  return job(kernel, fields, tasks * Math.ceil(x.c / channels), HEAD_BYTES + 8 * channels);
}

const windowOf = ({ rows, columns, stride, dilation, startY, startX }: WindowCall & Taps) => ({
  rows,
  columns,
  stride,
  dilation,
  startY,
  startX,
});

const kindOf = (kind: PoolKind, beyond: Beyond) => ({ mean: kind === 'mean', zeros: beyond === 'zero' });
