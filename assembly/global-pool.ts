import { simd } from './simd';
import { ceilDiv } from './tile';

/** Maxima and means of whole maps, of each of rate x rate interleaved phases. Strides are in floats. */

@unmanaged
class GlobalPoolArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  h: i32;
  w: i32;
  c: i32;
  y: usize;
  yRow: i32;
  yPix: i32;
  /** y is a rate x rate map: y(q, p) stands for the points x(i rate + q, j rate + p). */
  rate: i32;
  /** 0: the largest, else the mean. */
  mean: i32;
  /** Channels that a task computes, a multiple of 4. */
  channels: i32;
}

/**
 * y (rate, rate, c) = the largest or the mean of each phase's points. Means are summed in float64 in row order, so that they do not depend
 * on the rate. Task = (phase, range of channels).
 */
export function globalPool(args: GlobalPoolArgs, task: i32, _scratch: usize): void {
  const chunks = ceilDiv(args.c, args.channels);
  const phase = task / chunks;
  const q = phase / args.rate;
  const p = phase % args.rate;
  const first = (task % chunks) * args.channels;
  const end = min(args.c, first + args.channels);
  const y = args.y + 4 * <usize>(q * args.yRow + p * args.yPix);
  for (let k = first; k < end; k += 4) {
    const lanes = min(4, end - k);
    simd.storeLanes(y + 4 * <usize>k, args.mean ? meanOf(args, q, p, k, lanes) : largestOf(args, q, p, k, lanes), lanes);
  }
}

function meanOf(args: GlobalPoolArgs, q: i32, p: i32, k: i32, lanes: i32): v128 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  for (let i = q; i < args.h; i += args.rate) {
    let at = args.x + 4 * <usize>(i * args.xRow + p * args.xPix + k);
    for (let j = p; j < args.w; j += args.rate) {
      const value = simd.loadLanes(at, lanes);
      low = f64x2.add(low, f64x2.promote_low_f32x4(value));
      high = f64x2.add(high, f64x2.promote_low_f32x4(simd.upper(value)));
      at += 4 * <usize>(args.rate * args.xPix);
    }
  }
  const count = f64x2.splat(<f64>(ceilDiv(args.h - q, args.rate) * ceilDiv(args.w - p, args.rate)));
  const first = f32x4.demote_f64x2_zero(f64x2.div(low, count));
  const second = f32x4.demote_f64x2_zero(f64x2.div(high, count));
  return v128.shuffle<i64>(first, second, 0, 2);
}

function largestOf(args: GlobalPoolArgs, q: i32, p: i32, k: i32, lanes: i32): v128 {
  let best = f32x4.splat(-Infinity);
  for (let i = q; i < args.h; i += args.rate) {
    let at = args.x + 4 * <usize>(i * args.xRow + p * args.xPix + k);
    for (let j = p; j < args.w; j += args.rate) {
      best = f32x4.max(best, simd.loadLanes(at, lanes));
      at += 4 * <usize>(args.rate * args.xPix);
    }
  }
  return best;
}

@unmanaged
class GlobalPoolBackwardArgs {
  /** Of a mean it is not read. */
  x: usize;
  xRow: i32;
  xPix: i32;
  h: i32;
  w: i32;
  c: i32;
  dy: usize;
  dyRow: i32;
  dyPix: i32;
  dx: usize;
  dxRow: i32;
  dxPix: i32;
  rate: i32;
  mean: i32;
  /** 0: dx is overwritten. */
  accumulate: i32;
  /** Channels that a task computes, a multiple of 4. */
  channels: i32;
}

/**
 * dx (h, w, c) = or += the gradient of globalPool: a mean's is shared by all points, a maximum's goes to the first of the largest in row order.
 * Task = (phase, range of channels).
 */
export function globalPoolBackward(args: GlobalPoolBackwardArgs, task: i32, _scratch: usize): void {
  const chunks = ceilDiv(args.c, args.channels);
  const phase = task / chunks;
  const q = phase / args.rate;
  const p = phase % args.rate;
  const first = (task % chunks) * args.channels;
  const end = min(args.c, first + args.channels);
  const dy = args.dy + 4 * <usize>(q * args.dyRow + p * args.dyPix);
  const count: f32 = <f32>(ceilDiv(args.h - q, args.rate) * ceilDiv(args.w - p, args.rate));
  for (let i = q; i < args.h; i += args.rate)
    for (let j = p; j < args.w; j += args.rate)
      for (let k = first; k < end; k += 4) {
        const lanes = min(4, end - k);
        const to = args.dx + 4 * <usize>(i * args.dxRow + j * args.dxPix + k);
        let value = args.mean
          ? f32x4.div(simd.loadLanes(dy + 4 * <usize>k, lanes), f32x4.splat(count))
          : f32x4.splat(0);
        if (args.accumulate) value = f32x4.add(simd.loadLanes(to, lanes), value);
        simd.storeLanes(to, value, lanes);
      }
  if (!args.mean) for (let k = first; k < end; k++) giveFirst(args, q, p, k, load<f32>(dy + 4 * <usize>k));
}

function giveFirst(args: GlobalPoolBackwardArgs, q: i32, p: i32, k: i32, dy: f32): void {
  let best: f32 = -Infinity;
  let to: usize = 0;
  for (let i = q; i < args.h; i += args.rate)
    for (let j = p; j < args.w; j += args.rate) {
      const value = load<f32>(args.x + 4 * <usize>(i * args.xRow + j * args.xPix + k));
      if (to === 0 || value > best || (value !== value && best === best)) {
        best = value;
        to = args.dx + 4 * <usize>(i * args.dxRow + j * args.dxPix + k);
      }
    }
  store<f32>(to, load<f32>(to) + dy);
}
