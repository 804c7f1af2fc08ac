import { floatBits, type Job } from '../job.js';

/** Parameters of a task. */
const EACH = 2 ** 14;

/** Addresses of `n` float32 each, a multiple of 4: parameters, their gradient, and what the optimiser keeps of earlier gradients. */
export interface Parameters {
  readonly w: number;
  readonly g: number;
  readonly m: number;
  /** AdamW only. */
  readonly v: number;
  readonly n: number;
}

function stepJob(kernel: string, { w, g, m, v, n }: Parameters, numbers: readonly number[]): Job {
  return { kernel, args: [w, g, m, v, n, EACH, ...numbers.map(floatBits)], tasks: Math.ceil(n / EACH), scratch: 0 };
}

/** w = (1 - rate decay) w - rate m, with m = momentum m + g. */
export const sgdJob = (p: Parameters, o: { rate: number; decay: number; momentum: number }): Job =>
  stepJob('sgdStep', p, [o.rate, 1 - o.rate * o.decay, o.momentum, 0, 1, 1, 0]);

/** Step number `step` (from 1 on) of AdamW with beta (0.9, 0.999). */
export function adamJob(p: Parameters, { rate, decay, step }: { rate: number; decay: number; step: number }): Job {
  const [beta1, beta2] = [0.9, 0.999];
  const numbers = [rate, 1 - rate * decay, beta1, beta2, 1 - beta1 ** step, 1 - beta2 ** step, 1e-8];
  return stepJob('adamStep', p, numbers);
}

/** x (n) = x / (1 - rate), or 0 with probability `rate`; the same numbers are dropped wherever `seed` and n are the same. */
export function dropoutJob(x: number, n: number, { rate, seed }: { rate: number; seed: number }): Job {
  const threshold = Math.floor(rate * 2 ** 32) | 0;
  return {
    kernel: 'dropout',
    args: [x, n, seed, threshold, floatBits(1 / (1 - rate)), EACH],
    tasks: Math.ceil(n / EACH),
    scratch: 0,
  };
}
