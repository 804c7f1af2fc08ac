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
  const d = args.dilation;
  const bottom = min(args.h, top + d * (args.size - 1) + 1);
  const right = min(args.w, left + d * (args.size - 1) + 1);
  for (let k = 0; k < args.c; k += 4) {
    const lanes = args.c - k;
    let most = f32x4.splat(-Infinity);
    for (let r = top; r < bottom; r += d) {
      let x = args.x + 4 * <usize>(r * args.xRow + left * args.xPix + k);
      for (let s = left; s < right; s += d) {
        most = f32x4.max(most, simd.loadLanes(x, lanes));
        x += 4 * <usize>(d * args.xPix);
      }
    }
    simd.storeLanes(y + 4 * <usize>k, most, lanes);
  }
}

@unmanaged
class MaxPoolBackwardArgs {
  x: usize;
  h: i32;
  w: i32;
  c: i32;
  dy: usize;
  outH: i32;
  outW: i32;
  dx: usize;
  size: i32;
  stride: i32;
  dilation: i32;
}

/**
 * dx(h, w, c) = the gradient of maxPool (without offset): each dy(i, j, k) goes to the first maximum of its window in row order
 * (a NaN counts as a maximum); overlapping windows add up. x (h, w, c), dy (outH, outW, c), dx are dense; dx is overwritten.
 * Task = channel, so that no two tasks add to one element.
 */
export function maxPoolBackward(args: MaxPoolBackwardArgs, task: i32, _scratch: usize): void {
  const c = args.c;
  const d = args.dilation;
  for (let i = 0; i < args.h * args.w; i++) store<f32>(args.dx + 4 * <usize>(i * c + task), 0);
  for (let i = 0; i < args.outH; i++) {
    const bottom = min(args.h, i * args.stride + d * (args.size - 1) + 1);
    for (let j = 0; j < args.outW; j++) {
      const right = min(args.w, j * args.stride + d * (args.size - 1) + 1);
      let most: f32 = -Infinity;
      let winner = -1;
      for (let r = i * args.stride; r < bottom; r += d) {
        for (let s = j * args.stride; s < right; s += d) {
          const value = load<f32>(args.x + 4 * <usize>((r * args.w + s) * c + task));
          if (winner < 0 || value > most || isNaN(value)) {
            most = value;
            winner = r * args.w + s;
          }
        }
      }
      const to = args.dx + 4 * <usize>(winner * c + task);
      store<f32>(to, load<f32>(to) + load<f32>(args.dy + 4 * <usize>((i * args.outW + j) * c + task)));
    }
  }
}
