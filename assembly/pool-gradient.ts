import { taps } from './pool';
import { simd } from './simd';
import { ceilDiv, gcd } from './tile';

/** Strides are in floats. */
@unmanaged
class PoolGradientArgs {
  /** Only for the largest. */
  x: usize;
  xRow: i32;
  xPix: i32;
  /** Rows and columns of x and dx. */
  h: i32;
  w: i32;
  c: i32;
  dy: usize;
  dyRow: i32;
  dyPix: i32;
  outH: i32;
  outW: i32;
  dx: usize;
  dxRow: i32;
  dxPix: i32;
  rows: i32;
  columns: i32;
  stride: i32;
  dilation: i32;
  startY: i32;
  startX: i32;
  /** As in `pool`. */
  mean: i32;
  zeros: i32;
  /** 0: dx is overwritten, else added to. */
  accumulate: i32;
  /** Rows of dx of one residue modulo the dilation, and channels (a multiple of 16) that a task computes. */
  each: i32;
  channels: i32;
}

/** One window and what of it a task computes. Strides in bytes. */
@unmanaged
class Share {
  /** What the first tap that exists sees. */
  x: usize;
  xRow: usize;
  xPix: usize;
  dx: usize;
  dxRow: usize;
  dxPix: usize;
  dy: usize;
  c: i32;
  /** Taps that exist: rows a0 .. a1 - 1, columns e0 .. e1 - 1. */
  a0: i32;
  a1: i32;
  e0: i32;
  e1: i32;
  /** Tap rows from begin to before end lie on rows of this task. */
  begin: i32;
  end: i32;
  /** From the number of a tap to that of the one below it: taps are numbered in row order. */
  columns: i32;
  /** The number of the first tap that sees a zero beyond x; -1 where none does. */
  zero: i32;
  /** What a mean divides by. */
  count: i32;
}

/**
 * dx (h, w, c) = the gradient of `pool`. Of the largest: each dy(i, j, k) goes to the first of the largest that its window sees in row order
 * (the first NaN where there is one), and is lost where that is a zero beyond x. Of the mean: all taps that exist get the same share.
 * Overlapping windows add up, in row order too. x (h, w, c), dy (outH, outW, c) and dx are views.
 *
 * Task = (rows of dx, channels). A window that reaches into the rows of two tasks is looked at by both. Tasks of 16 channels of all rows
 * needed nothing twice, but read a cache line of each pixel, which memory gives four times as slowly.
 */
export function poolBackward(args: PoolGradientArgs, task: i32, scratch: usize): void {
  const d = args.dilation;
  const groups = ceilDiv(args.c, args.channels);
  const k = (task % groups) * args.channels;
  const ranges = ceilDiv(ceilDiv(args.h, d), args.each);
  const residue = task / groups / ranges;
  // Point m of this residue is row residue + dilation m.
  const first = ((task / groups) % ranges) * args.each;
  const last = min(ceilDiv(args.h - residue, d), first + args.each);
  const share = changetype<Share>(scratch);
  share.c = min(args.channels, args.c - k);
  share.columns = args.columns;
  share.xRow = 4 * <usize>(d * args.xRow);
  share.xPix = 4 * <usize>(d * args.xPix);
  share.dxRow = 4 * <usize>(d * args.dxRow);
  share.dxPix = 4 * <usize>(d * args.dxPix);
  if (!args.accumulate) for (let m = first; m < last; m++) clearRow(args, residue + d * m, k, share.c);
  // Windows begin on this residue every period-th row of dy.
  const period = d / gcd(args.stride, d);
  let i = 0;
  while (i < period && (args.stride * i + args.startY - residue) % d !== 0) i++;
  if (i === period) return;
  for (; i < args.outH; i += period) {
    const top = args.stride * i + args.startY;
    const m = (top - residue) / d;
    if (m >= last) break;
    share.a0 = taps.begin(top, d);
    share.a1 = taps.end(top, d, args.rows, args.h);
    share.begin = max(share.a0, first - m);
    share.end = min(share.a1, last - m);
    if (share.begin >= share.end) continue;
    for (let j = 0; j < args.outW; j++) {
      const left = args.stride * j + args.startX;
      share.e0 = taps.begin(left, d);
      share.e1 = taps.end(left, d, args.columns, args.w);
      if (share.e0 >= share.e1) continue;
      const row = top + d * share.a0;
      const column = left + d * share.e0;
      share.x = args.x + 4 * <usize>(row * args.xRow + column * args.xPix + k);
      share.dx = args.dx + 4 * <usize>((top + d * share.begin) * args.dxRow + column * args.dxPix + k);
      share.dy = args.dy + 4 * <usize>(i * args.dyRow + j * args.dyPix + k);
      if (args.mean) shareOut(args, share);
      else giveToLargest(args, share);
    }
  }
}

/** Zeros of c channels from k on of a row of dx. Not by memory.fill, which is a call into the engine for each pixel. */
function clearRow(args: PoolGradientArgs, row: i32, k: i32, c: i32): void {
  const zero = f32x4.splat(0);
  let dx = args.dx + 4 * <usize>(row * args.dxRow + k);
  for (let j = args.w; j > 0; j--) {
    let to = dx;
    for (let left = c; left > 0; left -= 4) {
      simd.storeLanes(to, zero, left);
      to += 16;
    }
    dx += 4 * <usize>args.dxPix;
  }
}

function giveToLargest(args: PoolGradientArgs, share: Share): void {
  const whole = share.a1 - share.a0 === args.rows && share.e1 - share.e0 === args.columns;
  if (whole || !args.zeros) share.zero = -1;
  else if (share.a0 > 0 || share.e0 > 0) share.zero = 0;
  else share.zero = share.e1 < args.columns ? share.e1 : share.a1 * args.columns;
  let k = 0;
  for (; k + 4 <= share.c; k += 4) channels.giveToLargest(share, k, 4);
  if (k < share.c) channels.giveToLargest(share, k, share.c - k);
}

function shareOut(args: PoolGradientArgs, share: Share): void {
  share.count = args.zeros ? args.rows * args.columns : (share.a1 - share.a0) * (share.e1 - share.e0);
  let k = 0;
  for (; k + 4 <= share.c; k += 4) channels.shareOut(share, k, 4);
  if (k < share.c) channels.shareOut(share, k, share.c - k);
}

/** Up to four channels of a window, from k on. Inlined, so that `lanes` = 4 leaves no trace of the other cases. */
class channels {
  /** Two walks over the taps: the first finds the largest's number, the second compares numbers. */
  @inline
  static giveToLargest(share: Share, k: i32, lanes: i32): void {
    const at: usize = 4 * <usize>k;
    const across = <usize>(share.e1 - share.e0);
    let most = f32x4.splat(-Infinity);
    let winner = i32x4.splat(share.a0 * share.columns + share.e0);
    let row = share.x + at;
    for (let a = share.a0; a < share.a1; a++) {
      let number = a * share.columns + share.e0;
      for (let x = row; x !== row + across * share.xPix; x += share.xPix) {
        const value = simd.loadLanes(x, lanes);
        const firstNaN = v128.and(f32x4.ne(value, value), f32x4.eq(most, most));
        const better = v128.or(f32x4.gt(value, most), firstNaN);
        most = v128.bitselect(value, most, better);
        winner = v128.bitselect(i32x4.splat(number++), winner, better);
      }
      row += share.xRow;
    }
    let passed = simd.loadLanes(share.dy + at, lanes);
    if (share.zero >= 0) {
      // As large as the taps behind it, the first zero keeps them from winning.
      const sooner = v128.and(f32x4.eq(most, f32x4.splat(0)), i32x4.gt_s(winner, i32x4.splat(share.zero)));
      passed = v128.andnot(passed, v128.or(f32x4.lt(most, f32x4.splat(0)), sooner));
    }
    row = share.dx + at;
    for (let a = share.begin; a < share.end; a++) {
      let number = a * share.columns + share.e0;
      for (let dx = row; dx !== row + across * share.dxPix; dx += share.dxPix) {
        const part = v128.and(passed, i32x4.eq(winner, i32x4.splat(number++)));
        simd.storeLanes(dx, f32x4.add(simd.loadLanes(dx, lanes), part), lanes);
      }
      row += share.dxRow;
    }
  }

  @inline
  static shareOut(share: Share, k: i32, lanes: i32): void {
    const at: usize = 4 * <usize>k;
    const across = <usize>(share.e1 - share.e0);
    const part = f32x4.div(simd.loadLanes(share.dy + at, lanes), f32x4.splat(<f32>share.count));
    let row = share.dx + at;
    for (let a = share.begin; a < share.end; a++) {
      for (let dx = row; dx !== row + across * share.dxPix; dx += share.dxPix)
        simd.storeLanes(dx, f32x4.add(simd.loadLanes(dx, lanes), part), lanes);
      row += share.dxRow;
    }
  }
}
