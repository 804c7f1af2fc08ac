import { simd } from './simd';
import { outputTile6 } from './wide-output';
import { CHUNK, kinds, locate, Tile, WinogradArgs, WORK } from './winograd-tile';
import { transform } from './winograd-transform';

/** Vertical output transform of up to 64 channels of a column: 6 coefficients to 4 rows. Rows 3 and 4 are `own` bytes further. */
function outputColumn4(m: usize, down: usize, own: usize, bytes: usize, work: usize): void {
  let m1 = m + down;
  let m2 = m1 + down;
  let m3 = m2 + down + own;
  let m4 = m3 + down;
  let m5 = m + 5 * down;
  for (const end = work + bytes; work < end; work += 16) {
    const p = f32x4.add(v128.load(m1), v128.load(m2));
    const q = f32x4.sub(v128.load(m1), v128.load(m2));
    const r = f32x4.add(v128.load(m3), v128.load(m4));
    const t = f32x4.sub(v128.load(m3), v128.load(m4));
    v128.store(work, transform.output0(v128.load(m), p, r));
    v128.store(work, transform.output1(q, t), 6 * CHUNK);
    v128.store(work, transform.output2(p, r), 12 * CHUNK);
    v128.store(work, transform.output3(q, t, v128.load(m5)), 18 * CHUNK);
    m += 16;
    m1 += 16;
    m2 += 16;
    m3 += 16;
    m4 += 16;
    m5 += 16;
  }
}

/** The same for 4 coefficients and 2 rows. */
function outputColumn2(m: usize, down: usize, bytes: usize, work: usize): void {
  let m1 = m + down;
  let m2 = m1 + down;
  let m5 = m + 5 * down;
  for (const end = work + bytes; work < end; work += 16) {
    const p = f32x4.add(v128.load(m1), v128.load(m2));
    const q = f32x4.sub(v128.load(m1), v128.load(m2));
    v128.store(work, f32x4.add(v128.load(m), p));
    v128.store(work, transform.outputLast2(q, v128.load(m5)), 6 * CHUNK);
    m += 16;
    m1 += 16;
    m2 += 16;
    m5 += 16;
  }
}

/** Horizontal output transform of a row, plus bias, held between `low` and `high`: up to 4 pixels. y may be work, with pix = CHUNK. */
function outputRow4(
  work: usize,
  bytes: usize,
  bias: usize,
  low: v128,
  high: v128,
  y: usize,
  pix: usize,
  cols: i32,
): void {
  for (const end = work + bytes; work < end; work += 16) {
    const b = v128.load(bias);
    const m1 = v128.load(work, CHUNK);
    const m2 = v128.load(work, 2 * CHUNK);
    const m3 = v128.load(work, 3 * CHUNK);
    const m4 = v128.load(work, 4 * CHUNK);
    const p = f32x4.add(m1, m2);
    const q = f32x4.sub(m1, m2);
    const r = f32x4.add(m3, m4);
    const t = f32x4.sub(m3, m4);
    v128.store(y, simd.clip(f32x4.add(transform.output0(v128.load(work), p, r), b), low, high));
    v128.store(y + pix, simd.clip(f32x4.add(transform.output1(q, t), b), low, high));
    v128.store(y + 2 * pix, simd.clip(f32x4.add(transform.output2(p, r), b), low, high));
    if (cols > 3) {
      const last = transform.output3(q, t, v128.load(work, 5 * CHUNK));
      v128.store(y + 3 * pix, simd.clip(f32x4.add(last, b), low, high));
    }
    bias += 16;
    y += 16;
  }
}

/** The same for up to 2 pixels. */
function outputRow2(
  work: usize,
  bytes: usize,
  bias: usize,
  low: v128,
  high: v128,
  y: usize,
  pix: usize,
  cols: i32,
): void {
  for (const end = work + bytes; work < end; work += 16) {
    const b = v128.load(bias);
    const m1 = v128.load(work, CHUNK);
    const m2 = v128.load(work, 2 * CHUNK);
    v128.store(y, simd.clip(f32x4.add(f32x4.add(v128.load(work), f32x4.add(m1, m2)), b), low, high));
    if (cols > 1) {
      const last = transform.outputLast2(f32x4.sub(m1, m2), v128.load(work, 5 * CHUNK));
      v128.store(y + pix, simd.clip(f32x4.add(last, b), low, high));
    }
    bias += 16;
    y += 16;
  }
}

/** y += a row that lies in `work`. */
function addRow(work: usize, bytes: usize, y: usize, pix: usize, cols: i32): void {
  for (; cols > 0; cols--) {
    for (let n: usize = 0; n < bytes; n += 16) v128.store(y + n, f32x4.add(v128.load(y + n), v128.load(work + n)));
    work += CHUNK;
    y += pix;
  }
}

/** Output transform of one tile: from m, `own` bytes further for rows 3 and 4 of the coefficients, to y. */
function outputTile(args: WinogradArgs, tile: Tile, m: usize, own: usize, zeros: usize, work: usize): void {
  const row = args.dilation * args.yRow;
  const pix = args.dilation * args.yPix;
  const down = args.mStride * 6;
  const low = f32x4.splat(args.low);
  const high = f32x4.splat(args.high);
  const cout = args.cout * 4;
  for (let n: usize = 0; n < cout; n += CHUNK) {
    const bytes = min(CHUNK, cout - n);
    for (let j: usize = 0; j < 6; j++) {
      if (tile.edgeX && (j === 3 || j === 4)) continue;
      const from = m + j * args.mStride + n;
      if (tile.edgeY) outputColumn2(from, down, bytes, work + j * CHUNK);
      else outputColumn4(from, down, own, bytes, work + j * CHUNK);
    }
    const bias = args.bias ? args.bias + n : zeros;
    for (let i: usize = 0; i < <usize>tile.rows; i++) {
      const y = tile.y + i * row + n;
      const from = work + i * 6 * CHUNK;
      const to = args.accumulate ? from : y;
      const step = args.accumulate ? CHUNK : pix;
      if (tile.edgeX) outputRow2(from, bytes, bias, low, high, to, step, tile.cols);
      else outputRow4(from, bytes, bias, low, high, to, step, tile.cols);
      if (args.accumulate) addRow(from, bytes, y, pix, tile.cols);
    }
  }
}

/** Writes y from m. A task is `tilesPerTask` tiles; scratch: see `WORK`. */
export function winogradOutput(args: WinogradArgs, task: i32, scratch: usize): void {
  const begin = task * args.tilesPerTask;
  const end = min(args.count, begin + args.tilesPerTask);
  const rows = kinds.rows(args);
  const edge = kinds.edge(args, args.h);
  const ldm = ((args.cout + 7) >> 3) * 32;
  const zeros = scratch + WORK;
  memory.fill(zeros, 0, CHUNK);
  const tile = changetype<Tile>(scratch + WORK + CHUNK);
  for (let t = begin; t < end; t++) {
    locate(args, t, tile);
    const common = <usize>t * ldm;
    const own = <usize>max(0, t - rows) * ldm - common;
    const m = args.m + common;
    if (args.tile === 6) outputTile6(args, tile, m, edge === 4 ? own : 0, edge === 2 ? own : 0, zeros, scratch);
    else outputTile(args, tile, m, own, zeros, scratch);
  }
}
