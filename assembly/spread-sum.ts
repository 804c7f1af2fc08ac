import { simd } from './simd';

/** Strides are in floats. */
@unmanaged
class SpreadSumArgs {
  a: usize;
  aRow: i32;
  aPix: i32;
  /** 0: none. */
  b: usize;
  bRow: i32;
  bPix: i32;
  y: usize;
  yRow: i32;
  yPix: i32;
  /** Of a and b. */
  h: i32;
  w: i32;
  c: i32;
  /** Rows and columns of y. */
  rate: i32;
  /** Whether only negative b count: a PRELU's slopes got their share by these. */
  negative: i32;
  /** 0: y is overwritten. */
  accumulate: i32;
}

/** Channels of a task: a cache line. */
export const SUM_CHANNELS: i32 = 16;

/**
 * y(q, p, k) = or += the sum of a b over the pixels (i rate + q, j rate + p): the gradient of a vector that was spread
 * over a map, and with rate 1 of numbers by channel. Summed in float64, row by row of those pixels, so that a phase
 * gives the same bits among others as alone. Task = (row of y, channels); scratch: rate * 16 float64.
 */
export function spreadSum(args: SpreadSumArgs, task: i32, scratch: usize): void {
  const blocks = (args.c + SUM_CHANNELS - 1) / SUM_CHANNELS;
  const q = task / blocks;
  const first = (task % blocks) * SUM_CHANNELS;
  const channels = min(SUM_CHANNELS, args.c - first);
  const sumBytes: usize = 8 * <usize>SUM_CHANNELS;
  memory.fill(scratch, 0, sumBytes * <usize>args.rate);
  for (let i = q; i < args.h; i += args.rate) {
    for (let p = 0; p < args.rate; p++) {
      for (let k = 0; k < channels; k += 4) {
        sums.addRow(args, i, p, first + k, channels - k, scratch + sumBytes * <usize>p + 8 * <usize>k);
      }
    }
  }
  for (let p = 0; p < args.rate; p++) {
    const y = args.y + 4 * <usize>(q * args.yRow + p * args.yPix + first);
    for (let k = 0; k < channels; k++) {
      const sum = load<f64>(scratch + sumBytes * <usize>p + 8 * <usize>k);
      const at = y + 4 * <usize>k;
      store<f32>(at, <f32>(args.accumulate ? <f64>load<f32>(at) + sum : sum));
    }
  }
}

class sums {
  /** sum (4 float64) += up to four channels of every rate-th pixel of row i, from column j on. */
  @inline
  static addRow(args: SpreadSumArgs, i: i32, j: i32, k: i32, lanes: i32, sum: usize): void {
    const step = args.rate;
    let a = args.a + 4 * <usize>(i * args.aRow + j * args.aPix + k);
    let b = args.b + 4 * <usize>(i * args.bRow + j * args.bPix + k);
    let low = v128.load(sum);
    let high = v128.load(sum, 16);
    for (; j < args.w; j += step) {
      let v = simd.loadLanes(a, lanes);
      if (args.b) {
        const factor = simd.loadLanes(b, lanes);
        v = f32x4.mul(v, args.negative ? f32x4.pmin(factor, f32x4.splat(0)) : factor);
      }
      low = f64x2.add(low, f64x2.promote_low_f32x4(v));
      high = f64x2.add(high, f64x2.promote_low_f32x4(simd.upper(v)));
      a += 4 * <usize>(step * args.aPix);
      b += 4 * <usize>(step * args.bPix);
    }
    v128.store(sum, low);
    v128.store(sum, high, 16);
  }
}
