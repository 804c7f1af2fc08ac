import { simd } from './simd';
import { COLUMNS, ceilDiv, copyFloats, multiplyBlock, ROWS, rowAt } from './tile';

@unmanaged
class PackConvArgs {
  weights: usize;
  packed: usize;
  cin: i32;
  cout: i32;
}

/**
 * Packs the weights of a 3x3 convolution in the order in which conv3x3 reads them; task = strip of 8 output channels.
 * weights (3, 3, cin, cout). packed: bias [strips][8] | weights [strips][3][3][cin][8], with strips = ceil(cout / 8). Overwrites the
 * weights and, behind cout, the zeros that fill the last strip; the cout biases themselves are the caller's to write.
 */
export function packConv(args: PackConvArgs, task: i32, _scratch: usize): void {
  const first = task * COLUMNS;
  const lanes = min(COLUMNS, args.cout - first);
  for (let k = first + lanes; k < first + COLUMNS; k++) store<f32>(args.packed + 4 * <usize>k, 0);
  let to = firstStrip(args.packed, args.cout) + <usize>task * stripBytes(args.cin);
  let from = args.weights + 4 * <usize>first;
  for (let k = 9 * args.cin; k > 0; k--) {
    v128.store(to, simd.loadLanes(from, lanes));
    v128.store(to, lanes > 4 ? simd.loadLanes(from + 16, lanes - 4) : f32x4.splat(0), 16);
    to += 4 * COLUMNS;
    from += 4 * <usize>args.cout;
  }
}

/** Where the weights of packed begin, behind the biases. */
export function firstStrip(packed: usize, cout: i32): usize {
  return packed + 4 * <usize>(ceilDiv(cout, COLUMNS) * COLUMNS);
}

/** Bytes of the weights of 8 output channels. */
export function stripBytes(cin: i32): usize {
  return 4 * <usize>(COLUMNS * 9 * cin);
}

@unmanaged
class ConvArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  y: usize;
  yRow: i32;
  yPix: i32;
  h: i32;
  w: i32;
  cin: i32;
  cout: i32;
  packed: usize;
  dilation: i32;
  relu: i32;
  /** Pixels of a phase that a task computes; a multiple of ROWS. */
  pixels: i32;
  /** Output channels that a task computes; a multiple of COLUMNS. */
  channels: i32;
  /** Taps that are gathered at a time; 1 unless all channels of several fit into DEPTH. */
  taps: i32;
  /** Channels that are gathered at a time: cin, or less where cin is above DEPTH. */
  depth: i32;
}

/** The pixels of one task: `n` pixels from number `first` on of an h x w phase in row order. Strides of the phase, in floats. */
@unmanaged
class Range {
  x: usize;
  xRow: i32;
  xPix: i32;
  y: usize;
  yRow: i32;
  yPix: i32;
  h: i32;
  w: i32;
  first: i32;
  n: i32;
}

/**
 * 3x3 convolution with zero padding 'same', direct: x (h, w, cin) and y (h, w, cout) are views, y is overwritten.
 * A dilated one is an ordinary one on each phase. Task = (phase, pixels of the phase in row order, output channels).
 *
 * The pixels under a tap are gathered as rows (zeros where the tap lies outside) and multiplied with the strips of weights; the
 * sums stay in scratch meanwhile. Every output is bias + sum over (ky, kx, channel) in this order, whatever the view, the
 * dilation or the task. scratch: range | sums [channels / 8][pixels][8] | a block of gathered rows
 */
export function conv3x3(args: ConvArgs, task: i32, scratch: usize): void {
  const groups = ceilDiv(args.cout, args.channels);
  const range = changetype<Range>(scratch);
  if (!locate(args, task / groups, range)) return;
  const channel = (task % groups) * args.channels;
  const channels = min(args.channels, args.cout - channel);
  const tiles = ceilDiv(range.n, ROWS);
  let sums = scratch + 64;
  const gathered = sums + 4 * <usize>(args.pixels * args.channels);
  const bytes = stripBytes(args.cin);
  const strip = firstStrip(args.packed, args.cout) + <usize>(channel / COLUMNS) * bytes;

  seed(sums, args.packed + 4 * <usize>channel, channels, tiles * ROWS);
  for (let tap = 0; tap < 9; tap += args.taps) {
    const taps = min(args.taps, 9 - tap);
    for (let c = 0; c < args.cin; c += args.depth) {
      const depth = min(args.depth, args.cin - c);
      gather(range, tap, taps, c, depth, gathered);
      const panel = strip + 4 * COLUMNS * <usize>(tap * args.cin + c);
      multiplyBlock(gathered, tiles, taps * depth, panel, bytes, channels, sums);
    }
  }
  for (let k = 0; k < channels; k += COLUMNS) {
    write(range, channel + k, min(COLUMNS, channels - k), args.relu !== 0, sums);
    sums += 4 * COLUMNS * <usize>(tiles * ROWS);
  }
}

/** Finds the pixels of a task; false where there are none, because phases differ by a row or a column. */
function locate(args: ConvArgs, index: i32, range: Range): bool {
  const d = args.dilation;
  const ranges = ceilDiv(ceilDiv(args.h, d) * ceilDiv(args.w, d), args.pixels);
  const phase = index / ranges;
  const phasesX = min(d, args.w);
  const py = phase / phasesX;
  const px = phase % phasesX;
  range.x = args.x + 4 * <usize>(py * args.xRow + px * args.xPix);
  range.xRow = args.xRow * d;
  range.xPix = args.xPix * d;
  range.y = args.y + 4 * <usize>(py * args.yRow + px * args.yPix);
  range.yRow = args.yRow * d;
  range.yPix = args.yPix * d;
  range.h = ceilDiv(args.h - py, d);
  range.w = ceilDiv(args.w - px, d);
  range.first = (index % ranges) * args.pixels;
  range.n = min(args.pixels, range.h * range.w - range.first);
  return range.n > 0;
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

/** Row i of the block = channels c .. c + depth - 1 under `taps` taps of pixel i, zeros where a tap lies outside. */
function gather(range: Range, tap: i32, taps: i32, c: i32, depth: i32, block: usize): void {
  let y = range.first / range.w;
  let x = range.first % range.w;
  for (let i = 0; i < range.n; i++) {
    let row = rowAt(block, i, taps * depth);
    for (let t = tap; t < tap + taps; t++) {
      const yy = y + t / 3 - 1;
      const xx = x + (t % 3) - 1;
      const inside = u32(yy) < u32(range.h) && u32(xx) < u32(range.w);
      if (inside) copyFloats(row, range.x + 4 * <usize>(yy * range.xRow + xx * range.xPix + c), depth);
      else memory.fill(row, 0, 4 * <usize>depth);
      row += 4 * <usize>depth;
    }
    if (++x === range.w) {
      x = 0;
      y++;
    }
  }
}

/** Channels channel .. channel + lanes - 1 of y = sums [pixels][8] */
function write(range: Range, channel: i32, lanes: i32, relu: bool, sums: usize): void {
  let x = range.first % range.w;
  let row = range.y + 4 * <usize>((range.first / range.w) * range.yRow + channel);
  let to = row + 4 * <usize>(x * range.yPix);
  for (let i = 0; i < range.n; i++) {
    let low = v128.load(sums);
    let high = v128.load(sums, 16);
    if (relu) {
      low = simd.relu(low);
      high = simd.relu(high);
    }
    simd.storeLanes(to, low, lanes);
    if (lanes > 4) simd.storeLanes(to + 16, high, lanes - 4);
    sums += 4 * COLUMNS;
    to += 4 * <usize>range.yPix;
    if (++x === range.w) {
      x = 0;
      row += 4 * <usize>range.yRow;
      to = row;
    }
  }
}
