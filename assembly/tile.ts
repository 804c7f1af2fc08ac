import { simd } from './simd';

/** Rows of the register tile. */
export const ROWS: i32 = 5;
/** Columns of the register tile and of a panel of weights: two adjacent vectors. */
export const COLUMNS: i32 = 8;
/** The largest depth of a block of rows, and the distance between its rows, in floats; a constant, so that addresses are immediates. */
export const DEPTH: i32 = 256;

/**
 * sums (ROWS, COLUMNS) += rows (ROWS, depth) * panel (depth, COLUMNS), one step of depth after the other, so that how depth is
 * cut into calls changes no bit. depth is 1 to DEPTH; rows lie DEPTH floats apart, sums and panel are dense.
 *
 * The loop is not unrolled on purpose: 10 sums, 2 weights, 1 value and 1 product just fit the 15 registers of x64, and any
 * unrolling makes V8 spill. Measured on Zen 3 with Node 20, operands in the L1 cache, GF/s plain / relaxed: 5x8 36 / 50,
 * 5x8 unrolled twice 33 / 30, 6x8 26 / 50; with rows packed by four steps and unrolled four times 5x8 34 / 38, 6x8 34 / 41;
 * with one pointer per row 5x8 21 / -. assembly/index.ts exports it only to keep Binaryen from inlining it, which halves the speed
 * for the same reason (31 to 19 GF/s on 14x14x512).
 */
export function multiplyTile(rows: usize, depth: i32, panel: usize, sums: usize): void {
  let w0: v128;
  let w1: v128;
  let x: v128;
  let s00 = v128.load(sums, 0);
  let s01 = v128.load(sums, 16);
  let s10 = v128.load(sums, 32);
  let s11 = v128.load(sums, 48);
  let s20 = v128.load(sums, 64);
  let s21 = v128.load(sums, 80);
  let s30 = v128.load(sums, 96);
  let s31 = v128.load(sums, 112);
  let s40 = v128.load(sums, 128);
  let s41 = v128.load(sums, 144);
  const end = rows + 4 * <usize>depth;
  while (rows < end) {
    w0 = v128.load(panel, 0);
    w1 = v128.load(panel, 16);
    x = v128.load32_splat(rows, 0 * 4 * DEPTH);
    s00 = simd.madd(x, w0, s00);
    s01 = simd.madd(x, w1, s01);
    x = v128.load32_splat(rows, 1 * 4 * DEPTH);
    s10 = simd.madd(x, w0, s10);
    s11 = simd.madd(x, w1, s11);
    x = v128.load32_splat(rows, 2 * 4 * DEPTH);
    s20 = simd.madd(x, w0, s20);
    s21 = simd.madd(x, w1, s21);
    x = v128.load32_splat(rows, 3 * 4 * DEPTH);
    s30 = simd.madd(x, w0, s30);
    s31 = simd.madd(x, w1, s31);
    x = v128.load32_splat(rows, 4 * 4 * DEPTH);
    s40 = simd.madd(x, w0, s40);
    s41 = simd.madd(x, w1, s41);
    rows += 4;
    panel += 4 * COLUMNS;
  }
  v128.store(sums, s00, 0);
  v128.store(sums, s01, 16);
  v128.store(sums, s10, 32);
  v128.store(sums, s11, 48);
  v128.store(sums, s20, 64);
  v128.store(sums, s21, 80);
  v128.store(sums, s30, 96);
  v128.store(sums, s31, 112);
  v128.store(sums, s40, 128);
  v128.store(sums, s41, 144);
}

/** Where row i of a block of rows begins, which has DEPTH / depth (rounded down) tiles side by side, then the next ones below. */
export function rowAt(rows: usize, i: i32, depth: i32): usize {
  const tile = i / ROWS;
  const beside = DEPTH / depth;
  return rows + 4 * <usize>(((tile / beside) * ROWS + (i % ROWS)) * DEPTH + (tile % beside) * depth);
}

/** Bytes of a block of `tiles` tiles. */
export function blockBytes(tiles: i32, depth: i32): usize {
  return 4 * <usize>(ceilDiv(tiles, DEPTH / depth) * ROWS * DEPTH);
}

/**
 * The same for a block of `tiles` tiles of rows and `columns` columns: strip after strip of weights, each read once per tile.
 * sums: [ceil(columns / COLUMNS)][tiles * ROWS][COLUMNS]; strips of panels lie `stripBytes` apart.
 */
export function multiplyBlock(
  rows: usize,
  tiles: i32,
  depth: i32,
  panel: usize,
  stripBytes: usize,
  columns: i32,
  sums: usize,
): void {
  const beside = DEPTH / depth;
  const tile: usize = 4 * <usize>depth;
  for (let k = 0; k < columns; k += COLUMNS) {
    let below = rows;
    for (let i = 0; i < tiles; i += beside) {
      let at = below;
      for (let left = min(beside, tiles - i); left > 0; left--) {
        multiplyTile(at, depth, panel, sums);
        sums += 4 * ROWS * COLUMNS;
        at += tile;
      }
      below += 4 * ROWS * DEPTH;
    }
    panel += stripBytes;
  }
}

/** Copies n floats; memory.copy costs a call into the engine, which short rows feel. */
export function copyFloats(to: usize, from: usize, n: i32): void {
  for (; n >= 4; n -= 4) {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
  }
  for (; n > 0; n--) {
    store<f32>(to, load<f32>(from));
    to += 4;
    from += 4;
  }
}

/** Writes n zeros, for short rows as well. */
export function clearFloats(to: usize, n: i32): void {
  for (; n >= 4; n -= 4) {
    v128.store(to, f32x4.splat(0));
    to += 16;
  }
  for (; n > 0; n--) {
    store<f32>(to, 0);
    to += 4;
  }
}

/** a / b, rounded up */
export function ceilDiv(a: i32, b: i32): i32 {
  return (a + b - 1) / b;
}

/** The greatest common divisor. */
export function gcd(a: i32, b: i32): i32 {
  while (b > 0) {
    const rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}
