import type { Job } from '../job.js';

/** y (rows, columns) = softmax of x, row by row. `y` may be `x`. */
export function softmaxJob({ x, y, rows, columns }: { x: number; y: number; rows: number; columns: number }): Job {
  return { kernel: 'softmax', args: [x, y, columns], tasks: rows, scratch: 0 };
}

/** dx = y (dy - sum_j y_j dy_j), row by row; y is softmax's output. `dx` may be `dy`. */
export function softmaxBackwardJob(o: { y: number; dy: number; dx: number; rows: number; columns: number }): Job {
  return { kernel: 'softmaxBackward', args: [o.y, o.dy, o.dx, o.columns], tasks: o.rows, scratch: 0 };
}

/** loss (rows) = the cross-entropy of softmax(x) with the targets, row by row; x and targets (rows, columns). */
export function softmaxCrossEntropyJob(o: {
  x: number;
  targets: number;
  loss: number;
  rows: number;
  columns: number;
}): Job {
  return { kernel: 'softmaxCrossEntropy', args: [o.x, o.targets, o.loss, o.columns], tasks: o.rows, scratch: 0 };
}

/**
 * dx (rows, columns) of `softmaxCrossEntropyJob`, that is dy (softmax(x) sum of targets - targets), from dy (rows; pointer 0: all one).
 * `dx` may be `x` or `targets`.
 */
export function softmaxCrossEntropyBackwardJob(o: {
  x: number;
  targets: number;
  dy: number;
  dx: number;
  rows: number;
  columns: number;
}): Job {
  return {
    kernel: 'softmaxCrossEntropyBackward',
    args: [o.x, o.targets, o.dy, o.dx, o.columns],
    tasks: o.rows,
    scratch: 0,
  };
}
