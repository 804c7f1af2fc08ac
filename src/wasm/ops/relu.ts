import type { Job, View } from '../job.js';
import { splitRows } from './split.js';

/**
 * dx = dy where y, the ReLU's output, is positive, else 0; with `guided` where dy is positive too. The maps are views of one size;
 * `dx` may be `dy`.
 */
export function reluBackwardJob(y: View, dy: View, dx: View, { guided = false }: { guided?: boolean } = {}): Job {
  const { rows, tasks } = splitRows(y.h, y.w * y.c);
  const maps = [y, dy, dx].flatMap(({ ptr, row, pix }) => [ptr, row, pix]);
  return { kernel: 'reluBackward', args: [...maps, y.h, y.w, y.c, guided ? 1 : 0, rows], tasks, scratch: 0 };
}
