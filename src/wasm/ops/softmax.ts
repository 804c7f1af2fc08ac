import { type Job, job } from '../job.js';

/** y (rows, columns) = softmax of x, row by row. `y` may be `x`. */
export function softmaxJob({ x, y, rows, columns }: { x: number; y: number; rows: number; columns: number }): Job {
  return job('softmax', { x, y, columns }, rows);
}

/** dx = y (dy - sum_j y_j dy_j), row by row; y is softmax's output. `dx` may be `dy`. */
export function softmaxBackwardJob({
  rows,
  ...fields
}: {
  y: number;
  dy: number;
  dx: number;
  rows: number;
  columns: number;
}): Job {
  return job('softmaxBackward', fields, rows);
}

/** loss (rows) = the cross-entropy of softmax(x) with the targets, row by row; x and targets (rows, columns). */
export function softmaxCrossEntropyJob({
  rows,
  ...fields
}: {
  x: number;
  targets: number;
  loss: number;
  rows: number;
  columns: number;
}): Job {
  return job('softmaxCrossEntropy', fields, rows);
}

/**
 * dx (rows, columns) of `softmaxCrossEntropyJob`, that is dy (softmax(x) sum of targets - targets), from dy (rows; pointer 0: all one).
 * `dx` may be `x` or `targets`.
 */
export function softmaxCrossEntropyBackwardJob({
  rows,
  ...fields
}: {
  x: number;
  targets: number;
  dy: number;
  dx: number;
  rows: number;
  columns: number;
}): Job {
  return job('softmaxCrossEntropyBackward', fields, rows);
}
