import { fetchRow } from './fetch';
import { simd } from './simd';
import { ceilDiv } from './tile';

/** Strides are in floats. */
@unmanaged
class DepthwiseWeightGradientArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  /** Rows and columns of x. */
  h: i32;
  w: i32;
  dy: usize;
  dyRow: i32;
  dyPix: i32;
  outW: i32;
  c: i32;
  /** (rows, columns, c) */
  dkernel: usize;
  /** (c) */
  dbias: usize;
  rows: i32;
  columns: i32;
  stride: i32;
  dilation: i32;
  startY: i32;
  startX: i32;
  /** 0: dkernel and dbias are overwritten, else added to. */
  accumulate: i32;
  /** Rows of dy of this job. */
  first: i32;
  last: i32;
  /** Tap rows and channels (a multiple of 16) of a task. */
  each: i32;
  channels: i32;
}

/** Channels whose sums are kept in registers: a cache line. */
const LINE: i32 = 16;

/**
 * The gradients of `depthwise` at its weights, from dy before the clip: dkernel(a, e, k) = sum over (i, j) of dy(i, j, k) times what tap
 * (a, e) of point (i, j) sees of x; dbias(k) = sum of dy. x (h, w, c) and dy (.., outW, c) are views. Every sum goes row by row, then over
 * the rows. Task = (channels, tap rows); the tasks of the first tap rows have the bias too.
 */
export function depthwiseWeightGradient(args: DepthwiseWeightGradientArgs, task: i32, scratch: usize): void {
  const parts = ceilDiv(args.rows, args.each);
  const k = (task / parts) * args.channels;
  const channels = min(args.channels, args.c - k);
  const bytes: usize = 4 * <usize>channels;
  const begin = (task % parts) * args.each;
  const end = min(args.rows, begin + args.each);
  const dkernel = args.dkernel + 4 * <usize>k;
  const dbias = args.dbias + 4 * <usize>k;
  const pix: usize = 4 * <usize>args.dyPix;
  if (args.accumulate === 0) {
    for (let tap = begin * args.columns; tap < end * args.columns; tap++)
      memory.fill(dkernel + 4 * <usize>(tap * args.c), 0, bytes);
    if (begin === 0) memory.fill(dbias, 0, bytes);
  }
  for (let i = args.first; i < args.last; i++) {
    const dy = args.dy + 4 * <usize>(i * args.dyRow + k);
    fetchRow(dy, pix, args.outW, bytes, scratch);
    if (begin === 0) addSum(dy, pix, args.outW, channels, dbias);
    for (let a = begin; a < end; a++) {
      const r = args.stride * i + args.dilation * a + args.startY;
      if (<u32>r >= <u32>args.h) continue;
      const x = args.x + 4 * <usize>(r * args.xRow + k);
      fetchRow(x, 4 * <usize>args.xPix, args.w, bytes, scratch);
      addRow(args, x, dy, channels, dkernel + 4 * <usize>(a * args.columns * args.c));
    }
  }
}

/** to (columns, .., channels) += the sums of a row of dy times what each column of taps sees of a row of x. */
function addRow(args: DepthwiseWeightGradientArgs, x: usize, dy: usize, channels: i32, to: usize): void {
  const xStep: usize = 4 * <usize>(args.stride * args.xPix);
  const dyStep: usize = 4 * <usize>args.dyPix;
  for (let e = 0; e < args.columns; e++) {
    // Points of the row whose tap lies in x.
    const left = args.dilation * e + args.startX;
    const from = left < 0 ? ceilDiv(-left, args.stride) : 0;
    const n = min(args.outW, left < args.w ? (args.w - 1 - left) / args.stride + 1 : 0) - from;
    let p = x + 4 * <usize>((args.stride * from + left) * args.xPix);
    let q = dy + <usize>from * dyStep;
    let sums = to;
    let rest = channels;
    for (; rest >= LINE; rest -= LINE) {
      addLine(p, xStep, q, dyStep, n, sums);
      p += 4 * LINE;
      q += 4 * LINE;
      sums += 4 * LINE;
    }
    for (; rest > 0; rest -= 4) {
      addLanes(p, xStep, q, dyStep, n, rest, sums);
      p += 16;
      q += 16;
      sums += 16;
    }
    to += 4 * <usize>args.c;
  }
}

/** to (16) += the sum of n pixels of x times those of dy, a given number of bytes apart. */
function addLine(x: usize, xStep: usize, dy: usize, dyStep: usize, n: i32, to: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  for (; n > 0; n--) {
    s0 = simd.madd(v128.load(x), v128.load(dy), s0);
    s1 = simd.madd(v128.load(x, 16), v128.load(dy, 16), s1);
    s2 = simd.madd(v128.load(x, 32), v128.load(dy, 32), s2);
    s3 = simd.madd(v128.load(x, 48), v128.load(dy, 48), s3);
    x += xStep;
    dy += dyStep;
  }
  v128.store(to, f32x4.add(v128.load(to), s0));
  v128.store(to, f32x4.add(v128.load(to, 16), s1), 16);
  v128.store(to, f32x4.add(v128.load(to, 32), s2), 32);
  v128.store(to, f32x4.add(v128.load(to, 48), s3), 48);
}

/** The same for up to four channels. */
function addLanes(x: usize, xStep: usize, dy: usize, dyStep: usize, n: i32, lanes: i32, to: usize): void {
  let sum = f32x4.splat(0);
  for (; n > 0; n--) {
    sum = simd.madd(simd.loadLanes(x, lanes), simd.loadLanes(dy, lanes), sum);
    x += xStep;
    dy += dyStep;
  }
  simd.storeLanes(to, f32x4.add(simd.loadLanes(to, lanes), sum), lanes);
}

/** to (channels) += the sum of n pixels of dy. */
function addSum(dy: usize, step: usize, n: i32, channels: i32, to: usize): void {
  for (let k = 0; k < channels; k += 4) {
    const lanes = min(4, channels - k);
    let sum = f32x4.splat(0);
    let from = dy;
    for (let left = n; left > 0; left--) {
      sum = f32x4.add(sum, simd.loadLanes(from, lanes));
      from += step;
    }
    simd.storeLanes(to, f32x4.add(simd.loadLanes(to, lanes), sum), lanes);
    dy += 16;
    to += 16;
  }
}
