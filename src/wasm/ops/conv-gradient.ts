import { COLUMNS, QUAD, TOTALS } from '../assembly.js';
import { at, type Job, job, type View } from '../job.js';
import type { PackedConv } from './conv.js';
import { evenly, up } from './split.js';

/** Input and output channels of a task: a panel of each serves many products, and both fit a thread's scratch. */
const CHANNELS_PER_TASK = 32;
const COLUMNS_PER_TASK = 64;
/** Rows and columns of a patch at most; a block of the sum. */
const PATCH = { rows: 8, cols: 16 };
/** Multiply-accumulates of a task at most, about 8 ms. */
const MACS_PER_TASK = 1e8;

/** Packs the kernel whose convolution maps the output's gradient to the input's: taps turned, channels swapped, bias zero. */
export function adjointConvJob(from: PackedConv, to: PackedConv): Job {
  const { cin, cout } = from;
  return job('adjointConv', { from: from.ptr, to: to.ptr, cin, cout }, Math.ceil(cin / COLUMNS));
}

/** Writes a packed kernel's weights to `weights` (3, 3, cin, cout). */
export function unpackConvJob({ ptr, cin, cout }: PackedConv, weights: number): Job {
  return job('unpackConv', { from: ptr, to: weights, cin, cout }, Math.ceil(cout / COLUMNS));
}

/**
 * The jobs of dw (3, 3, cin, cout) = or += the gradient of a 3x3 convolution of x at its weights, direct, to be run one after the
 * other: each sums a range of pixels, so that no task takes long. The order of the sum depends on the maps' size and the dilation only.
 */
export function convWeightGradientJobs(
  x: View,
  dy: View,
  dw: number,
  { dilation, accumulate }: { dilation: number; accumulate: boolean },
): Job[] {
  const [cin, cout] = [x.c, dy.c];
  const [tall, wide] = [Math.ceil(x.h / dilation), Math.ceil(x.w / dilation)];
  const rows = evenly(tall, PATCH.rows);
  const cols = evenly(wide, PATCH.cols);
  const phases = Math.min(dilation, x.h) * Math.min(dilation, x.w);
  const patches = phases * Math.ceil(tall / rows) * Math.ceil(wide / cols);
  const { channels, columns } = blockOf(cin, cout);
  const tasks = Math.ceil(cin / channels) * Math.ceil(cout / columns);
  const each = Math.max(1, Math.floor(MACS_PER_TASK / (9 * channels * columns * rows * cols)));
  return Array.from({ length: Math.ceil(patches / each) }, (_, i) => {
    const fields = {
      ...at('x', x),
      ...at('dy', dy),
      h: x.h,
      w: x.w,
      cin,
      cout,
      dw,
      dilation,
      accumulate: accumulate || i > 0,
      channels,
      columns,
      patchRows: rows,
      patchCols: cols,
      first: i * each,
      last: Math.min(patches, (i + 1) * each),
    };
    const scratch = 192 + 4 * (channels * (rows + 2) * (cols + 2) + columns * rows * cols);
    return job('convWeightGradient', fields, tasks, scratch);
  });
}

/** Channels of a task: smaller blocks where there would be few tasks, for threads. */
function blockOf(cin: number, cout: number): { channels: number; columns: number } {
  const channels = up(evenly(cin, CHANNELS_PER_TASK), QUAD);
  let columns = up(evenly(cout, COLUMNS_PER_TASK), COLUMNS);
  while (columns > COLUMNS && Math.ceil(cin / channels) * Math.ceil(cout / columns) < 8)
    columns = up(columns / 2, COLUMNS);
  return { channels, columns };
}

/** db (c) = or += the sum of dy over its pixels. */
export function biasGradientJob(dy: View, db: number, accumulate: boolean): Job {
  const { h, w, c } = dy;
  return job('biasGradient', { ...at('dy', dy), h, w, c, db, accumulate }, Math.ceil(c / TOTALS));
}
