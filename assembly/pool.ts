import { simd } from './simd';

/** Strides are in floats. */
@unmanaged
class MaxPoolArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  /** Rows and columns of x. */
  h: i32;
  w: i32;
  c: i32;
  y: usize;
  yRow: i32;
  yPix: i32;
  /** Rows and columns of y. */
  outH: i32;
  outW: i32;
  size: i32;
  stride: i32;
  dilation: i32;
  offsetY: i32;
  offsetX: i32;
  /** Rows of y that a task computes. */
  rows: i32;
}

/**
 * y(i, j, k) = max of x(offsetY + stride i + dilation a, offsetX + stride j + dilation b, k) over a, b in 0 .. size - 1, where what
 * lies beyond x counts as -inf. x (h, w, c) and y (outH, outW, c) are views; y is overwritten. Task = range of rows of y.
 * f32x4.max keeps NaN.
 */
export function maxPool(args: MaxPoolArgs, task: i32, _scratch: usize): void {
  const last = min(args.outH, (task + 1) * args.rows);
  for (let i = task * args.rows; i < last; i++) {
    for (let j = 0; j < args.outW; j++) {
      const y = args.y + 4 * <usize>(i * args.yRow + j * args.yPix);
      poolPixel(args, args.offsetY + args.stride * i, args.offsetX + args.stride * j, y);
    }
  }
}

/** All channels of the window whose first pixel is (top, left). */
function poolPixel(args: MaxPoolArgs, top: i32, left: i32, y: usize): void {
  const reach = args.dilation * (args.size - 1) + 1;
  const bottom = min(args.h, top + reach);
  const right = min(args.w, left + reach);
  let k = 0;
  for (; k + 4 <= args.c; k += 4) {
    v128.store(y, pool.largest(args, top, left, bottom, right, k, 4));
    y += 16;
  }
  const lanes = args.c - k;
  if (lanes > 0) simd.storeLanes(y, pool.largest(args, top, left, bottom, right, k, lanes), lanes);
}

@unmanaged
class MaxPoolBackwardArgs {
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
  size: i32;
  stride: i32;
  dilation: i32;
  offsetY: i32;
  offsetX: i32;
  /** 0: dx is overwritten. */
  accumulate: i32;
  /** Channels that a task computes, a multiple of 4. */
  channels: i32;
}

/**
 * dx (h, w, c) = the gradient of maxPool: each dy(i, j, k) goes to the first maximum of its window in row order (the first NaN where
 * there is one); overlapping windows add up, in row order too. x (h, w, c), dy (outH, outW, c), dx are views; dx is added to where
 * `accumulate` says so, else overwritten. Task = range of channels, so that no two tasks add to one element.
 */
export function maxPoolBackward(args: MaxPoolBackwardArgs, task: i32, _scratch: usize): void {
  const first = task * args.channels;
  const last = min(args.c, first + args.channels);
  if (!args.accumulate) clear(args, first, last);
  for (let i = 0; i < args.outH; i++) {
    const top = args.offsetY + args.stride * i;
    for (let j = 0; j < args.outW; j++) {
      const left = args.offsetX + args.stride * j;
      const dy = args.dy + 4 * <usize>(i * args.dyRow + j * args.dyPix);
      let k = first;
      for (; k + 4 <= last; k += 4) pool.passBack(args, top, left, k, dy, 4);
      if (k < last) pool.passBack(args, top, left, k, dy, last - k);
    }
  }
}

/** Zeros of channels first .. last - 1 of dx. */
function clear(args: MaxPoolBackwardArgs, first: i32, last: i32): void {
  for (let i = 0; i < args.h; i++) {
    let dx = args.dx + 4 * <usize>(i * args.dxRow + first);
    for (let j = 0; j < args.w; j++) {
      memory.fill(dx, 0, 4 * <usize>(last - first));
      dx += 4 * <usize>args.dxPix;
    }
  }
}

/** Up to four channels of one window; inlined, so that `lanes` = 4 leaves no trace of the other cases. */
class pool {
  /** Largest of channels k .. k + lanes - 1 of the pixels from (top, left) to before (bottom, right). */
  @inline
  static largest(args: MaxPoolArgs, top: i32, left: i32, bottom: i32, right: i32, k: i32, lanes: i32): v128 {
    const d = args.dilation;
    let most = f32x4.splat(-Infinity);
    for (let r = top; r < bottom; r += d) {
      let x = args.x + 4 * <usize>(r * args.xRow + left * args.xPix + k);
      for (let s = left; s < right; s += d) {
        most = f32x4.max(most, simd.loadLanes(x, lanes));
        x += 4 * <usize>(d * args.xPix);
      }
    }
    return most;
  }

  /** Adds dy of the window that begins at (top, left) to dx at its first maximum: two walks, of which the second compares positions. */
  @inline
  static passBack(args: MaxPoolBackwardArgs, top: i32, left: i32, k: i32, dy: usize, lanes: i32): void {
    const d = args.dilation;
    const reach = d * (args.size - 1) + 1;
    const bottom = min(args.h, top + reach);
    const right = min(args.w, left + reach);
    let most = f32x4.splat(-Infinity);
    let winner = i32x4.splat(0);
    let position = 0;
    for (let r = top; r < bottom; r += d) {
      let x = args.x + 4 * <usize>(r * args.xRow + left * args.xPix + k);
      for (let s = left; s < right; s += d) {
        const value = simd.loadLanes(x, lanes);
        const firstNaN = v128.and(f32x4.ne(value, value), f32x4.eq(most, most));
        const better = v128.or(f32x4.gt(value, most), firstNaN);
        most = v128.bitselect(value, most, better);
        winner = v128.bitselect(i32x4.splat(position++), winner, better);
        x += 4 * <usize>(d * args.xPix);
      }
    }
    const gradient = simd.loadLanes(dy + 4 * <usize>k, lanes);
    position = 0;
    for (let r = top; r < bottom; r += d) {
      let dx = args.dx + 4 * <usize>(r * args.dxRow + left * args.dxPix + k);
      for (let s = left; s < right; s += d) {
        const share = v128.and(gradient, i32x4.eq(winner, i32x4.splat(position++)));
        simd.storeLanes(dx, f32x4.add(simd.loadLanes(dx, lanes), share), lanes);
        dx += 4 * <usize>(d * args.dxPix);
      }
    }
  }
}
