import { simd } from './simd';
import { blockBytes, COLUMNS, ceilDiv, copyFloats, multiplyBlock, ROWS, rowAt } from './tile';

/** Strides are in floats. */
@unmanaged
class GemmArgs {
  a: usize;
  aRow: i32;
  aCol: i32;
  b: usize;
  bRow: i32;
  bCol: i32;
  bias: usize;
  c: usize;
  cRow: i32;
  m: i32;
  n: i32;
  k: i32;
  relu: i32;
  /** Rows and columns of c that a task computes. */
  rows: i32;
  columns: i32;
  /** Rows that are gathered at a time, a multiple of ROWS; columns that are packed at a time, a multiple of COLUMNS; and their depth. */
  blockRows: i32;
  blockColumns: i32;
  blockDepth: i32;
}

/**
 * c (m, n) = a (m, k) b (k, n) + bias (n; 0: none), and ReLU. c is overwritten. a and b may have any strides, so their transposes
 * (a gradient's a' b and a b') are the same call. Task = (range of rows, range of columns). Every element is bias + sum over k in
 * ascending order, whatever the blocks or the task: for m = 1 the same bits as `dense`.
 * scratch: sums [columns / 8][rows][8] | a block of rows of a | strips of b [columns / 8][depth][8]
 */
export function gemm(args: GemmArgs, task: i32, scratch: usize): void {
  const across = ceilDiv(args.n, args.columns);
  const top = (task / across) * args.rows;
  const left = (task % across) * args.columns;
  const bottom = min(args.m, top + args.rows);
  const right = min(args.n, left + args.columns);
  for (let j = left; j < right; j += args.blockColumns) {
    for (let i = top; i < bottom; i += args.blockRows) {
      multiplyOneBlock(args, i, min(args.blockRows, bottom - i), j, min(args.blockColumns, right - j), scratch);
    }
  }
}

/** c for `rows` rows from i on and `columns` columns from j on. */
function multiplyOneBlock(args: GemmArgs, i: i32, rows: i32, j: i32, columns: i32, scratch: usize): void {
  const tiles = ceilDiv(rows, ROWS);
  const sums = scratch;
  const gathered = sums + 4 * <usize>(args.blockRows * args.blockColumns);
  const strips = gathered + blockBytes(args.blockRows / ROWS, args.blockDepth);
  seed(args.bias ? args.bias + 4 * <usize>j : 0, columns, tiles * ROWS, sums);
  for (let p = 0; p < args.k; p += args.blockDepth) {
    const depth = min(args.blockDepth, args.k - p);
    for (let r = 0; r < rows; r++) {
      const from = element(args.a, i + r, args.aRow, p, args.aCol);
      gather(from, args.aCol, depth, rowAt(gathered, r, depth));
    }
    const b = element(args.b, p, args.bRow, j, args.bCol);
    pack(b, args.bRow, args.bCol, depth, columns, strips);
    multiplyBlock(gathered, tiles, depth, strips, 4 * <usize>(COLUMNS * depth), columns, sums);
  }
  write(args, i, rows, j, columns, 4 * <usize>(COLUMNS * tiles * ROWS), sums);
}

/** Address of element (i, j). */
function element(matrix: usize, i: i32, row: i32, j: i32, column: i32): usize {
  return matrix + 4 * (<usize>i * <usize>row + <usize>j * <usize>column);
}

/** sums [columns / 8][rows][8] = bias, 0: zeros. What lies beyond the last column is never stored. */
function seed(bias: usize, columns: i32, rows: i32, sums: usize): void {
  for (let left = columns; left > 0; left -= COLUMNS) {
    const low = bias ? simd.loadLanes(bias, left) : f32x4.splat(0);
    const high = bias && left > 4 ? simd.loadLanes(bias + 16, left - 4) : f32x4.splat(0);
    for (let r = 0; r < rows; r++) {
      v128.store(sums, low);
      v128.store(sums, high, 16);
      sums += 4 * COLUMNS;
    }
    if (bias) bias += 4 * COLUMNS;
  }
}

/** to (n) = from (n), `step` floats apart. */
function gather(from: usize, step: i32, n: i32, to: usize): void {
  if (step === 1) {
    copyFloats(to, from, n);
    return;
  }
  for (; n > 0; n--) {
    store<f32>(to, load<f32>(from));
    from += 4 * <usize>step;
    to += 4;
  }
}

/** to [columns / 8][depth][8] = from (depth, columns) with strides, zeros behind the last column. */
function pack(from: usize, row: i32, column: i32, depth: i32, columns: i32, to: usize): void {
  const strip: usize = 4 * <usize>(COLUMNS * depth);
  if (column === 1) {
    for (let p = 0; p < depth; p++) {
      packRow(from, columns, strip, to);
      from += 4 * <usize>row;
      to += 4 * COLUMNS;
    }
    return;
  }
  for (let left = columns; left > 0; left -= COLUMNS) {
    packColumns(from, row, column, depth, min(left, COLUMNS), to);
    from += 4 * <usize>(COLUMNS * column);
    to += strip;
  }
}

/** One row of all strips: reading along b's rows is what its memory likes. */
function packRow(from: usize, columns: i32, strip: usize, to: usize): void {
  let left = columns;
  for (; left >= COLUMNS; left -= COLUMNS) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    from += 4 * COLUMNS;
    to += strip;
  }
  if (left === 0) return;
  v128.store(to, simd.loadLanes(from, left));
  v128.store(to, left > 4 ? simd.loadLanes(from + 16, left - 4) : f32x4.splat(0), 16);
}

/** One strip whose columns lie apart: column by column, so that a transposed b is read in the order of memory. */
function packColumns(from: usize, row: i32, column: i32, depth: i32, lanes: i32, to: usize): void {
  for (let k = 0; k < COLUMNS; k++) {
    let source = from;
    let target = to + 4 * k;
    for (let p = 0; p < depth; p++) {
      store<f32>(target, k < lanes ? load<f32>(source) : 0);
      source += 4 * <usize>row;
      target += 4 * COLUMNS;
    }
    from += 4 * <usize>column;
  }
}

/** c = sums; strips of sums lie stripBytes apart. */
function write(args: GemmArgs, i: i32, rows: i32, j: i32, columns: i32, stripBytes: usize, sums: usize): void {
  for (let k = 0; k < columns; k += COLUMNS) {
    const lanes = min(COLUMNS, columns - k);
    let from = sums;
    let to = element(args.c, i, args.cRow, j + k, 1);
    for (let r = 0; r < rows; r++) {
      let low = v128.load(from);
      let high = v128.load(from, 16);
      if (args.relu) {
        low = simd.relu(low);
        high = simd.relu(high);
      }
      simd.storeLanes(to, low, lanes);
      if (lanes > 4) simd.storeLanes(to + 16, high, lanes - 4);
      from += 4 * COLUMNS;
      to += 4 * <usize>args.cRow;
    }
    sums += stripBytes;
  }
}
