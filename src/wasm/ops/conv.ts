import { COLUMNS, DEPTH, ROWS } from '../assembly.js';
import { at, type Job, job, type View } from '../job.js';
import { evenly, up } from './split.js';

/**
 * Pixels and output channels of one task: 40 KB of gathered pixels and 10 KB of sums fit a thread's scratch and the L2 cache, each
 * gathered pixel serves 8 strips of weights, and a task of 512 input channels is 24 MFLOP.
 */
const PIXELS_PER_TASK = 40;
const CHANNELS_PER_TASK = 64;

/** Taps of the kernel. */
const TAPS = 9;

/** A 3x3 convolution's weights and bias in the order in which the kernel reads them. */
export interface PackedConv {
  /** Address of `packedConvBytes` bytes, a multiple of 16. The first `cout` float32 are the bias. */
  readonly ptr: number;
  readonly cin: number;
  readonly cout: number;
}

/** Bytes of a packed (3, 3, cin, cout) kernel and its bias; output channels are filled up to a multiple of 8. */
export const packedConvBytes = (cin: number, cout: number): number => 4 * up(cout, COLUMNS) * (1 + TAPS * cin);

/** Packs a (3, 3, cin, cout) kernel at `weights`. The bias is not touched: the caller writes its `cout` numbers to `packed.ptr`. */
export function packConvJob(weights: number, packed: PackedConv): Job {
  const { ptr, cin, cout } = packed;
  return job('packConv', { weights, packed: ptr, cin, cout }, Math.ceil(cout / COLUMNS));
}

/**
 * y = conv3x3(x, weights) + bias with zero padding 'same', direct, and ReLU if asked for. x and y must not overlap.
 * The sums are taken in the order (ky, kx, channel) whatever the view or the dilation.
 */
export function conv3x3Job(
  x: View,
  { ptr, cin, cout }: PackedConv,
  y: View,
  { dilation, relu }: { dilation: number; relu: boolean },
): Job {
  const largest = Math.ceil(x.h / dilation) * Math.ceil(x.w / dilation);
  const pixels = up(evenly(largest, PIXELS_PER_TASK), ROWS);
  const channels = up(evenly(cout, CHANNELS_PER_TASK), COLUMNS);
  const depth = evenly(cin, DEPTH);
  const taps = depth < cin ? 1 : evenly(TAPS, Math.min(TAPS, Math.floor(DEPTH / cin)));
  const phases = Math.min(dilation, x.h) * Math.min(dilation, x.w);
  const maps = { ...at('x', x), ...at('y', y), h: x.h, w: x.w, cin, cout, packed: ptr };
  const tasks = phases * Math.ceil(largest / pixels) * Math.ceil(cout / channels);
  const scratch = 64 + 4 * pixels * (channels + DEPTH);
  return job('conv3x3', { ...maps, dilation, relu, pixels, channels, taps, depth }, tasks, scratch);
}
