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
  /** Tap rows of a task. */
  each: i32;
}

/** Channels of a task of depthwiseWeightGradient: a cache line. */
export const GRADIENT_CHANNELS: i32 = 16;

/**
 * The gradients of `depthwise` at its weights, from dy before the clip: dkernel(a, e, k) = sum over (i, j) of dy(i, j, k) times what tap
 * (a, e) of point (i, j) sees of x; dbias(k) = sum of dy. x (h, w, c) and dy (.., outW, c) are views. Every sum goes row by row, then over
 * the rows. Task = (16 channels, tap rows); the tasks of the first tap rows have the bias too.
 */
export function depthwiseWeightGradient(args: DepthwiseWeightGradientArgs, task: i32, _scratch: usize): void {
  const parts = ceilDiv(args.rows, args.each);
  const k = (task / parts) * GRADIENT_CHANNELS;
  const channels = min(GRADIENT_CHANNELS, args.c - k);
  const begin = (task % parts) * args.each;
  const end = min(args.rows, begin + args.each);
  const dkernel = args.dkernel + 4 * <usize>k;
  const dbias = args.dbias + 4 * <usize>k;
  const pix: usize = 4 * <usize>args.dyPix;
  if (args.accumulate === 0) {
    for (let tap = begin * args.columns; tap < end * args.columns; tap++)
      memory.fill(dkernel + 4 * <usize>(tap * args.c), 0, 4 * <usize>channels);
    if (begin === 0) memory.fill(dbias, 0, 4 * <usize>channels);
  }
  for (let i = args.first; i < args.last; i++) {
    const dy = args.dy + 4 * <usize>(i * args.dyRow + k);
    if (begin === 0) addSum(dy, pix, args.outW, channels, dbias);
    for (let a = begin; a < end; a++) {
      const r = args.stride * i + args.dilation * a + args.startY;
      if (<u32>r >= <u32>args.h) continue;
      for (let e = 0; e < args.columns; e++) {
        // Points of the row whose tap lies in x.
        const left = args.dilation * e + args.startX;
        const from = left < 0 ? ceilDiv(-left, args.stride) : 0;
        const n = min(args.outW, left < args.w ? (args.w - 1 - left) / args.stride + 1 : 0) - from;
        const x = args.x + 4 * <usize>(r * args.xRow + (args.stride * from + left) * args.xPix + k);
        const to = dkernel + 4 * <usize>((a * args.columns + e) * args.c);
        addProduct(x, 4 * <usize>(args.stride * args.xPix), dy + <usize>from * pix, pix, n, channels, to);
      }
    }
  }
}

/** to (channels) += the sum of n pixels of x times those of dy, a given number of bytes apart. */
function addProduct(x: usize, xStep: usize, dy: usize, dyStep: usize, n: i32, channels: i32, to: usize): void {
  if (channels < GRADIENT_CHANNELS) {
    for (let k = 0; k < channels; k += 4) {
      const at: usize = 4 * <usize>k;
      addLanes(x + at, xStep, dy + at, dyStep, n, min(4, channels - k), to + at);
    }
    return;
  }
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
