import type { Job } from '../job.js';

/** As in assembly/tile.ts. */
const DEPTH = 256;

/**
 * A block: rows of a and columns of b that are brought into the tile's order together, and the depth of both. The gathered rows
 * serve 16 strips of b, whose 512 bytes a row are long enough for the memory's prefetchers; all three parts fit a thread's scratch.
 */
const BLOCK = { rows: 20, columns: 128, depth: 64 };

/** Multiply-accumulates of a task at most, about 4 ms, unless a single block of rows and columns has more. */
const MACS_PER_TASK = 5e7;

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
  const columns = Math.min(BLOCK.columns, c.cols);
  const blocks = Math.max(1, Math.floor(MACS_PER_TASK / Math.max(1, BLOCK.rows * columns * a.cols)));
  const rows = BLOCK.rows * Math.min(blocks, Math.ceil(c.rows / BLOCK.rows / 8));
  const operands = [a.ptr, a.row, a.col, b.ptr, b.row, b.col, bias, c.ptr, c.row, c.rows, c.cols, a.cols];
  return {
    kernel: 'gemm',
    args: [...operands, relu ? 1 : 0, rows, columns, BLOCK.rows, BLOCK.columns, BLOCK.depth],
    tasks: Math.ceil(c.rows / rows) * Math.ceil(c.cols / columns),
    scratch: 4 * (BLOCK.rows * (BLOCK.columns + DEPTH) + BLOCK.columns * BLOCK.depth),
  };
}
