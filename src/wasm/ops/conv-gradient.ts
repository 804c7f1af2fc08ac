import { COLUMNS, GRADIENT_HEAD, QUAD, TOTALS } from '../assembly.js';
import { at, type Job, job, type View, type WindowCall } from '../job.js';
import { evenly, up } from './split.js';
import { phaseSizes, phasesOf, type Taps, tapsOf, windowFields } from './window.js';

/** Input and output channels of a task: a panel of each serves many products, and both fit a thread's scratch. */
const INPUTS_PER_TASK = 32;
const OUTPUTS_PER_TASK = 64;
/** Rows and columns of a patch at most; a block of the sum. */
const PATCH = { rows: 8, cols: 16 };
/** Bytes of a task's panels of x at most. */
const PANEL_BYTES = 192 * 1024;
/** Multiply-accumulates of a task at most, about 8 ms. */
const MACS_PER_TASK = 1e8;

/** A patch of dy and the channels of a task. */
interface Block {
  readonly rows: number;
  readonly cols: number;
  readonly inputs: number;
  readonly outputs: number;
}

/**
 * The jobs of the gradients of `convJob` at its kernel (rows, columns, cin, cout) and bias (cout; 0: not wanted), overwritten or, with
 * `accumulate`, added to; direct, to be run one after the other. `call` is the forward's.
 */
export const convWeightGradientJobs = (
  x: View,
  dy: View,
  taps: Taps,
  call: WindowCall,
  target: { readonly kernel: number; readonly bias: number },
  accumulate: boolean,
): Job[] => [
  ...(target.bias ? [biasGradientJob(dy, target.bias, accumulate)] : []),
  ...kernelGradientJobs(x, dy, taps, call, target.kernel, accumulate),
];

/**
 * The jobs of dw, the kernel's gradient: each sums a range of pixels, so that no task takes long. The order of the sum depends on the
 * maps' sizes and the window only.
 */
function kernelGradientJobs(x: View, dy: View, taps: Taps, call: WindowCall, dw: number, accumulate: boolean): Job[] {
  const [cin, cout] = [x.c, dy.c];
  const split = phasesOf(taps, call.dilation);
  const { phases, h, w } = phaseSizes(dy, split);
  const block = blockOf(x, dy, taps, call, { rows: evenly(h, PATCH.rows), cols: evenly(w, PATCH.cols) });
  const { rows, cols, inputs, outputs } = block;
  const patches = phases * Math.ceil(h / rows) * Math.ceil(w / cols);
  const tasks = Math.ceil(cin / inputs) * Math.ceil(cout / outputs);
  const each = Math.max(1, Math.floor(MACS_PER_TASK / (tapsOf(taps) * inputs * outputs * rows * cols)));
  const scratch = GRADIENT_HEAD + panelBytes(taps, call, block) + 4 * outputs * rows * cols;
  const fields = {
    ...windowFields(x, dy, taps, call, split),
    ...at('x', x),
    ...at('dy', dy),
    cin,
    cout,
    dw,
    inputs,
    outputs,
    patchRows: rows,
    patchCols: cols,
  };
  return Array.from({ length: Math.ceil(patches / each) }, (_, i) => {
    const range = { first: i * each, last: Math.min(patches, (i + 1) * each) };
    return job('convWeightGradient', { ...fields, ...range, accumulate: accumulate || i > 0 }, tasks, scratch);
  });
}

/** Bytes of the panels of x under a patch. */
function panelBytes({ rows, columns }: Taps, { stride }: WindowCall, block: Omit<Block, 'outputs'>): number {
  const [stepY, stepX] = [Math.min(stride, rows), Math.min(stride, columns)];
  const height = stepY * (block.rows - 1) + rows;
  const width = stepX * (block.cols - 1 + Math.ceil(columns / stepX));
  return 4 * up(block.inputs, QUAD) * height * width;
}

/** Fewer output channels where there would be few tasks, for threads; fewer input channels or a smaller patch for large windows. */
function blockOf(
  x: View,
  dy: View,
  taps: Taps,
  call: WindowCall,
  patch: { readonly rows: number; readonly cols: number },
): Block {
  let [inputs, { rows, cols }] = [up(evenly(x.c, INPUTS_PER_TASK), QUAD), patch];
  const tooLarge = () => panelBytes(taps, call, { rows, cols, inputs }) > PANEL_BYTES;
  while (tooLarge() && inputs > QUAD) inputs -= QUAD;
  while (tooLarge() && rows * cols > 1)
    if (cols > rows) cols = Math.ceil(cols / 2);
    else rows = Math.ceil(rows / 2);
  let outputs = up(evenly(dy.c, OUTPUTS_PER_TASK), COLUMNS);
  while (outputs > COLUMNS && Math.ceil(x.c / inputs) * Math.ceil(dy.c / outputs) < 8)
    outputs = up(outputs / 2, COLUMNS);
  return { rows, cols, inputs, outputs };
}

/** db (c) = or += the sum of dy over its pixels. */
export function biasGradientJob(dy: View, db: number, accumulate: boolean): Job {
  const { h, w, c } = dy;
  return job('biasGradient', { ...at('dy', dy), h, w, c, db, accumulate }, Math.ceil(c / TOTALS));
}
