import { DEPTH, ROWS } from '../assembly.js';
import { type Job, job } from '../job.js';
import { up } from './split.js';

/** Depth that rows of a and columns of b are brought into the tile's order for at a time. */
const BLOCK_DEPTH = 64;

/**
 * Rows of a and columns of b of a block: many rows, because b is read again for each block of rows; where there are few rows, more
 * columns, because longer pieces of b's rows stream faster. Measured on Zen 3, Node 20, one thread, GF/s plain / relaxed:
 * (1000, 250) times (250, 1000), in the cache, 29 / 38; (256, 4000) times (4000, 1000), mostly from memory, 15-21 / 21 (20 rows
 * and 128 columns: 11).
 */
const blockOf = (rows: number): { rows: number; columns: number } =>
  rows > 20 ? { rows: 80, columns: 64 } : { rows: 20, columns: 128 };

/** Multiply-accumulates of a task at most, about 6 ms. */
const MACS_PER_TASK = 7.5e7;

/** A matrix in the wasm memory: element (i, j) is the float32 at `ptr + 4 * (i * row + j * col)`. Transposing swaps `row` and `col`. */
export interface Matrix {
  readonly ptr: number;
  readonly rows: number;
  readonly cols: number;
  readonly row: number;
  readonly col: number;
}

/** A dense (rows, cols) matrix at `ptr`. */
export const matrix = (ptr: number, rows: number, cols: number): Matrix => ({ ptr, rows, cols, row: cols, col: 1 });

/** The transpose, a view. */
export const transpose = ({ ptr, rows, cols, row, col }: Matrix): Matrix => ({
  ptr,
  rows: cols,
  cols: rows,
  row: col,
  col: row,
});

/**
 * c (m, n) = a (m, k) b (k, n) + bias (n; pointer 0: none), and ReLU if asked for. The columns of c must lie side by side.
 * The depth k is summed in ascending order.
 */
export function gemmJob(
  a: Matrix,
  b: Matrix,
  c: Matrix,
  { bias = 0, relu = false }: { bias?: number; relu?: boolean } = {},
): Job {
  const block = blockOf(c.rows);
  const columns = Math.min(block.columns, c.cols);
  const most = Math.max(ROWS, Math.floor(MACS_PER_TASK / (columns * a.cols)));
  const rows = up(Math.min(most, Math.ceil(c.rows / 4)), ROWS); // four tasks at least where there are rows enough, for threads
  const blockRows = Math.min(rows, block.rows);
  const fields = {
    a: a.ptr,
    aRow: a.row,
    aCol: a.col,
    b: b.ptr,
    bRow: b.row,
    bCol: b.col,
    bias,
    c: c.ptr,
    cRow: c.row,
    m: c.rows,
    n: c.cols,
    k: a.cols,
    relu,
    rows,
    columns,
    blockRows,
    blockColumns: block.columns,
    blockDepth: BLOCK_DEPTH,
  };
  const tasks = Math.ceil(c.rows / rows) * Math.ceil(c.cols / columns);
  const gathered = up(blockRows, 4 * ROWS) * (DEPTH / 4);
  return job('gemm', fields, tasks, 4 * (blockRows * block.columns + gathered + block.columns * BLOCK_DEPTH));
}
