import { firstStrip, stripBytes } from './conv-pack';
import { simd } from './simd';
import { COLUMNS, ceilDiv, clearFloats, copyFloats, DEPTH, multiplyBlock, ROWS } from './tile';
import { largestPhase, placePhase, REGION, Region, WindowArgs } from './window';

/** Strides are in floats. */
@unmanaged
class ConvArgs extends WindowArgs {
  x!: usize;
  xRow!: i32;
  xPix!: i32;
  y!: usize;
  yRow!: i32;
  yPix!: i32;
  cin!: i32;
  cout!: i32;
  packed!: usize;
  /** Whether the sums begin with y instead of the bias. */
  accumulate!: i32;
  /** y = min(max(sum, low), high) */
  low!: f32;
  high!: f32;
  /** Pixels of a phase that a task computes; a multiple of ROWS. */
  pixels!: i32;
  /** Output channels that a task computes; a multiple of COLUMNS. */
  channels!: i32;
  /** Taps that are gathered at a time; 1 unless all channels of several fit into DEPTH and spread is 1. */
  taps!: i32;
  /** Channels that are gathered at a time: cin, or less where cin is above DEPTH. */
  depth!: i32;
}

/**
 * Convolution with zero padding, direct: x (h, w, cin) and y (outH, outW, cout) are views. With `spread` above 1 it is the transpose of
 * a strided one, the gradient at its input. A dilated one is an ordinary one on each phase of y, one with spread an ordinary one with some
 * of the taps. Task = (phase, pixels of the phase in row order, output channels).
 *
 * The pixels under a tap are gathered as rows (zeros where the tap lies outside) and multiplied with the strips of weights; the
 * sums stay in scratch meanwhile. Every output is bias + sum over (tap row, tap column, channel) in this order, whatever the view, the
 * phase or the task. scratch: region | sums [channels / 8][pixels][8] | a block of gathered rows
 *
 * Measured on Zen 3 with Node 20, one thread, GF/s plain / relaxed: 3x3 of 64 -> 64 channels 40 / 49, 256 -> 256 40 / 47; 1x1 of 256 -> 64
 * 37 / 49, 1024 -> 256 40 / 47, 64 -> 256 33 / 41, 16 -> 96 20 / 23; 7x7 with stride 2 of 3 -> 64 33 / 39; its gradient at the input, whose 3
 * channels leave most of a strip empty, 8 / 9; 3x3 with stride 2 of 64 -> 128 40 / 48, its gradient at the input 39 / 47.
 */
export function conv(args: ConvArgs, task: i32, scratch: usize): void {
  const groups = ceilDiv(args.cout, args.channels);
  const region = changetype<Region>(scratch);
  if (!locate(args, task / groups, region)) return;
  const channel = (task % groups) * args.channels;
  const channels = min(args.channels, args.cout - channel);
  const tiles = ceilDiv(region.n, ROWS);
  const sums = scratch + REGION;
  const gathered = sums + 4 * <usize>(args.pixels * args.channels);
  const bytes = stripBytes(args.rows * args.columns, args.cin);
  const strip = firstStrip(args.packed, args.cout) + <usize>(channel / COLUMNS) * bytes;

  if (args.accumulate) move(args, region, channel, channels, sums, true);
  else seed(sums, args.packed + 4 * <usize>channel, channels, tiles * ROWS);
  const down = region.down;
  const across = region.across;
  const all = down.taps * across.taps;
  for (let t = 0; t < all; t += args.taps) {
    const a = t / across.taps;
    const e = t % across.taps;
    const taps = min(args.taps, all - t);
    const tap = (down.tap + down.tapStep * a) * args.columns + across.tap + across.tapStep * e;
    for (let c = 0; c < args.cin; c += args.depth) {
      const depth = min(args.depth, args.cin - c);
      gather(args, region, a, e, taps, c, depth, gathered);
      const panel = strip + 4 * COLUMNS * <usize>(tap * args.cin + c);
      multiplyBlock(gathered, tiles, taps * depth, panel, bytes, channels, sums);
    }
  }
  move(args, region, channel, channels, sums, false);
}

/** Finds the pixels of a task; false where there are none, because phases differ by a row or a column. */
function locate(args: ConvArgs, index: i32, region: Region): bool {
  const ranges = ceilDiv(largestPhase(args), args.pixels);
  placePhase(args, index / ranges, region);
  region.first = (index % ranges) * args.pixels;
  region.n = min(args.pixels, region.down.count * region.across.count - region.first);
  return region.n > 0;
}

/** sums [channels / 8][pixels][8] = bias */
function seed(sums: usize, bias: usize, channels: i32, pixels: i32): void {
  for (let k = 0; k < channels; k += COLUMNS) {
    const low = v128.load(bias);
    const high = v128.load(bias, 16);
    for (let i = 0; i < pixels; i++) {
      v128.store(sums, low);
      v128.store(sums, high, 16);
      sums += 4 * COLUMNS;
    }
    bias += 4 * COLUMNS;
  }
}

/**
 * Row i of the block = channels c .. c + depth - 1 of pixel i of the region under `taps` taps in row order, from tap (a, e) of the phase on;
 * zeros where a tap lies outside. Rows lie as `rowAt` says; its divisions for each pixel would take longer than few channels.
 */
function gather(args: ConvArgs, region: Region, a: i32, e: i32, taps: i32, c: i32, depth: i32, block: usize): void {
  const down = region.down;
  const across = region.across;
  const x = args.x + 4 * <usize>(down.x * args.xRow + across.x * args.xPix + c);
  const row: usize = 4 * <usize>(args.xRow * down.xStep);
  const pix: usize = 4 * <usize>(args.xPix * across.xStep);
  const beside = DEPTH / (taps * depth);
  let i = region.first / across.count;
  let j = region.first % across.count;
  let tile = block;
  let next = beside;
  for (let p = 0; p < region.n; ) {
    let to = tile;
    for (const end = min(p + ROWS, region.n); p < end; p++) {
      const yy = down.stride * i + down.dilation * a + down.start;
      const xx = across.stride * j + across.start;
      if (taps === 1) gatherPixel(x, row, pix, yy, xx + across.dilation * e, region, depth, to);
      else gatherTaps(x, row, pix, yy, xx, e, taps, region, depth, to);
      to += 4 * DEPTH;
      if (++j === across.count) {
        j = 0;
        i++;
      }
    }
    tile += 4 * <usize>(taps * depth);
    if (--next > 0) continue;
    tile = block += 4 * ROWS * DEPTH;
    next = beside;
  }
}

/** `depth` channels of pixel (yy, xx), zeros outside. */
function gatherPixel(x: usize, row: usize, pix: usize, yy: i32, xx: i32, region: Region, depth: i32, to: usize): void {
  const inside = u32(yy) < u32(region.down.size) && u32(xx) < u32(region.across.size);
  if (inside) copyFloats(to, x + row * <usize>yy + pix * <usize>xx, depth);
  else clearFloats(to, depth);
}

/** The same of `taps` taps from tap e of a row on, whose first lies at (yy, xx). */
function gatherTaps(
  x: usize,
  row: usize,
  pix: usize,
  yy: i32,
  xx: i32,
  e: i32,
  taps: i32,
  region: Region,
  depth: i32,
  to: usize,
): void {
  const down = region.down;
  const across = region.across;
  for (let left = taps; left > 0; ) {
    const here = min(left, across.taps - e);
    const inside = u32(yy) < u32(down.size);
    const first = xx + across.dilation * e;
    if (inside) gatherRow(x + row * <usize>yy, pix, first, across.dilation, across.size, here, depth, to);
    else clearFloats(to, here * depth);
    to += 4 * <usize>(here * depth);
    left -= here;
    e = 0;
    yy += down.dilation;
  }
}

/** The same for `taps` taps of one row at x, whose `size` pixels lie `pix` bytes apart: pixels xx, xx + step and so on. */
function gatherRow(x: usize, pix: usize, xx: i32, step: i32, size: i32, taps: i32, depth: i32, to: usize): void {
  if (step === 1 && pix === 4 * <usize>depth) {
    // They lie side by side, so that those that exist are one piece.
    if (xx >= 0 && xx + taps <= size) {
      copyFloats(to, x + pix * <usize>xx, taps * depth);
      return;
    }
    const before = min(taps, max(0, -xx));
    const behind = min(taps, max(before, size - xx));
    clearFloats(to, before * depth);
    copyFloats(to + pix * <usize>before, x + pix * <usize>(xx + before), (behind - before) * depth);
    clearFloats(to + pix * <usize>behind, (taps - behind) * depth);
    return;
  }
  for (; taps > 0; taps--) {
    if (u32(xx) < u32(size)) copyFloats(to, x + pix * <usize>xx, depth);
    else clearFloats(to, depth);
    to += 4 * <usize>depth;
    xx += step;
  }
}

/** Channels channel .. channel + channels - 1 of y = sums [channels / 8][pixels][8], clipped; or, with `back`, the sums = y. */
function move(args: ConvArgs, region: Region, channel: i32, channels: i32, sums: usize, back: bool): void {
  const down = region.down;
  const across = region.across;
  const row: usize = 4 * <usize>(args.yRow * down.yStep);
  const pix: usize = 4 * <usize>(args.yPix * across.yStep);
  const strip: usize = 4 * COLUMNS * <usize>(ceilDiv(region.n, ROWS) * ROWS);
  let y = args.y + 4 * <usize>(down.y * args.yRow + across.y * args.yPix + channel);
  y += row * <usize>(region.first / across.count);
  for (let k = 0; k < channels; k += COLUMNS) {
    const lanes = min(COLUMNS, channels - k);
    let j = region.first % across.count;
    let begin = y;
    let sum = sums;
    for (let left = region.n; left > 0; ) {
      const here = min(left, across.count - j);
      const to = begin + pix * <usize>j;
      if (back) readRow(to, pix, sum, here, lanes);
      else if (lanes === COLUMNS) writeRow(to, pix, sum, here, args);
      else writeRowLanes(to, pix, sum, here, lanes, args);
      sum += 4 * COLUMNS * <usize>here;
      left -= here;
      j = 0;
      begin += row;
    }
    sums += strip;
    y += 4 * COLUMNS;
  }
}

/** n pixels, `pix` bytes apart, = sums (n, 8), clipped. */
function writeRow(to: usize, pix: usize, sum: usize, n: i32, args: ConvArgs): void {
  const low = f32x4.splat(args.low);
  const high = f32x4.splat(args.high);
  for (; n > 0; n--) {
    v128.store(to, simd.clip(v128.load(sum), low, high));
    v128.store(to, simd.clip(v128.load(sum, 16), low, high), 16);
    sum += 4 * COLUMNS;
    to += pix;
  }
}

/** The same of the first `lanes` channels. */
function writeRowLanes(to: usize, pix: usize, sum: usize, n: i32, lanes: i32, args: ConvArgs): void {
  const low = f32x4.splat(args.low);
  const high = f32x4.splat(args.high);
  for (; n > 0; n--) {
    simd.storeLanes(to, simd.clip(v128.load(sum), low, high), lanes);
    if (lanes > 4) simd.storeLanes(to + 16, simd.clip(v128.load(sum, 16), low, high), lanes - 4);
    sum += 4 * COLUMNS;
    to += pix;
  }
}

/** sums (n, 8) = n pixels' first `lanes` channels. */
function readRow(from: usize, pix: usize, sum: usize, n: i32, lanes: i32): void {
  for (; n > 0; n--) {
    v128.store(sum, simd.loadLanes(from, lanes));
    if (lanes > 4) v128.store(sum, simd.loadLanes(from + 16, lanes - 4), 16);
    sum += 4 * COLUMNS;
    from += pix;
  }
}
