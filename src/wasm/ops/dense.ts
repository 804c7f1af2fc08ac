import type { Job } from '../job.js';
import { splitRows } from './split.js';

/** Outputs of one task: their sums take 2 KB of the L1 cache, and 25088 rows of them 5 ms at 10 GB/s. */
const COLUMNS_PER_TASK = 512;

/** Pointers and sizes of a dense layer of one picture. `b` 0: no bias. */
export interface DenseOperands {
  x: number;
  /** (in, out), row by row. */
  w: number;
  b: number;
  y: number;
  in: number;
  out: number;
  relu: boolean;
}

/** y (out) = x (in) w (in, out) + b, and ReLU. */
export function denseJob({ x, w, b, y, in: inputs, out: outputs, relu }: DenseOperands): Job {
  const columns = Math.min(COLUMNS_PER_TASK, Math.max(4, 4 * Math.ceil(outputs / 32)));
  return {
    kernel: 'dense',
    args: [x, w, b, y, inputs, outputs, relu ? 1 : 0, columns],
    tasks: Math.ceil(outputs / columns),
    scratch: 0,
  };
}

/** dx (in) = w (in, out) dy (out), zero where `mask` (in), the output of the ReLU before the layer, is not positive. `mask` 0: none. */
export function denseInputGradientJob(o: {
  dy: number;
  w: number;
  mask: number;
  dx: number;
  in: number;
  out: number;
}): Job {
  const { rows, tasks } = splitRows(o.in, o.out);
  return { kernel: 'denseInputGradient', args: [o.dy, o.w, o.mask, o.dx, o.in, o.out, rows], tasks, scratch: 0 };
}

/** dw (in, out) = x (n, in)' dy (n, out). */
export function denseWeightGradientJob(o: {
  x: number;
  dy: number;
  dw: number;
  n: number;
  in: number;
  out: number;
}): Job {
  const { rows, tasks } = splitRows(o.in, o.n * o.out);
  return { kernel: 'denseWeightGradient', args: [o.x, o.dy, o.dw, o.n, o.in, o.out, rows], tasks, scratch: 0 };
}

/** dx = dy where y, the ReLU's output, is positive, else 0. `dx` may be `dy`. */
export function reluBackwardJob({ y, dy, dx, length }: { y: number; dy: number; dx: number; length: number }): Job {
  const chunk = 2 ** 18;
  return { kernel: 'reluBackward', args: [y, dy, dx, length, chunk], tasks: Math.ceil(length / chunk), scratch: 0 };
}
