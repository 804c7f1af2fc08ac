import { at, type Job, job, type View } from '../job.js';
import { splitRows } from './split.js';

/**
 * dx = dy where y, the ReLU's output, is positive, else 0; with `guided` where dy is positive too. The maps are views of one size;
 * `dx` may be `dy`.
 */
export function reluBackwardJob(y: View, dy: View, dx: View, { guided = false }: { guided?: boolean } = {}): Job {
  const { rows, tasks } = splitRows(y.h, y.w * y.c);
  const maps = { ...at('y', y), ...at('dy', dy), ...at('dx', dx), h: y.h, w: y.w, c: y.c };
  return job('reluBackward', { ...maps, guided, rows }, tasks);
}
