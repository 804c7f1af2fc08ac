import { at, type Job, job, type View } from '../job.js';
import { splitRows } from './split.js';

/** y (h, w, 1) = sum_k alpha_k x(h, w, k); `alpha` points to the c weights. */
export function channelSumJob(x: View, alpha: number, y: View): Job {
  const { rows, tasks } = splitRows(x.h, x.w * x.c);
  return job('channelSum', { ...at('x', x), h: x.h, w: x.w, c: x.c, alpha, ...at('y', y), rows }, tasks);
}
