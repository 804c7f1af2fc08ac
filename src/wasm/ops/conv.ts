import type { Job, View } from '../job.js';

/** As in assembly/tile.ts: rows and columns of the register tile, and the most channels (times taps) that are gathered at a time. */
const ROWS = 5;
const COLUMNS = 8;
const DEPTH = 256;

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

const up = (value: number, step: number): number => Math.ceil(value / step) * step;

/** The smallest equal parts of `total`, none above `most`. */
const evenly = (total: number, most: number): number => Math.ceil(total / Math.ceil(total / most));

/** Bytes of a packed (3, 3, cin, cout) kernel and its bias; output channels are filled up to a multiple of 8. */
export const packedConvBytes = (cin: number, cout: number): number => 4 * up(cout, COLUMNS) * (1 + TAPS * cin);

/** Packs a (3, 3, cin, cout) kernel at `weights`. The bias is not touched: the caller writes its `cout` numbers to `packed.ptr`. */
export function packConvJob(weights: number, packed: PackedConv): Job {
  const { ptr, cin, cout } = packed;
  return { kernel: 'packConv', args: [weights, ptr, cin, cout], tasks: Math.ceil(cout / COLUMNS), scratch: 0 };
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
  const source = [x.ptr, x.row, x.pix, y.ptr, y.row, y.pix, x.h, x.w, cin, cout, ptr];
  return {
    kernel: 'conv3x3',
    args: [...source, dilation, relu ? 1 : 0, pixels, channels, taps, depth],
    tasks: phases * Math.ceil(largest / pixels) * Math.ceil(cout / channels),
    scratch: 64 + 4 * pixels * (channels + DEPTH),
  };
}
