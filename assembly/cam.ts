import { simd } from './simd';

/** Strides are in floats. */
@unmanaged
class ChannelSumArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  h: i32;
  w: i32;
  c: i32;
  alpha: usize;
  y: usize;
  yRow: i32;
  yPix: i32;
  /** Rows that a task computes. */
  rows: i32;
}

/**
 * y (h, w) = sum_k alpha_k x(h, w, k): Grad-CAM's weighted sum (Selvaraju et al. 2017, eq. 2, before its ReLU). x (h, w, c) and y
 * are views; y is overwritten. Task = range of rows. Each point is summed in the same order, whatever the view.
 */
export function channelSum(args: ChannelSumArgs, task: i32, _scratch: usize): void {
  const last = min(args.h, (task + 1) * args.rows);
  for (let i = task * args.rows; i < last; i++) {
    for (let j = 0; j < args.w; j++) {
      let x = args.x + 4 * <usize>(i * args.xRow + j * args.xPix);
      let alpha = args.alpha;
      let s0 = f32x4.splat(0);
      let s1 = f32x4.splat(0);
      let left = args.c;
      for (; left >= 8; left -= 8) {
        s0 = simd.madd(v128.load(alpha), v128.load(x), s0);
        s1 = simd.madd(v128.load(alpha, 16), v128.load(x, 16), s1);
        x += 32;
        alpha += 32;
      }
      for (; left > 0; left -= 4) {
        s0 = simd.madd(simd.loadLanes(alpha, left), simd.loadLanes(x, left), s0);
        x += 16;
        alpha += 16;
      }
      store<f32>(args.y + 4 * <usize>(i * args.yRow + j * args.yPix), simd.sum(f32x4.add(s0, s1)));
    }
  }
}
