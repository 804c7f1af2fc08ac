import { simd } from './simd';

/**
 * Layer normalization over the channels of each point: (x - mean) / sqrt(variance + epsilon) * scale + shift. All sums
 * and differences are in float64, in the order of the channels. Strides are in floats, maps are views, a task is a
 * range of rows.
 */
@unmanaged
class LayerNormArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  y: usize;
  yRow: i32;
  yPix: i32;
  h: i32;
  w: i32;
  c: i32;
  /** (c) each; 0: ones and zeros. */
  scale: usize;
  shift: usize;
  epsilon: f32;
  /** Rows that a task computes. */
  rows: i32;
}

/** y (h, w, c) = layer norm of x. y is overwritten and may be x. */
export function layerNorm(args: LayerNormArgs, task: i32, _scratch: usize): void {
  const last = min(args.h, (task + 1) * args.rows);
  for (let i = task * args.rows; i < last; i++) {
    for (let j = 0; j < args.w; j++) {
      const x = args.x + 4 * <usize>(i * args.xRow + j * args.xPix);
      const mean = meanOf(x, args.c);
      normalize(args, x, mean, inverseDeviation(x, args.c, mean, args.epsilon), i, j);
    }
  }
}

/** One point. */
function normalize(args: LayerNormArgs, x: usize, mean: f64, inverse: f64, i: i32, j: i32): void {
  let y = args.y + 4 * <usize>(i * args.yRow + j * args.yPix);
  let scale = args.scale;
  let shift = args.shift;
  for (let n = args.c; n > 0; n -= 4) {
    let v = wide.normalized(simd.loadLanes(x, n), mean, inverse);
    if (args.scale) v = f32x4.mul(v, simd.loadLanes(scale, n));
    if (args.shift) v = f32x4.add(v, simd.loadLanes(shift, n));
    simd.storeLanes(y, v, n);
    x += 16;
    y += 16;
    scale += 16;
    shift += 16;
  }
}

@unmanaged
class LayerNormBackwardArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  dy: usize;
  dyRow: i32;
  dyPix: i32;
  dx: usize;
  dxRow: i32;
  dxPix: i32;
  h: i32;
  w: i32;
  c: i32;
  /** (c); 0: ones. */
  scale: usize;
  epsilon: f32;
  /** 0: dx is overwritten. */
  accumulate: i32;
  rows: i32;
}

/**
 * dx (h, w, c) = or += (g - mean g - n mean(g n)) / deviation, with n the normalized x, x the layer norm's input, and g
 * = dy scale. dx may be dy.
 */
export function layerNormBackward(args: LayerNormBackwardArgs, task: i32, _scratch: usize): void {
  const last = min(args.h, (task + 1) * args.rows);
  for (let i = task * args.rows; i < last; i++) {
    for (let j = 0; j < args.w; j++) {
      const x = args.x + 4 * <usize>(i * args.xRow + j * args.xPix);
      const mean = meanOf(x, args.c);
      passBack(args, x, mean, inverseDeviation(x, args.c, mean, args.epsilon), i, j);
    }
  }
}

/** One point: two sums over its channels, then the gradient. */
function passBack(args: LayerNormBackwardArgs, x: usize, mean: f64, inverse: f64, i: i32, j: i32): void {
  const dy = args.dy + 4 * <usize>(i * args.dyRow + j * args.dyPix);
  const dx = args.dx + 4 * <usize>(i * args.dxRow + j * args.dxPix);
  let sum = f64x2.splat(0);
  let product = f64x2.splat(0);
  for (let k = 0; k < args.c; k += 4) {
    const g = wide.gradient(args, dy, k);
    const n = wide.normalized(simd.loadLanes(x + 4 * <usize>k, args.c - k), mean, inverse);
    sum = f64x2.add(sum, wide.halves(g));
    product = f64x2.add(product, wide.halves(f32x4.mul(g, n)));
  }
  const offset = f32x4.splat(<f32>(wide.total(sum) / <f64>args.c));
  const slope = f32x4.splat(<f32>(wide.total(product) / <f64>args.c));
  for (let k = 0; k < args.c; k += 4) {
    const n = wide.normalized(simd.loadLanes(x + 4 * <usize>k, args.c - k), mean, inverse);
    const rest = f32x4.sub(f32x4.sub(wide.gradient(args, dy, k), offset), f32x4.mul(n, slope));
    const v = f32x4.mul(rest, f32x4.splat(<f32>inverse));
    const to = dx + 4 * <usize>k;
    simd.storeLanes(to, args.accumulate ? f32x4.add(simd.loadLanes(to, args.c - k), v) : v, args.c - k);
  }
}

/** Mean of n numbers. */
function meanOf(x: usize, n: i32): f64 {
  let sum = f64x2.splat(0);
  for (let left = n; left > 0; left -= 4) {
    sum = f64x2.add(sum, wide.halves(simd.loadLanes(x, left)));
    x += 16;
  }
  return wide.total(sum) / <f64>n;
}

/** 1 / sqrt(variance + epsilon) of n numbers. */
function inverseDeviation(x: usize, n: i32, mean: f64, epsilon: f32): f64 {
  const centre = f64x2.splat(mean);
  let squares = f64x2.splat(0);
  for (let left = n; left > 0; left -= 4) {
    const v = simd.loadLanes(x, left);
    const low = f64x2.sub(f64x2.promote_low_f32x4(v), centre);
    const high = f64x2.sub(f64x2.promote_low_f32x4(simd.upper(v)), centre);
    squares = f64x2.add(squares, wide.first(f64x2.mul(low, low), left));
    squares = f64x2.add(squares, wide.first(f64x2.mul(high, high), left - 2));
    x += 16;
  }
  return 1 / sqrt(wide.total(squares) / <f64>n + <f64>epsilon);
}

/** Float64 in vectors of two, always inlined. */
class wide {
  /** (x0 + x2, x1 + x3) of four float32. */
  @inline
  static halves(v: v128): v128 {
    return f64x2.add(f64x2.promote_low_f32x4(v), f64x2.promote_low_f32x4(simd.upper(v)));
  }

  @inline
  static total(v: v128): f64 {
    return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
  }

  /** The first n of two numbers, zeros instead of the others. */
  @inline
  static first(v: v128, n: i32): v128 {
    return v128.and(v, i64x2.lt_s(i64x2(0, 1), i64x2.splat(<i64>n)));
  }

  /** (x - mean) inverse of four float32. */
  @inline
  static normalized(x: v128, mean: f64, inverse: f64): v128 {
    const centre = f64x2.splat(mean);
    const factor = f64x2.splat(inverse);
    const low = f64x2.mul(f64x2.sub(f64x2.promote_low_f32x4(x), centre), factor);
    const high = f64x2.mul(f64x2.sub(f64x2.promote_low_f32x4(simd.upper(x)), centre), factor);
    return v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
  }

  /** dy scale of up to four channels from k on, then zeros. */
  @inline
  static gradient(args: LayerNormBackwardArgs, dy: usize, k: i32): v128 {
    const v = simd.loadLanes(dy + 4 * <usize>k, args.c - k);
    return args.scale ? f32x4.mul(v, simd.loadLanes(args.scale + 4 * <usize>k, args.c - k)) : v;
  }
}
