import type { Job } from '../job.js';

/** y (rows, columns) = softmax of x, row by row. `y` may be `x`. */
export function softmaxJob({ x, y, rows, columns }: { x: number; y: number; rows: number; columns: number }): Job {
  return { kernel: 'softmax', args: [x, y, columns], tasks: rows, scratch: 0 };
}

/** dx = y (dy - sum_j y_j dy_j), row by row; y is softmax's output. `dx` may be `dy`. */
export function softmaxBackwardJob(o: { y: number; dy: number; dx: number; rows: number; columns: number }): Job {
  return { kernel: 'softmaxBackward', args: [o.y, o.dy, o.dx, o.columns], tasks: o.rows, scratch: 0 };
}
