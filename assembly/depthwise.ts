import { CHANNEL_GROUP, computeRun, Run } from './depthwise-points';
import { fetchRow } from './fetch';
import { simd } from './simd';
import { ceilDiv, gcd } from './tile';

/** Strides are in floats. The gradient reads dy as x and writes dx as y; sizes, taps and window are those of the forward. */
@unmanaged
class DepthwiseArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  /** Rows and columns of x. */
  h: i32;
  w: i32;
  y: usize;
  yRow: i32;
  yPix: i32;
  /** Rows and columns of y. */
  outH: i32;
  outW: i32;
  c: i32;
  /** (rows, columns, c) */
  kernel: usize;
  /** (c), or 0: none. */
  bias: usize;
  rows: i32;
  columns: i32;
  stride: i32;
  dilation: i32;
  startY: i32;
  startX: i32;
  /** 0: y is overwritten, else added to. */
  accumulate: i32;
  low: f32;
  high: f32;
  /** Rows that a task computes, of those whose windows overlap. */
  each: i32;
  /** Channels that a task computes, a multiple of 8. */
  channels: i32;
}

/**
 * What the points of an axis of y see of that axis of x: point n the points start + stride n + dilation m, m = 0 .. count - 1, by the
 * taps first + step m.
 */
@unmanaged
class DepthwiseAxis {
  /** Points of x. */
  size: i32;
  start: i32;
  stride: i32;
  dilation: i32;
  first: i32;
  step: i32;
  count: i32;
}

/** Parts of a task's scratch, in bytes: a run, an axis each for rows and columns, the sink of `fetchRow`, zeros, the packed kernel. */
const ROWS: usize = 128;
const COLUMNS: usize = 160;
const SINK: usize = 188;
const ZEROS: usize = 192;
const KERNEL: usize = 256;

/**
 * Depthwise convolution: y(i, j, k) = clip(bias(k) + sum over a, e of x(stride i + dilation a + startY, stride j + dilation e + startX, k)
 * kernel(a, e, k)), where clip is min(max(., low), high) and taps beyond x are left out. x (h, w, c) and y (outH, outW, c) are views; y is
 * overwritten, or added to before it is clipped where `accumulate` says so. The sum begins with the bias and goes by tap rows, then
 * tap columns, wherever the point lies. Task = (rows of y, channels).
 *
 * GB/s read and written, as a share of a plain copy's (25 GB/s), one thread of a Zen 4, plain / relaxed, bench/depthwise.js: 224x224x144, which no
 * cache holds, 3x3 .33 / .33, by twos .48 / .46, 5x5 .17 / .19, 7x7 .09 / .11; 112x112x96 .40 / .42, .61 / .68, .19 / .21, .10 / .12. Two
 * 128-bit multiply-adds a cycle would allow .40 for 5x5 in the best of cases; what V8 makes of these loops does 1.1 to 1.5.
 */
export function depthwise(args: DepthwiseArgs, task: i32, scratch: usize): void {
  const rows = changetype<DepthwiseAxis>(scratch + ROWS);
  const columns = changetype<DepthwiseAxis>(scratch + COLUMNS);
  axis.forward(rows, args, args.h, args.startY, args.rows);
  axis.forward(columns, args, args.w, args.startX, args.columns);
  compute(args, rows, columns, 0, 0, 1, task, scratch);
}

/**
 * The gradient of `depthwise` at its input, without clip and bias: y(r, s, k) = sum of x(i, j, k) kernel(a, e, k) over all points (i, j) and
 * taps (a, e) that see (r, s), in the order of the points' rows, then columns. Here x is dy, y is dx: overwritten, or added to. Task =
 * (residues of row and column modulo the stride, rows of these, channels).
 */
export function depthwiseInputGradient(args: DepthwiseArgs, task: i32, scratch: usize): void {
  const s = args.stride;
  const rows = changetype<DepthwiseAxis>(scratch + ROWS);
  const columns = changetype<DepthwiseAxis>(scratch + COLUMNS);
  const row = task % s;
  const column = (task / s) % s;
  if (row >= args.outH || column >= args.outW) return;
  axis.adjoint(rows, args, row, args.h, args.startY, args.rows);
  axis.adjoint(columns, args, column, args.w, args.startX, args.columns);
  compute(args, rows, columns, row, column, s, task / s / s, scratch);
}

/** The rows row, row + step, .. of y, and of these the columns column, column + step, .. */
function compute(
  args: DepthwiseArgs,
  rows: DepthwiseAxis,
  columns: DepthwiseAxis,
  row: i32,
  column: i32,
  step: i32,
  task: i32,
  scratch: usize,
): void {
  const groups = ceilDiv(args.c, args.channels);
  const k = (task % groups) * args.channels;
  // Rows whose windows overlap follow each other.
  const period = rows.dilation / gcd(rows.dilation, rows.stride);
  const height = ceilDiv(args.outH - row, step);
  const ranges = ceilDiv(ceilDiv(height, period), args.each);
  const residue = task / groups / ranges;
  if (residue >= period) return; // a residue modulo the stride with fewer rows has fewer tasks
  const first = ((task / groups) % ranges) * args.each;
  const last = min(ceilDiv(height - residue, period), first + args.each);

  const run = changetype<Run>(scratch);
  run.c = min(args.channels, args.c - k);
  run.low = args.low;
  run.high = args.high;
  run.seedMask = args.accumulate !== 0 || args.bias !== 0 ? <usize>-1 : 0;
  memory.fill(scratch + ZEROS, 0, 64);
  packKernel(args, rows, columns, k, run.c, scratch + KERNEL);
  run.kernelGroup = 4 * <usize>(CHANNEL_GROUP * rows.count * columns.count);
  run.xRow = 4 * <usize>(rows.dilation * args.xRow);
  run.xPix = 4 * <usize>(columns.dilation * args.xPix);
  run.xStep = 4 * <usize>(columns.stride * args.xPix);
  run.yStep = 4 * <usize>(step * args.yPix);
  run.seedStep = args.accumulate ? run.yStep : 0;
  const d = rows.dilation;
  const pix: usize = 4 * <usize>args.xPix;
  const bytes: usize = 4 * <usize>run.c;
  const points = ceilDiv(args.outW - column, step);
  let next = 0;
  for (let n = first; n < last; n++) {
    const i = residue + period * n;
    const top = rows.stride * i + rows.start;
    const a = axis.begin(rows, top);
    const end = axis.end(rows, top);
    for (let m = a; m < end; m++) {
      const r = top + d * m;
      if (r < next) continue;
      fetchRow(args.x + 4 * <usize>(r * args.xRow + k), pix, args.w, bytes, scratch + SINK);
      next = r + 1;
    }
    const y = args.y + 4 * <usize>((row + step * i) * args.yRow + column * args.yPix + k);
    run.rows = max(0, end - a);
    const x = args.x + 4 * <usize>((top + d * a) * args.xRow + k);
    const seed = args.accumulate ? y : args.bias ? args.bias + 4 * <usize>k : scratch + ZEROS;
    const kernel = scratch + KERNEL + 4 * <usize>(CHANNEL_GROUP * a * columns.count);
    computeRow(run, columns, x, pix, kernel, seed, y, points);
  }
}

function computeRow(
  run: Run,
  columns: DepthwiseAxis,
  x: usize,
  pix: usize,
  kernel: usize,
  seed: usize,
  y: usize,
  points: i32,
): void {
  // Points whose windows lie inside from side to side.
  const inner = min(points, ceilDiv(max(0, -columns.start), columns.stride));
  const space = columns.size - 1 - columns.dilation * (columns.count - 1) - columns.start;
  const outer = max(inner, min(points, space < 0 ? 0 : space / columns.stride + 1));
  for (let from = 0, to = 1; from < points; from = to, to++) {
    if (from === inner && outer > inner) to = outer;
    const left = columns.stride * from + columns.start;
    const e = axis.begin(columns, left);
    run.columns = max(0, axis.end(columns, left) - e);
    run.x = x + <usize>(left + columns.dilation * e) * pix;
    run.kernel = kernel + 4 * <usize>(CHANNEL_GROUP * e);
    run.kernelSkip = 4 * <usize>(CHANNEL_GROUP * (columns.count - run.columns));
    run.y = y + <usize>from * run.yStep;
    run.seed = seed + <usize>from * run.seedStep;
    run.points = to - from;
    computeRun(run);
  }
}

class axis {
  static forward(axis: DepthwiseAxis, args: DepthwiseArgs, size: i32, start: i32, taps: i32): void {
    axis.size = size;
    axis.start = start;
    axis.stride = args.stride;
    axis.dilation = args.dilation;
    axis.first = 0;
    axis.step = 1;
    axis.count = taps;
  }

  /** Tap a of point i of dy lies on residue + stride n = stride i + dilation a + start: every (stride / g)-th tap, from the last one to the first. */
  static adjoint(axis: DepthwiseAxis, args: DepthwiseArgs, residue: i32, size: i32, start: i32, taps: i32): void {
    const g = gcd(args.stride, args.dilation);
    const step = args.stride / g;
    let tap = 0;
    while (tap < step && (residue - start - args.dilation * tap) % args.stride !== 0) tap++;
    axis.size = size;
    axis.count = tap < step ? max(0, ceilDiv(taps - tap, step)) : 0;
    axis.first = tap + step * (axis.count - 1);
    axis.step = -step;
    axis.start = axis.count > 0 ? (residue - start - args.dilation * axis.first) / args.stride : 0;
    axis.stride = 1;
    axis.dilation = args.dilation / g;
  }

  /** The first m that lies in x, for a window that begins at `at`. */
  @inline
  static begin(axis: DepthwiseAxis, at: i32): i32 {
    return at < 0 ? ceilDiv(-at, axis.dilation) : 0;
  }

  /** Behind the last m that lies in x; it may lie before the first one. */
  @inline
  static end(axis: DepthwiseAxis, at: i32): i32 {
    return at < axis.size ? min(axis.count, ceilDiv(axis.size - at, axis.dilation)) : 0;
  }
}

/** packed [c / 8][rows][columns][8] = the taps of both axes for channels k .. k + c - 1, filled up with zeros. */
function packKernel(args: DepthwiseArgs, rows: DepthwiseAxis, columns: DepthwiseAxis, k: i32, c: i32, to: usize): void {
  for (let group = 0; group < c; group += CHANNEL_GROUP) {
    const lanes = min(CHANNEL_GROUP, c - group);
    for (let a = 0; a < rows.count; a++) {
      for (let e = 0; e < columns.count; e++) {
        const tap = (rows.first + a * rows.step) * args.columns + columns.first + e * columns.step;
        const from = args.kernel + 4 * <usize>(tap * args.c + k + group);
        v128.store(to, simd.loadLanes(from, lanes));
        v128.store(to, lanes > 4 ? simd.loadLanes(from + 16, lanes - 4) : f32x4.splat(0), 16);
        to += 4 * CHANNEL_GROUP;
      }
    }
  }
}
