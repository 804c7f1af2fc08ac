import type { Job, View } from '../job.js';
import { splitRows } from './split.js';

/** y (h, w, 1) = sum_k alpha_k x(h, w, k); `alpha` points to the c weights. */
export function channelSumJob(x: View, alpha: number, y: View): Job {
  const { rows, tasks } = splitRows(x.h, x.w * x.c);
  const args = [x.ptr, x.row, x.pix, x.h, x.w, x.c, alpha, y.ptr, y.row, y.pix, rows];
  return { kernel: 'channelSum', args, tasks, scratch: 0 };
}
