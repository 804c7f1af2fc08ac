import { simd } from './simd';
import { wide } from './wide-transform';
import { CHUNK, kinds, Tile, WinogradArgs } from './winograd-tile';

/**
 * Vertical output transform of up to 64 channels of a column: 8 coefficients to 6 rows. Rows 1 and 2 are `own1` bytes further, 3 to 6
 * `own3`.
 */
function columnOf6(m: usize, down: usize, own1: usize, own3: usize, bytes: usize, work: usize): void {
  let m1 = m + down + own1;
  let m2 = m1 + down;
  let m3 = m + 3 * down + own3;
  let m4 = m3 + down;
  let m5 = m4 + down;
  let m6 = m5 + down;
  let m7 = m + 7 * down;
  for (const end = work + bytes; work < end; work += 16) {
    const s1 = f32x4.add(v128.load(m1), v128.load(m2));
    const t1 = f32x4.sub(v128.load(m1), v128.load(m2));
    const s2 = f32x4.add(v128.load(m3), v128.load(m4));
    const t2 = f32x4.sub(v128.load(m3), v128.load(m4));
    const s3 = f32x4.add(v128.load(m5), v128.load(m6));
    const t3 = f32x4.sub(v128.load(m5), v128.load(m6));
    v128.store(work, simd.madd(f32x4.splat(32), s3, f32x4.add(f32x4.add(s1, s2), v128.load(m))));
    v128.store(work, wide.output(t1, 2, t2, 16, t3), 8 * CHUNK);
    v128.store(work, wide.output(s1, 4, s2, 8, s3), 16 * CHUNK);
    v128.store(work, wide.output(t1, 8, t2, 4, t3), 24 * CHUNK);
    v128.store(work, wide.output(s1, 16, s2, 2, s3), 32 * CHUNK);
    v128.store(work, simd.madd(f32x4.splat(32), t2, f32x4.add(f32x4.add(t1, t3), v128.load(m7))), 40 * CHUNK);
    m += 16;
    m1 += 16;
    m2 += 16;
    m3 += 16;
    m4 += 16;
    m5 += 16;
    m6 += 16;
    m7 += 16;
  }
}

/** Horizontal output transform of a row of a tile of 6, plus bias, held between `low` and `high`: 5 or 6 pixels. */
function rowOf6(work: usize, bytes: usize, bias: usize, low: v128, high: v128, y: usize, pix: usize, cols: i32): void {
  for (const end = work + bytes; work < end; work += 16) {
    const b = v128.load(bias);
    const m1 = v128.load(work, CHUNK);
    const m2 = v128.load(work, 2 * CHUNK);
    const m3 = v128.load(work, 3 * CHUNK);
    const m4 = v128.load(work, 4 * CHUNK);
    const m5 = v128.load(work, 5 * CHUNK);
    const m6 = v128.load(work, 6 * CHUNK);
    const s1 = f32x4.add(f32x4.add(m1, m2), b);
    const t1 = f32x4.add(f32x4.sub(m1, m2), b);
    const s2 = f32x4.add(m3, m4);
    const t2 = f32x4.sub(m3, m4);
    const s3 = f32x4.add(m5, m6);
    const t3 = f32x4.sub(m5, m6);
    const first = f32x4.add(f32x4.add(s1, s2), v128.load(work));
    v128.store(y, simd.clip(simd.madd(f32x4.splat(32), s3, first), low, high));
    v128.store(y + pix, simd.clip(wide.output(t1, 2, t2, 16, t3), low, high));
    v128.store(y + 2 * pix, simd.clip(wide.output(s1, 4, s2, 8, s3), low, high));
    v128.store(y + 3 * pix, simd.clip(wide.output(t1, 8, t2, 4, t3), low, high));
    v128.store(y + 4 * pix, simd.clip(wide.output(s1, 16, s2, 2, s3), low, high));
    if (cols > 5) {
      const last = f32x4.add(f32x4.add(t1, t3), v128.load(work, 7 * CHUNK));
      v128.store(y + 5 * pix, simd.clip(simd.madd(f32x4.splat(32), t2, last), low, high));
    }
    bias += 16;
    y += 16;
  }
}

/** Either transform of an edge of 4: coefficients `step` bytes apart to 3 or 4 places `next` bytes apart. */
function edgeOf4(
  m: usize,
  step: usize,
  bytes: usize,
  bias: usize,
  low: v128,
  high: v128,
  y: usize,
  next: usize,
  count: i32,
): void {
  for (const end = m + bytes; m < end; m += 16) {
    const b = v128.load(bias);
    const m3 = v128.load(m + 3 * step);
    const m4 = v128.load(m + 4 * step);
    const m5 = v128.load(m + 5 * step);
    const m6 = v128.load(m + 6 * step);
    const s2 = f32x4.add(m3, m4);
    const t2 = f32x4.sub(m3, m4);
    const s3 = f32x4.add(m5, m6);
    const t3 = f32x4.sub(m5, m6);
    v128.store(y, simd.clip(wide.output(f32x4.add(v128.load(m), b), 1, s2, 32, s3), low, high));
    v128.store(y + next, simd.clip(wide.output(b, 2, t2, 16, t3), low, high));
    v128.store(y + 2 * next, simd.clip(wide.output(b, 4, s2, 8, s3), low, high));
    if (count > 3) {
      const last = f32x4.add(v128.load(m + 7 * step), b);
      v128.store(y + 3 * next, simd.clip(wide.output(last, 8, t2, 4, t3), low, high));
    }
    bias += 16;
    y += 16;
  }
}

/** The same of an edge of 2, to one or two places. */
function edgeOf2(
  m: usize,
  step: usize,
  bytes: usize,
  bias: usize,
  low: v128,
  high: v128,
  y: usize,
  next: usize,
  count: i32,
): void {
  for (const end = m + bytes; m < end; m += 16) {
    const b = v128.load(bias);
    const m1 = v128.load(m + step);
    const m2 = v128.load(m + 2 * step);
    v128.store(y, simd.clip(f32x4.add(f32x4.add(m1, m2), f32x4.add(v128.load(m), b)), low, high));
    if (count > 1) {
      const last = f32x4.add(v128.load(m + 7 * step), b);
      v128.store(y + next, simd.clip(f32x4.add(f32x4.sub(m1, m2), last), low, high));
    }
    bias += 16;
    y += 16;
  }
}

/** Output transform of one tile: from m, `own1` and `own3` bytes further for rows 1 and 2, and 3 to 6, of the coefficients, to y. */
export function outputTile6(
  args: WinogradArgs,
  tile: Tile,
  m: usize,
  own1: usize,
  own3: usize,
  zeros: usize,
  work: usize,
): void {
  const row = args.dilation * args.yRow;
  const pix = args.dilation * args.yPix;
  const down = args.mStride * 8;
  const line: usize = 8 * CHUNK;
  const low = f32x4.splat(args.low);
  const high = f32x4.splat(args.high);
  const least = f32x4.splat(-Infinity);
  const most = f32x4.splat(Infinity);
  const cout = args.cout * 4;
  for (let n: usize = 0; n < cout; n += CHUNK) {
    const bytes = min(CHUNK, cout - n);
    for (let j = 0; j < 8; j++) {
      if (kinds.lacks(args, tile.edgeX, j)) continue;
      const from = m + <usize>j * args.mStride + n;
      const to = work + <usize>j * CHUNK;
      if (tile.edgeY === 4) edgeOf4(from, down, bytes, zeros, least, most, to, line, 4);
      else if (tile.edgeY) edgeOf2(from, down, bytes, zeros, least, most, to, line, 2);
      else columnOf6(from, down, own1, own3, bytes, to);
    }
    const bias = args.bias ? args.bias + n : zeros;
    for (let i: usize = 0; i < <usize>tile.rows; i++) {
      const to = tile.y + i * row + n;
      const from = work + i * line;
      if (tile.edgeX === 4) edgeOf4(from, CHUNK, bytes, bias, low, high, to, pix, tile.cols);
      else if (tile.edgeX) edgeOf2(from, CHUNK, bytes, bias, low, high, to, pix, tile.cols);
      else rowOf6(from, bytes, bias, low, high, to, pix, tile.cols);
    }
  }
}
