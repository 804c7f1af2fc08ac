import { CHANNEL_GROUP } from '../assembly.js';
import { at, type Job, job, type View } from '../job.js';
import { gcd, up } from './split.js';
import type { Clip, Taps, WindowCall } from './window.js';

/** The weights of a depthwise convolution, as files have them. */
export interface DepthwiseWeights extends Taps {
  /** Address of (rows, columns, c). */
  readonly kernel: number;
  /** Address of (c). */
  readonly bias: number;
}

/** Bytes of a task's packed kernel, which should fit the L2 cache and must fit its scratch. */
const KERNEL_BYTES = 2 ** 17;
/** Bytes of scratch in front of it. */
const HEAD_BYTES = 256;
/** Multiply-accumulates of a task at most: about 2 ms. */
const MOST_MACS = 2 ** 25;
/** Points and channels below which a task is not divided further: packing its kernel would take too long a part of it. */
const LEAST_POINTS = 64;
const LEAST_CHANNELS = 64;
/** Channels of a cache line. */
const LINE = 16;
/** Tasks that there should be, for threads. */
const TASKS = 8;

/**
 * y = clip(depthwise convolution of x + bias), zero padding: channel k of y from channel k of x. x and y are views that must not overlap,
 * their sizes are their own. A sum has the same bits wherever its point lies.
 */
export function depthwiseJob(x: View, weights: DepthwiseWeights, y: View, call: WindowCall & { clip?: Clip }): Job {
  const { stride, dilation, startY, startX, clip = UNCLIPPED } = call;
  const { rows, columns, kernel, bias } = weights;
  const window = { rows, columns, stride, dilation, startY, startX };
  const { tasks, scratch, ...split } = splitTask(y, window, dilation / gcd(stride, dilation));
  const fields = { ...mapsOf(x, y), kernel, bias, ...window, accumulate: false, ...clip, ...split };
  return job('depthwise', fields, tasks, scratch);
}

/**
 * dx = or, with `accumulate`, += the gradient of `depthwiseJob` without clip at its input. The window is the forward's. Where stride
 * and dilation leave some of x unseen, its gradient is 0.
 */
export function depthwiseInputGradientJob(
  dy: View,
  { rows, columns, kernel }: DepthwiseWeights,
  dx: View,
  { stride, dilation, startY, startX }: WindowCall,
  accumulate: boolean,
): Job {
  const window = { rows, columns, stride, dilation, startY, startX };
  const class0 = { h: Math.ceil(dx.h / stride), w: Math.ceil(dx.w / stride), c: dx.c };
  const { tasks, scratch, ...split } = splitTask(class0, window, dilation / gcd(stride, dilation));
  const fields = { ...mapsOf(dy, dx), kernel, bias: 0, ...window, accumulate, ...UNCLIPPED, ...split };
  return job('depthwiseInputGradient', fields, stride * stride * tasks, scratch);
}

/**
 * The gradients of `depthwiseJob` without clip at its weights, each overwritten or added to: `kernel` (rows, columns, c), `bias` (c). Sums go
 * row by row, then over the rows of dy.
 */
export function depthwiseWeightGradientJobs(
  x: View,
  dy: View,
  { rows, columns }: Taps,
  { stride, dilation, startY, startX }: WindowCall,
  { kernel, bias }: { kernel: number; bias: number },
  accumulate: boolean,
): Job[] {
  const channels = up(Math.max(Math.min(x.c, LEAST_CHANNELS), Math.ceil(x.c / TASKS)), LINE);
  const groups = Math.ceil(x.c / channels);
  const each = Math.ceil(rows / Math.ceil(TASKS / groups));
  const rowsOfJob = Math.max(1, Math.floor(MOST_MACS / (dy.w * each * columns * channels)));
  const maps = { ...at('x', x), h: x.h, w: x.w, ...at('dy', dy), outW: dy.w, c: x.c, dkernel: kernel, dbias: bias };
  const window = { rows, columns, stride, dilation, startY, startX };
  return Array.from({ length: Math.ceil(dy.h / rowsOfJob) }, (_, i) => {
    const part = { first: i * rowsOfJob, last: Math.min(dy.h, (i + 1) * rowsOfJob), each, channels };
    const fields = { ...maps, ...window, accumulate: accumulate || i > 0, ...part };
    return job('depthwiseWeightGradient', fields, groups * Math.ceil(rows / each), HEAD_BYTES);
  });
}

const UNCLIPPED: Clip = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

/** The map that is read and the map that is written. */
const mapsOf = (x: View, y: View) => ({
  ...at('x', x),
  h: x.h,
  w: x.w,
  ...at('y', y),
  outH: y.h,
  outW: y.w,
  c: y.c,
});

/** How the rows and channels of y are divided into tasks; `period` apart lie the rows whose windows overlap. */
function splitTask({ h, w, c }: Pick<View, 'h' | 'w' | 'c'>, { rows, columns }: Taps, period: number) {
  const taps = rows * columns;
  const macs = MOST_MACS / (w * taps);
  const limit = Math.max(CHANNEL_GROUP, Math.min(KERNEL_BYTES / (4 * taps), macs));
  const step = limit < LINE ? CHANNEL_GROUP : LINE;
  const most = Math.floor(limit / step) * step;
  const height = Math.ceil(h / period);
  const few = Math.max(Math.ceil(h / TASKS), Math.ceil(LEAST_POINTS / w));
  const each = Math.max(1, Math.min(height, few, Math.floor(macs / Math.min(c, most))));
  const ranges = period * Math.ceil(height / each);
  const parts = Math.max(Math.ceil(c / most), Math.min(Math.ceil(TASKS / ranges), Math.ceil(c / LEAST_CHANNELS)));
  const channels = Math.min(most, up(Math.ceil(c / parts), step));
  const tasks = ranges * Math.ceil(c / channels);
  return { each, channels, tasks, scratch: HEAD_BYTES + 4 * taps * up(Math.min(c, channels), CHANNEL_GROUP) };
}
