import { COLUMNS, DEPTH, REGION, ROWS } from '../assembly.js';
import { at, type Clip, type Job, job, UNCLIPPED, type View, type WindowCall } from '../job.js';
import { evenly, up } from './split.js';
import { type Phases, phaseSizes, phasesOf, type Taps, tapsOf, windowFields } from './window.js';

/**
 * Pixels and output channels of one task at most: 40 KB of gathered pixels and 20 KB of sums fit a thread's scratch and the L2 cache, each
 * gathered pixel serves 16 strips of weights, and a task of 512 input channels under a window of 3x3 is 47 MFLOP, a millisecond.
 */
const PIXELS_PER_TASK = 40;
const CHANNELS_PER_TASK = 128;
/** Tasks that a small map is cut into, so that threads end at the same time; a smaller task gathers a pixel for fewer strips. */
const LEAST_TASKS = 16;
const LEAST_CHANNELS = 32;

/** Phases with fewer pixels would leave much of a task's register tiles unused; then all are computed as one map. */
const LEAST_PHASE = 4 * ROWS;

/** Sizes of a convolution's kernel (rows, columns, cin, cout); of one group. */
export interface ConvSize extends Taps {
  readonly cin: number;
  readonly cout: number;
}

/** A convolution's weights and bias in the order in which the kernel reads them. */
export interface PackedConv extends ConvSize {
  /** Address of `packedConvBytes` bytes, a multiple of 16. The first `cout` float32 are the bias. */
  readonly ptr: number;
}

/** How a convolution is called: its window, bounds of the output, and whether y is added to; then there are no bounds. */
export interface ConvCall extends WindowCall {
  readonly clip?: Clip;
  readonly accumulate?: boolean;
}

/** The call of a 3x3 window with stride 1 and padding 'same'. */
export const same3x3 = (dilation: number): WindowCall => ({
  stride: 1,
  dilation,
  startY: -dilation,
  startX: -dilation,
});

/** Bytes of a packed kernel and its bias; output channels are filled up to a multiple of 8. */
export const packedConvBytes = (size: ConvSize): number => 4 * up(size.cout, COLUMNS) * (1 + tapsOf(size) * size.cin);

/** Packs a (rows, columns, cin, cout) kernel at `weights`. The bias is not touched: the caller writes its `cout` numbers to `packed.ptr`. */
export function packConvJob(weights: number, packed: PackedConv): Job {
  const { ptr, cin, cout } = packed;
  return job('packConv', { weights, packed: ptr, taps: tapsOf(packed), cin, cout }, Math.ceil(cout / COLUMNS));
}

/** Writes a packed kernel's weights to `weights` (rows, columns, cin, cout). */
export function unpackConvJob(packed: PackedConv, weights: number): Job {
  return { ...packConvJob(weights, packed), kernel: 'unpackConv' };
}

/** Packs the kernel whose convolution maps the output's gradient to the input's: taps turned, channels swapped, bias zero. */
export function packAdjointJob(from: PackedConv, to: PackedConv): Job {
  const { cin, cout } = from;
  const fields = { from: from.ptr, to: to.ptr, taps: tapsOf(from), cin, cout };
  return job('adjointConv', fields, Math.ceil(cin / COLUMNS));
}

/**
 * y = or += conv(x, weights) + bias, direct, clipped if asked for; with `accumulate` the bias is not added. x and y are views of any sizes
 * and must not overlap. The sums are taken in the order (tap row, tap column, channel) whatever the views, the dilation or the stride.
 */
export const convJob = (x: View, packed: PackedConv, y: View, call: ConvCall): Job =>
  spreadJob(x, packed, y, call, call, 1);

/**
 * dx = or += the gradient of `convJob` at its input, from dy at its output. `adjoint` is the kernel of `packAdjointJob`; `call` is
 * the forward's: dx(r) sees row (r - startY - dilation a) / stride of dy under tap row a, where that is whole.
 */
export function convInputGradientJob(
  dy: View,
  adjoint: PackedConv,
  dx: View,
  { stride, dilation, startY, startX }: WindowCall,
  accumulate: boolean,
): Job {
  const starts = {
    startY: -startY - dilation * (adjoint.rows - 1),
    startX: -startX - dilation * (adjoint.columns - 1),
  };
  return spreadJob(dy, adjoint, dx, { stride: 1, dilation, ...starts }, { accumulate }, stride);
}

/** Phases are worth it where the largest fills the register tiles. A transposed window has phases of its own, those of its stride. */
function phasesFor(packed: PackedConv, y: View, dilation: number, spread: number): Phases {
  const phases = spread > 1 ? { phasesY: 1, phasesX: 1 } : phasesOf(packed, dilation);
  const { h, w } = phaseSizes(y, phases);
  return h * w >= LEAST_PHASE ? phases : { phasesY: 1, phasesX: 1 };
}

function spreadJob(
  x: View,
  packed: PackedConv,
  y: View,
  call: WindowCall,
  { clip = UNCLIPPED, accumulate = false }: Omit<ConvCall, keyof WindowCall>,
  spread: number,
): Job {
  const { ptr, cin, cout } = packed;
  const split = phasesFor(packed, y, call.dilation, spread);
  const { phases, h, w } = phaseSizes(y, split, spread);
  const pixels = up(evenly(h * w, PIXELS_PER_TASK), ROWS);
  const ranges = phases * Math.ceil((h * w) / pixels);
  const channels = channelsOfTask(cout, ranges);
  const depth = evenly(cin, DEPTH);
  const taps = depth < cin || spread > 1 ? 1 : evenly(tapsOf(packed), Math.floor(DEPTH / cin));
  const fields = {
    ...windowFields(x, y, packed, call, split, spread),
    ...at('x', x),
    ...at('y', y),
    cin,
    cout,
    packed: ptr,
    accumulate,
    low: clip.low,
    high: clip.high,
    pixels,
    channels,
    taps,
    depth,
  };
  const tasks = ranges * Math.ceil(cout / channels);
  return job('conv', fields, tasks, REGION + 4 * pixels * (channels + DEPTH));
}

/** Output channels of a task where the pixels make `ranges` tasks. */
function channelsOfTask(cout: number, ranges: number): number {
  const groups = Math.max(Math.ceil(cout / CHANNELS_PER_TASK), Math.ceil(LEAST_TASKS / ranges));
  return Math.max(up(Math.ceil(cout / groups), COLUMNS), LEAST_CHANNELS);
}
