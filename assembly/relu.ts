import { simd } from './simd';

/** Strides are in floats. */
@unmanaged
class ReluBackwardArgs {
  y: usize;
  yRow: i32;
  yPix: i32;
  dy: usize;
  dyRow: i32;
  dyPix: i32;
  dx: usize;
  dxRow: i32;
  dxPix: i32;
  h: i32;
  w: i32;
  c: i32;
  guided: i32;
  /** Rows that a task computes. */
  rows: i32;
}

/**
 * dx (h, w, c) = dy where the ReLU's output y is positive, else 0; `guided` passes positive dy only (guided backpropagation,
 * Springenberg et al. 2015; NaN stays). All are views; dx is overwritten and may be dy. Task = range of rows. The forward is part
 * of what comes before it: conv3x3, winogradOutput, dense, gemm.
 */
export function reluBackward(args: ReluBackwardArgs, task: i32, _scratch: usize): void {
  const last = min(args.h, (task + 1) * args.rows);
  for (let i = task * args.rows; i < last; i++) {
    for (let j = 0; j < args.w; j++) {
      const y = args.y + 4 * <usize>(i * args.yRow + j * args.yPix);
      const dy = args.dy + 4 * <usize>(i * args.dyRow + j * args.dyPix);
      passBack(y, dy, args.dx + 4 * <usize>(i * args.dxRow + j * args.dxPix), args.c, args.guided !== 0);
    }
  }
}

/** One pixel of c channels. */
function passBack(y: usize, dy: usize, dx: usize, c: i32, guided: bool): void {
  const zero = f32x4.splat(0);
  for (let left = c; left > 0; left -= 4) {
    const gradient = simd.loadLanes(dy, left);
    const open = f32x4.gt(simd.loadLanes(y, left), zero);
    simd.storeLanes(dx, v128.and(open, guided ? simd.relu(gradient) : gradient), left);
    y += 16;
    dy += 16;
    dx += 16;
  }
}
