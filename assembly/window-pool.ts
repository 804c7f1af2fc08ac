import { simd } from './simd';
import { ceilDiv } from './tile';

/** Maxima and means of windows, and of whole maps. Strides are in floats, all maps are views. */

@unmanaged
class PoolArgs {
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
  /** Taps of the window. */
  rows: i32;
  columns: i32;
  stride: i32;
  dilation: i32;
  startY: i32;
  startX: i32;
  /** 0: the largest, else the mean. */
  mean: i32;
  /** 0: what lies beyond x is not there; else it is zero. */
  zero: i32;
  /** Rows of y that a task computes. */
  task: i32;
}

/** The taps of a window along one axis that lie on the map: from `first` to before `last`. */
class taps {
  @inline
  static first(start: i32, dilation: i32): i32 {
    return start >= 0 ? 0 : ceilDiv(-start, dilation);
  }
  @inline
  static last(start: i32, dilation: i32, size: i32, count: i32): i32 {
    return start >= size ? 0 : min(count, ceilDiv(size - start, dilation));
  }
}

/**
 * y(i, j, k) = the largest or the mean of x(stride i + startY + dilation a, stride j + startX + dilation e, k) over the window's taps a, e.
 * A window that sees nothing gives 0. y is overwritten. Task = range of rows of y. Sums are taken in row order; f32x4.max keeps NaN.
 */
export function pool(args: PoolArgs, task: i32, _scratch: usize): void {
  const end = min(args.outH, (task + 1) * args.task);
  for (let i = task * args.task; i < end; i++) {
    const top = args.startY + args.stride * i;
    const a0 = taps.first(top, args.dilation);
    const a1 = taps.last(top, args.dilation, args.h, args.rows);
    for (let j = 0; j < args.outW; j++) {
      const left = args.startX + args.stride * j;
      const e0 = taps.first(left, args.dilation);
      const e1 = taps.last(left, args.dilation, args.w, args.columns);
      const seen = a1 > a0 && e1 > e0 ? (a1 - a0) * (e1 - e0) : 0;
      const y = args.y + 4 * <usize>(i * args.yRow + j * args.yPix);
      const x =
        args.x + 4 * <usize>((top + args.dilation * a0) * args.xRow + (left + args.dilation * e0) * args.xPix);
      poolPixel(args, x, seen === 0 ? 0 : a1 - a0, e1 - e0, seen, y);
    }
  }
}

/** All channels of a window of which down x across taps lie on the map, from x on. */
function poolPixel(args: PoolArgs, x: usize, down: i32, across: i32, seen: i32, y: usize): void {
  const all = args.rows * args.columns;
  const count: f32 = <f32>max(1, args.zero ? all : seen);
  for (let k = 0; k < args.c; k += 4) {
    const lanes = min(4, args.c - k);
    let best = f32x4.splat(args.mean || seen === 0 || (args.zero && seen < all) ? 0 : -Infinity);
    let row = x + 4 * <usize>k;
    for (let a = 0; a < down; a++) {
      let at = row;
      for (let e = 0; e < across; e++) {
        const value = simd.loadLanes(at, lanes);
        best = args.mean ? f32x4.add(best, value) : f32x4.max(best, value);
        at += 4 * <usize>(args.dilation * args.xPix);
      }
      row += 4 * <usize>(args.dilation * args.xRow);
    }
    if (args.mean) best = f32x4.div(best, f32x4.splat(count));
    simd.storeLanes(y + 4 * <usize>k, best, lanes);
  }
}

@unmanaged
class PoolBackwardArgs {
  /** Of a mean it is not read. */
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
  rows: i32;
  columns: i32;
  stride: i32;
  dilation: i32;
  startY: i32;
  startX: i32;
  mean: i32;
  zero: i32;
  /** 0: dx is overwritten. */
  accumulate: i32;
  /** Channels that a task computes, a multiple of 4. */
  channels: i32;
}

/**
 * dx (h, w, c) = or += the gradient of pool. Of a maximum each dy goes to the first of the largest in row order (the first NaN where there is
 * one), and is lost where a zero beyond the map is larger; of a mean it is shared. Overlapping windows add up in row order. Task = range of
 * channels, so that no two tasks add to one element.
 */
export function poolBackward(args: PoolBackwardArgs, task: i32, _scratch: usize): void {
  const first = task * args.channels;
  const end = min(args.c, first + args.channels);
  if (!args.accumulate)
    for (let i = 0; i < args.h; i++)
      for (let j = 0; j < args.w; j++)
        memory.fill(args.dx + 4 * <usize>(i * args.dxRow + j * args.dxPix + first), 0, 4 * <usize>(end - first));
  for (let i = 0; i < args.outH; i++) {
    const top = args.startY + args.stride * i;
    const a0 = taps.first(top, args.dilation);
    const a1 = taps.last(top, args.dilation, args.h, args.rows);
    if (a1 <= a0) continue;
    for (let j = 0; j < args.outW; j++) {
      const left = args.startX + args.stride * j;
      const e0 = taps.first(left, args.dilation);
      const e1 = taps.last(left, args.dilation, args.w, args.columns);
      if (e1 <= e0) continue;
      const dy = args.dy + 4 * <usize>(i * args.dyRow + j * args.dyPix);
      const y = top + args.dilation * a0;
      const x = left + args.dilation * e0;
      for (let k = first; k < end; k += 4) {
        const lanes = min(4, end - k);
        if (args.mean) shareMean(args, y, x, a1 - a0, e1 - e0, k, lanes, dy);
        else giveLargest(args, y, x, a1 - a0, e1 - e0, k, lanes, dy);
      }
    }
  }
}

function shareMean(args: PoolBackwardArgs, y: i32, x: i32, down: i32, across: i32, k: i32, lanes: i32, dy: usize): void {
  const count: f32 = <f32>(args.zero ? args.rows * args.columns : down * across);
  const share = f32x4.div(simd.loadLanes(dy + 4 * <usize>k, lanes), f32x4.splat(count));
  for (let a = 0; a < down; a++)
    for (let e = 0; e < across; e++) {
      const row = y + a * args.dilation;
      const column = x + e * args.dilation;
      const to = args.dx + 4 * <usize>(row * args.dxRow + column * args.dxPix + k);
      simd.storeLanes(to, f32x4.add(simd.loadLanes(to, lanes), share), lanes);
    }
}

function giveLargest(args: PoolBackwardArgs, y: i32, x: i32, down: i32, across: i32, k: i32, lanes: i32, dy: usize): void {
  const beyond = args.zero !== 0 && down * across < args.rows * args.columns;
  for (let lane = 0; lane < lanes; lane++) {
    let best: f32 = -Infinity;
    let to: usize = 0;
    for (let a = 0; a < down; a++)
      for (let e = 0; e < across; e++) {
        const row = y + a * args.dilation;
        const column = x + e * args.dilation;
        const value = load<f32>(args.x + 4 * <usize>(row * args.xRow + column * args.xPix + k + lane));
        if (to === 0 || value > best || (value !== value && best === best)) {
          best = value;
          to = args.dx + 4 * <usize>(row * args.dxRow + column * args.dxPix + k + lane);
        }
      }
    if (beyond && best < 0) continue;
    store<f32>(to, load<f32>(to) + load<f32>(dy + 4 * <usize>(k + lane)));
  }
}
