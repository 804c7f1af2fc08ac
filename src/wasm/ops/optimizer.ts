import { type Job, job } from '../job.js';

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

/** w = (1 - rate decay) w - rate m, with m = momentum m + g. */
export function sgdJob({ w, g, m, v, n }: Parameters, o: { rate: number; decay: number; momentum: number }): Job {
  const unused = { beta2: 0, correct1: 1, correct2: 1, epsilon: 0 };
  const numbers = { rate: o.rate, keep: 1 - o.rate * o.decay, momentum: o.momentum, ...unused };
  return job('sgdStep', { w, g, m, v, n, each: EACH, ...numbers }, Math.ceil(n / EACH));
}

/** Step number `step` (from 1 on) of AdamW with beta (0.9, 0.999). */
export function adamJob(
  { w, g, m, v, n }: Parameters,
  { rate, decay, step }: { rate: number; decay: number; step: number },
): Job {
  const [momentum, beta2] = [0.9, 0.999];
  const corrections = { correct1: 1 - momentum ** step, correct2: 1 - beta2 ** step };
  const numbers = { rate, keep: 1 - rate * decay, momentum, beta2, ...corrections, epsilon: 1e-8 };
  return job('adamStep', { w, g, m, v, n, each: EACH, ...numbers }, Math.ceil(n / EACH));
}

/** x (n) = x / (1 - rate), or 0 with probability `rate`; the same numbers are dropped wherever `seed` and n are the same. */
export function dropoutJob(x: number, n: number, { rate, seed }: { rate: number; seed: number }): Job {
  const threshold = Math.floor(rate * 2 ** 32) | 0;
  return job('dropout', { x, n, seed, threshold, scale: 1 / (1 - rate), each: EACH }, Math.ceil(n / EACH));
}
