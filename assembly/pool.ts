import { simd } from './simd';
import { ceilDiv, gcd } from './tile';

/** Strides are in floats. */
@unmanaged
class PoolArgs {
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
  /** Taps. */
  rows: i32;
  columns: i32;
  stride: i32;
  dilation: i32;
  startY: i32;
  startX: i32;
  /** Whether to take the mean; else the largest. */
  mean: i32;
  /** Whether windows see zeros beyond x; else they see nothing there. */
  zeros: i32;
  /** Rows that a task computes, of those whose windows overlap. */
  each: i32;
}

/**
 * y(i, j, k) = the largest or the mean of x(stride i + dilation a + startY, stride j + dilation e + startX, k) over a < rows, e < columns; 0
 * where a window sees nothing. x (h, w, c) and y (outH, outW, c) are views; y is overwritten. NaN stays. A mean is the sum of each row of
 * the window, of these rows, over the taps that exist, or over all taps where windows see zeros beyond x. Task = rows of y of one
 * residue modulo dilation / gcd(stride, dilation), whose windows overlap.
 */
export function pool(args: PoolArgs, task: i32, _scratch: usize): void {
  const period = args.dilation / gcd(args.stride, args.dilation);
  const ranges = ceilDiv(ceilDiv(args.outH, period), args.each);
  const residue = task / ranges;
  const first = (task % ranges) * args.each;
  const last = min(ceilDiv(args.outH - residue, period), first + args.each);
  for (let n = first; n < last; n++) poolRow(args, residue + period * n);
}

function poolRow(args: PoolArgs, i: i32): void {
  const d = args.dilation;
  const top = args.stride * i + args.startY;
  const a = taps.begin(top, d);
  const rows = taps.end(top, d, args.rows, args.h) - a;
  const xRow: usize = 4 * <usize>(d * args.xRow);
  const xPix: usize = 4 * <usize>(d * args.xPix);
  for (let j = 0; j < args.outW; j++) {
    const left = args.stride * j + args.startX;
    const e = taps.begin(left, d);
    const columns = taps.end(left, d, args.columns, args.w) - e;
    const y = args.y + 4 * <usize>(i * args.yRow + j * args.yPix);
    if (rows <= 0 || columns <= 0) {
      memory.fill(y, 0, 4 * <usize>args.c);
      continue;
    }
    const x = args.x + 4 * <usize>((top + d * a) * args.xRow + (left + d * e) * args.xPix);
    const exist = rows * columns;
    const all = args.rows * args.columns;
    if (args.mean) mean(x, xRow, xPix, rows, columns, f32x4.splat(<f32>(args.zeros ? all : exist)), y, args.c);
    else largest(x, xRow, xPix, rows, columns, f32x4.splat(args.zeros && exist < all ? 0 : -Infinity), y, args.c);
  }
}

/**
 * y (c) = the largest of `least` and the pixels of a window, given as its first pixel and the bytes between pixels: of equals (0 and -0) the
 * first. f32x4.max would keep NaN by itself, but takes seven instructions where one for the largest and two to look for NaN do:
 * 3x3 by twos took 1.8 times as long.
 */
function largest(x: usize, xRow: usize, xPix: usize, rows: i32, columns: i32, least: v128, y: usize, c: i32): void {
  const bottom = <usize>rows * xRow;
  const right = <usize>columns * xPix;
  const none = f32x4.splat(0); // all ones, a NaN, where one was seen
  for (; c >= 16; c -= 16) {
    let m0 = least;
    let m1 = least;
    let m2 = least;
    let m3 = least;
    let n0 = none;
    let n1 = none;
    let n2 = none;
    let n3 = none;
    for (let row = x; row !== x + bottom; row += xRow) {
      for (let p = row; p !== row + right; p += xPix) {
        const v0 = v128.load(p);
        const v1 = v128.load(p, 16);
        const v2 = v128.load(p, 32);
        const v3 = v128.load(p, 48);
        m0 = f32x4.pmax(m0, v0);
        m1 = f32x4.pmax(m1, v1);
        m2 = f32x4.pmax(m2, v2);
        m3 = f32x4.pmax(m3, v3);
        n0 = v128.or(n0, f32x4.ne(v0, v0));
        n1 = v128.or(n1, f32x4.ne(v1, v1));
        n2 = v128.or(n2, f32x4.ne(v2, v2));
        n3 = v128.or(n3, f32x4.ne(v3, v3));
      }
    }
    v128.store(y, v128.or(m0, n0));
    v128.store(y, v128.or(m1, n1), 16);
    v128.store(y, v128.or(m2, n2), 32);
    v128.store(y, v128.or(m3, n3), 48);
    x += 64;
    y += 64;
  }
  for (; c > 0; c -= 4) {
    let m = least;
    let n = none;
    for (let row = x; row !== x + bottom; row += xRow) {
      for (let p = row; p !== row + right; p += xPix) {
        const v = simd.loadLanes(p, c);
        m = f32x4.pmax(m, v);
        n = v128.or(n, f32x4.ne(v, v));
      }
    }
    simd.storeLanes(y, v128.or(m, n), c);
    x += 16;
    y += 16;
  }
}

/** y (c) = the sum of the pixels of a window / count. */
function mean(x: usize, xRow: usize, xPix: usize, rows: i32, columns: i32, count: v128, y: usize, c: i32): void {
  const bottom = <usize>rows * xRow;
  const right = <usize>columns * xPix;
  for (; c >= 16; c -= 16) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    for (let row = x; row !== x + bottom; row += xRow) {
      let r0 = f32x4.splat(0);
      let r1 = f32x4.splat(0);
      let r2 = f32x4.splat(0);
      let r3 = f32x4.splat(0);
      for (let p = row; p !== row + right; p += xPix) {
        r0 = f32x4.add(r0, v128.load(p));
        r1 = f32x4.add(r1, v128.load(p, 16));
        r2 = f32x4.add(r2, v128.load(p, 32));
        r3 = f32x4.add(r3, v128.load(p, 48));
      }
      s0 = f32x4.add(s0, r0);
      s1 = f32x4.add(s1, r1);
      s2 = f32x4.add(s2, r2);
      s3 = f32x4.add(s3, r3);
    }
    v128.store(y, f32x4.div(s0, count));
    v128.store(y, f32x4.div(s1, count), 16);
    v128.store(y, f32x4.div(s2, count), 32);
    v128.store(y, f32x4.div(s3, count), 48);
    x += 64;
    y += 64;
  }
  for (; c > 0; c -= 4) {
    let sum = f32x4.splat(0);
    for (let row = x; row !== x + bottom; row += xRow) {
      let part = f32x4.splat(0);
      for (let p = row; p !== row + right; p += xPix) part = f32x4.add(part, simd.loadLanes(p, c));
      sum = f32x4.add(sum, part);
    }
    simd.storeLanes(y, f32x4.div(sum, count), c);
    x += 16;
    y += 16;
  }
}

/** The taps of a window along one axis that lie inside: it begins at point `at` of `size`, its `count` taps lie `d` apart. */
export class taps {
  /** The first. */
  @inline
  static begin(at: i32, d: i32): i32 {
    return at < 0 ? ceilDiv(-at, d) : 0;
  }

  /** Behind the last one; it may lie before the first. */
  @inline
  static end(at: i32, d: i32, count: i32, size: i32): i32 {
    if (at + d * (count - 1) < size) return count;
    return at < size ? ceilDiv(size - at, d) : 0;
  }
}
