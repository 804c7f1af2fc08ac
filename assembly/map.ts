import { simd } from './simd';

/**
 * Sums, products and copies of maps, number by number. Strides are in floats, all maps are views, a task is a range of
 * rows.
 */
@unmanaged
class CombineArgs {
  a: usize;
  aRow: i32;
  aPix: i32;
  b: usize;
  bRow: i32;
  bPix: i32;
  y: usize;
  yRow: i32;
  yPix: i32;
  h: i32;
  w: i32;
  c: i32;
  /** 0: b is as large as a. Else b is a map of rate x rate vectors: a(i, j) meets b(i mod rate, j mod rate). */
  rate: i32;
  /** What is written is held between these, NaN excepted. */
  low: f32;
  high: f32;
  /** 0: y is overwritten. */
  accumulate: i32;
  /** Rows that a task computes. */
  rows: i32;
}

/** y (h, w, c) = or += clip(a + b). y may be a, or where rate is 0 b. */
export function addMaps(args: CombineArgs, task: i32, _scratch: usize): void {
  combine.rows(false, args, task);
}

/** y (h, w, c) = or += clip(a b). y may be a, or where rate is 0 b. */
export function multiplyMaps(args: CombineArgs, task: i32, _scratch: usize): void {
  combine.rows(true, args, task);
}

class combine {
  @inline
  static rows(product: bool, args: CombineArgs, task: i32): void {
    const last = min(args.h, (task + 1) * args.rows);
    const c = args.c;
    const rate = args.rate;
    const dense = rate === 0 && args.aPix === c && args.bPix === c && args.yPix === c;
    const n = dense ? args.w * c : c;
    const pixels = dense ? 1 : args.w;
    for (let i = task * args.rows; i < last; i++) {
      const b = args.b + 4 * <usize>((rate ? i % rate : i) * args.bRow);
      let a = args.a + 4 * <usize>(i * args.aRow);
      let y = args.y + 4 * <usize>(i * args.yRow);
      for (let j = 0; j < pixels; j++) {
        combine.run(product, args, a, b + 4 * <usize>((rate ? j % rate : j) * args.bPix), y, n);
        a += 4 * <usize>args.aPix;
        y += 4 * <usize>args.yPix;
      }
    }
  }

  /** n numbers that lie side by side. */
  @inline
  private static run(product: bool, args: CombineArgs, a: usize, b: usize, y: usize, n: i32): void {
    const low = f32x4.splat(args.low);
    const high = f32x4.splat(args.high);
    for (; n > 0; n -= 4) {
      const left = simd.loadLanes(a, n);
      const right = simd.loadLanes(b, n);
      const v = simd.clip(product ? f32x4.mul(left, right) : f32x4.add(left, right), low, high);
      simd.storeLanes(y, args.accumulate ? f32x4.add(simd.loadLanes(y, n), v) : v, n);
      a += 16;
      b += 16;
      y += 16;
    }
  }
}

@unmanaged
class AffineArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  y: usize;
  yRow: i32;
  yPix: i32;
  h: i32;
  w: i32;
  c: i32;
  /** (c) each. */
  scale: usize;
  shift: usize;
  low: f32;
  high: f32;
  rows: i32;
}

/** y (h, w, c) = clip(scale x + shift), by channel. y is overwritten and may be x. */
export function affine(args: AffineArgs, task: i32, _scratch: usize): void {
  const last = min(args.h, (task + 1) * args.rows);
  const low = f32x4.splat(args.low);
  const high = f32x4.splat(args.high);
  for (let i = task * args.rows; i < last; i++) {
    for (let j = 0; j < args.w; j++) {
      let x = args.x + 4 * <usize>(i * args.xRow + j * args.xPix);
      let y = args.y + 4 * <usize>(i * args.yRow + j * args.yPix);
      let scale = args.scale;
      let shift = args.shift;
      for (let n = args.c; n > 0; n -= 4) {
        const v = simd.madd(simd.loadLanes(x, n), simd.loadLanes(scale, n), simd.loadLanes(shift, n));
        simd.storeLanes(y, simd.clip(v, low, high), n);
        x += 16;
        y += 16;
        scale += 16;
        shift += 16;
      }
    }
  }
}

@unmanaged
class CopyArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  y: usize;
  yRow: i32;
  yPix: i32;
  h: i32;
  w: i32;
  c: i32;
  /** 0: y is overwritten. */
  accumulate: i32;
  rows: i32;
}

/** y (h, w, c) = or += x. */
export function copyMap(args: CopyArgs, task: i32, _scratch: usize): void {
  const last = min(args.h, (task + 1) * args.rows);
  const c = args.c;
  const dense = args.xPix === c && args.yPix === c;
  const pixels = dense ? 1 : args.w;
  for (let i = task * args.rows; i < last; i++) {
    for (let j = 0; j < pixels; j++) {
      let x = args.x + 4 * <usize>(i * args.xRow + j * args.xPix);
      let y = args.y + 4 * <usize>(i * args.yRow + j * args.yPix);
      for (let n = dense ? args.w * c : c; n > 0; n -= 4) {
        const v = simd.loadLanes(x, n);
        simd.storeLanes(y, args.accumulate ? f32x4.add(simd.loadLanes(y, n), v) : v, n);
        x += 16;
        y += 16;
      }
    }
  }
}
