import { type Job, job } from '../job.js';
import { splitRows } from './split.js';

/**
 * Outputs of one task: the longer the pieces of w's rows, the faster they stream. Measured on Zen 3, Node 20, 25088 -> 4096, all
 * rows read, GB/s of one thread: 512 outputs 8, 1024 10, 2048 13, 4096 15; two tasks of 2048 take 16 ms each.
 */
const OUTPUTS_PER_TASK = { least: 256, most: 2048 };

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
  const { least, most } = OUTPUTS_PER_TASK;
  const columns = Math.min(most, Math.max(least, 4 * Math.ceil(outputs / 8))); // two tasks at least, for threads
  return job('dense', { x, w, b, y, inputs, outputs, relu, columns }, Math.ceil(outputs / columns));
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
  const { dy, w, mask, dx } = o;
  return job('denseInputGradient', { dy, w, mask, dx, inputs: o.in, outputs: o.out, rows }, tasks);
}
