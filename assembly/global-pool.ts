import { simd } from './simd';
import { ceilDiv } from './tile';

/** Strides are in floats. */
@unmanaged
class GlobalArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  /** Rows and columns of x and dx. */
  h: i32;
  w: i32;
  c: i32;
  /** y, or dy. */
  y: usize;
  yRow: i32;
  yPix: i32;
  /** Only for the gradient. */
  dx: usize;
  dxRow: i32;
  dxPix: i32;
  rate: i32;
  /** Whether to take the mean; else the largest. */
  mean: i32;
  /** 0: dx is overwritten, else added to. */
  accumulate: i32;
  /** Points of y in row order and channels (a multiple of 16) that a task computes. */
  points: i32;
  channels: i32;
}

/** Pixels of x whose row and column are those of one point of y modulo the rate; strides in bytes. */
@unmanaged
class Pixels {
  x: usize;
  dx: usize;
  y: usize;
  h: i32;
  w: i32;
  c: i32;
}

/** Bytes of Pixels in a task's scratch. */
const HEAD: usize = 64;

/**
 * y (rate, rate, c): y(q, p, k) = the largest or the mean of x(i rate + q, j rate + p, k) over all i, j; 0 where there are none. x (h, w, c) and
 * y are views; y is overwritten. Means are summed in float64, row by row. Task = (points of y, channels).
 */
export function globalPool(args: GlobalArgs, task: i32, scratch: usize): void {
  const pixels = changetype<Pixels>(scratch);
  const groups = ceilDiv(args.c, args.channels);
  const last = min(args.rate * args.rate, (task / groups + 1) * args.points);
  for (let n = (task / groups) * args.points; n < last; n++) {
    place(args, n, (task % groups) * args.channels, pixels);
    if (pixels.h <= 0 || pixels.w <= 0) memory.fill(pixels.y, 0, 4 * <usize>pixels.c);
    else if (args.mean) mean(args, pixels, scratch + HEAD);
    else largest(args, pixels);
  }
}

/**
 * dx (h, w, c) = the gradient of globalPool, from y = dy (rate, rate, c): for the mean an equal share for all, for the largest all to the first
 * of them in row order (the first NaN where there is one). Task as there.
 */
export function globalPoolBackward(args: GlobalArgs, task: i32, scratch: usize): void {
  const pixels = changetype<Pixels>(scratch);
  const groups = ceilDiv(args.c, args.channels);
  const last = min(args.rate * args.rate, (task / groups + 1) * args.points);
  for (let n = (task / groups) * args.points; n < last; n++) {
    place(args, n, (task % groups) * args.channels, pixels);
    if (pixels.h <= 0 || pixels.w <= 0) continue;
    if (args.mean) shareOut(args, pixels);
    else giveToLargest(args, pixels, scratch + HEAD);
  }
}

/** The pixels of point n and of channels from k on. */
function place(args: GlobalArgs, n: i32, k: i32, pixels: Pixels): void {
  const q = n / args.rate;
  const p = n % args.rate;
  pixels.x = args.x + 4 * <usize>(q * args.xRow + p * args.xPix + k);
  pixels.dx = args.dx + 4 * <usize>(q * args.dxRow + p * args.dxPix + k);
  pixels.y = args.y + 4 * <usize>(q * args.yRow + p * args.yPix + k);
  pixels.h = ceilDiv(args.h - q, args.rate);
  pixels.w = ceilDiv(args.w - p, args.rate);
  pixels.c = min(args.channels, args.c - k);
}

/** y = the mean of the pixels. sums: float64 of each channel */
function mean(args: GlobalArgs, pixels: Pixels, sums: usize): void {
  const pix: usize = 4 * <usize>(args.rate * args.xPix);
  const c = pixels.c;
  memory.fill(sums, 0, 8 * <usize>(ceilDiv(c, 4) * 4));
  for (let i = 0; i < pixels.h; i++) {
    let x = pixels.x + 4 * <usize>(i * args.rate * args.xRow);
    let left = pixels.w;
    // Four pixels at a time: sums are loaded and stored less often.
    for (; left >= 4; left -= 4) {
      for (let k = 0; k < c; k += 4) {
        const lanes = c - k;
        const to = sums + 8 * <usize>k;
        let p = x + 4 * <usize>k;
        let low = v128.load(to);
        let high = v128.load(to, 16);
        for (let end = p + 4 * pix; p !== end; p += pix) {
          const v = simd.loadLanes(p, lanes);
          low = f64x2.add(low, f64x2.promote_low_f32x4(v));
          high = f64x2.add(high, f64x2.promote_low_f32x4(simd.upper(v)));
        }
        v128.store(to, low);
        v128.store(to, high, 16);
      }
      x += 4 * pix;
    }
    for (; left > 0; left--) {
      for (let k = 0; k < c; k += 4) {
        const to = sums + 8 * <usize>k;
        const v = simd.loadLanes(x + 4 * <usize>k, c - k);
        v128.store(to, f64x2.add(v128.load(to), f64x2.promote_low_f32x4(v)));
        v128.store(to, f64x2.add(v128.load(to, 16), f64x2.promote_low_f32x4(simd.upper(v))), 16);
      }
      x += pix;
    }
  }
  const count = <f64>pixels.h * <f64>pixels.w;
  for (let k = 0; k < c; k++) store<f32>(pixels.y + 4 * <usize>k, <f32>(load<f64>(sums + 8 * <usize>k) / count));
}

/** y = the largest of the pixels */
function largest(args: GlobalArgs, pixels: Pixels): void {
  const pix: usize = 4 * <usize>(args.rate * args.xPix);
  const c = pixels.c;
  for (let k = 0; k < c; k++) store<f32>(pixels.y + 4 * <usize>k, -Infinity);
  for (let i = 0; i < pixels.h; i++) {
    let x = pixels.x + 4 * <usize>(i * args.rate * args.xRow);
    for (let left = pixels.w; left > 0; left -= 4) {
      const some: usize = <usize>min(4, left) * pix;
      for (let k = 0; k < c; k += 4) {
        const y = pixels.y + 4 * <usize>k;
        let p = x + 4 * <usize>k;
        let m = simd.loadLanes(y, c - k);
        for (let end = p + some; p !== end; p += pix) m = f32x4.max(m, simd.loadLanes(p, c - k));
        simd.storeLanes(y, m, c - k);
      }
      x += some;
    }
  }
}

/** Each pixel of dx = or += dy over their number. */
function shareOut(args: GlobalArgs, pixels: Pixels): void {
  const count = f32x4.splat(<f32>pixels.h * <f32>pixels.w);
  const c = pixels.c;
  for (let i = 0; i < pixels.h; i++) {
    let dx = pixels.dx + 4 * <usize>(i * args.rate * args.dxRow);
    for (let j = 0; j < pixels.w; j++) {
      for (let k = 0; k < c; k += 4) {
        const at: usize = 4 * <usize>k;
        const share = f32x4.div(simd.loadLanes(pixels.y + at, c - k), count);
        const before = args.accumulate ? simd.loadLanes(dx + at, c - k) : f32x4.splat(0);
        simd.storeLanes(dx + at, f32x4.add(before, share), c - k);
      }
      dx += 4 * <usize>(args.rate * args.dxPix);
    }
  }
}

/** dx = or += dy at the first of the largest pixels. state: the largest so far and its number for four channels, then for the next four .. */
function giveToLargest(args: GlobalArgs, pixels: Pixels, state: usize): void {
  const c = pixels.c;
  for (let k = 0; k < c; k += 4) {
    v128.store(state + 8 * <usize>k, f32x4.splat(-Infinity));
    v128.store(state + 8 * <usize>k, i32x4.splat(0), 16);
  }
  for (let i = 0; i < pixels.h; i++) {
    let x = pixels.x + 4 * <usize>(i * args.rate * args.xRow);
    let dx = pixels.dx + 4 * <usize>(i * args.rate * args.dxRow);
    for (let j = 0; j < pixels.w; j++) {
      const number = i32x4.splat(i * pixels.w + j);
      if (!args.accumulate) memory.fill(dx, 0, 4 * <usize>c);
      for (let k = 0; k < c; k += 4) {
        const at = state + 8 * <usize>k;
        const most = v128.load(at);
        const value = simd.loadLanes(x + 4 * <usize>k, c - k);
        const firstNaN = v128.and(f32x4.ne(value, value), f32x4.eq(most, most));
        const better = v128.or(f32x4.gt(value, most), firstNaN);
        v128.store(at, v128.bitselect(value, most, better));
        v128.store(at, v128.bitselect(number, v128.load(at, 16), better), 16);
      }
      x += 4 * <usize>(args.rate * args.xPix);
      dx += 4 * <usize>(args.rate * args.dxPix);
    }
  }
  for (let k = 0; k < c; k++) {
    const number = load<i32>(state + 8 * <usize>(k & ~3) + 16 + 4 * <usize>(k & 3));
    const to = args.rate * ((number / pixels.w) * args.dxRow + (number % pixels.w) * args.dxPix) + k;
    const dx = pixels.dx + 4 * <usize>to;
    store<f32>(dx, load<f32>(dx) + load<f32>(pixels.y + 4 * <usize>k));
  }
}
