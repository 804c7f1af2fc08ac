import { firstNonFinite } from './floats.js';
import { badWeights, quote } from './source.js';
import type { Tensor } from './types.js';

/** An array as a file holds it: row-major float32 in the file's own layout. */
export interface RawTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** The elements of rows `from` to `to` - 1 of the first dimension; the result must not be written to. */
  readRows(from: number, to: number): Promise<Float32Array>;
}

/** Bytes of float32 that are read at once: large enough for one disk access, small beside the 411 MB of VGG16's fc1. */
const blockBytes = 16 << 20;

/** Elements of the last dimensions, from `first` on. */
export const sizeFrom = (shape: readonly number[], first: number): number =>
  shape.slice(first).reduce((product, side) => product * side, 1);

/** Calls `use` for block after block of rows, having refused what is not finite. `first` is the block's first row. */
async function forBlocks(
  source: string,
  raw: RawTensor,
  use: (block: Float32Array, first: number, rows: number) => void,
) {
  const length = sizeFrom(raw.shape, 1);
  const step = Math.max(1, Math.floor(blockBytes / (4 * length)));
  for (let first = 0; first < raw.shape[0]; first += step) {
    const rows = Math.min(step, raw.shape[0] - first);
    const block = await raw.readRows(first, first + rows);
    const at = firstNonFinite(block);
    if (at >= 0) throw notFinite(source, raw, first * length + at, block[at]);
    use(block, first, rows);
  }
}

function notFinite(source: string, raw: RawTensor, flat: number, value: number): Error {
  const index: number[] = [];
  for (const side of [...raw.shape].reverse()) {
    index.unshift(flat % side);
    flat = Math.floor(flat / side);
  }
  return badWeights(source, `tensor ${quote(raw.name)}: expected finite numbers, got ${value} at [${index}]`);
}

function checkTarget(shape: readonly number[], target: Float32Array): void {
  if (target.length !== sizeFrom(shape, 0))
    throw new RangeError(`target: expected ${sizeFrom(shape, 0)} elements, got ${target.length}`);
}

/** A tensor whose file has the right layout already. */
export function plainTensor(source: string, raw: RawTensor): Tensor {
  return {
    name: raw.name,
    shape: raw.shape,
    async copyInto(target) {
      checkTarget(raw.shape, target);
      const length = sizeFrom(raw.shape, 1);
      await forBlocks(source, raw, (block, first) => target.set(block, first * length));
    },
  };
}

/** A whole vector, checked. */
export async function readVector(source: string, raw: RawTensor): Promise<Float32Array> {
  const values = new Float32Array(raw.shape[0]);
  await plainTensor(source, raw).copyInto(values);
  return values;
}

/**
 * A tensor that PyTorch keeps as (out, outer, inner) and the engine wants as (inner, outer, out):
 * convolutions OIHW -> HWIO (outer = input channels, inner = 9), fc1 with CHW columns -> HWC rows (outer = channels,
 * inner = cells of the map), other dense layers (inner = 1). `scales`, where given, multiplies every output's weights.
 */
export function transposedTensor(
  source: string,
  raw: RawTensor,
  shape: readonly number[],
  inner: number,
  scales?: () => Promise<Float64Array>,
): Tensor {
  const out = raw.shape[0];
  const outer = sizeFrom(raw.shape, 1) / inner;
  return {
    name: raw.name,
    shape,
    async copyInto(target) {
      checkTarget(shape, target);
      const scale = (await scales?.()) ?? new Float64Array(out).fill(1);
      await forBlocks(source, raw, (block, first, rows) =>
        transposeRows(block, { first, rows, out, outer, inner }, scale, target),
      );
      const at = scales ? firstNonFinite(target) : -1;
      if (at >= 0) throw badWeights(source, `tensor ${quote(raw.name)}: exceeds float32 with its batch normalization`);
    },
  };
}

/** target[i][o][first + r] = block[r][o][i] * scale[first + r] */
function transposeRows(
  block: Float32Array,
  { first, rows, out, outer, inner }: { first: number; rows: number; out: number; outer: number; inner: number },
  scale: Float64Array,
  target: Float32Array,
): void {
  const columns = outer * inner;
  for (let column = 0; column < columns; column += tileColumns) {
    const columnEnd = Math.min(columns, column + tileColumns);
    for (let row = 0; row < rows; row += tileRows) {
      const rowEnd = Math.min(rows, row + tileRows);
      for (let c = column; c < columnEnd; c++) {
        const base = ((c % inner) * outer + Math.floor(c / inner)) * out + first;
        for (let r = row, from = row * columns + c; r < rowEnd; r++, from += columns)
          target[base + r] = block[from] * scale[first + r];
      }
    }
  }
}

/** The tile of `transposeRows`: 16 columns are one cache line of the block. Measured on fc1 with 16 MB blocks: 16x16 1.2 s, 16x128 0.7 s. */
const tileColumns = 16;
const tileRows = 128;
