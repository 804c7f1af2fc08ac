import type { Job, View } from '../job.js';
import type { PackedConv } from './conv.js';

/** As in assembly: channels of a panel of x and of a strip of dy, and of a task of the bias's gradient. */
const QUAD = 4;
const COLUMNS = 8;
const TOTALS = 16;

/** Input and output channels of a task: a panel of each serves many products, and both fit a thread's scratch. */
const CHANNELS_PER_TASK = 32;
const COLUMNS_PER_TASK = 64;
/** Rows and columns of a patch at most; a block of the sum. */
const PATCH = { rows: 8, cols: 16 };
/** Multiply-accumulates of a task at most, about 8 ms. */
const MACS_PER_TASK = 1e8;

const up = (value: number, step: number): number => Math.ceil(value / step) * step;

/** The smallest equal parts of `total`, none above `most`. */
const evenly = (total: number, most: number): number => Math.ceil(total / Math.ceil(total / most));

/** Packs the kernel whose convolution maps the output's gradient to the input's: taps turned, channels swapped, bias zero. */
export function adjointConvJob(from: PackedConv, to: PackedConv): Job {
  const args = [from.ptr, to.ptr, from.cin, from.cout];
  return { kernel: 'adjointConv', args, tasks: Math.ceil(from.cin / COLUMNS), scratch: 0 };
}

/** Writes a packed kernel's weights to `weights` (3, 3, cin, cout). */
export function unpackConvJob({ ptr, cin, cout }: PackedConv, weights: number): Job {
  return { kernel: 'unpackConv', args: [ptr, weights, cin, cout], tasks: Math.ceil(cout / COLUMNS), scratch: 0 };
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
  const maps = [x.ptr, x.row, x.pix, dy.ptr, dy.row, dy.pix, x.h, x.w, cin, cout, dw, dilation];
  return Array.from({ length: Math.ceil(patches / each) }, (_, i) => {
    const [first, last] = [i * each, Math.min(patches, (i + 1) * each)];
    return {
      kernel: 'convWeightGradient',
      args: [...maps, accumulate || i > 0 ? 1 : 0, channels, columns, rows, cols, first, last],
      tasks,
      scratch: 192 + 4 * (channels * (rows + 2) * (cols + 2) + columns * rows * cols),
    };
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
  const args = [dy.ptr, dy.row, dy.pix, dy.h, dy.w, dy.c, db, accumulate ? 1 : 0];
  return { kernel: 'biasGradient', args, tasks: Math.ceil(dy.c / TOTALS), scratch: 0 };
}
