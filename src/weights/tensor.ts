import { sizeFrom } from '../base/shape.js';
import { firstNonFinite, firstNonFiniteHalf } from './floats.js';
import { badWeights, quote } from './source.js';
import type { Tensor } from './types.js';

/** An array as a file holds it: row-major in the file's own layout. */
export interface RawTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Fills `target` with the elements of as many rows of the first dimension as it has room for, from row `first` on. */
  readRows(first: number, target: Float32Array): Promise<void>;
  /** The same as float16 bits; there only where the file holds float16. */
  readonly readHalves?: (first: number, target: Uint16Array) => Promise<void>;
}

/**
 * Elements that are read at once where the file has the right layout. CPU seconds of loading VGG16's .h5 on Zen 3: 2^18 elements
 * 1.80, 2^20 1.77, 2^21 1.57, 2^22 1.60, 2^23 1.64.
 */
const plainBlock = 1 << 21;
/** Elements that are transposed at once: large enough for one disk access, small beside the 411 MB of VGG16's fc1. */
const transposedBlock = 4 << 20;

/** Where a block of rows is read to, and what is then done with it. `first` is the block's first row. */
interface Blocks<Block> {
  /** Most elements of a block; one row at least. */
  most: number;
  read(first: number, target: Block): Promise<void>;
  /** May give a block's memory again two blocks later. */
  place(first: number, rows: number): Block;
  use(block: Block, first: number, rows: number): void | Promise<void>;
}

/** Reads a tensor block by block, each one while the one before is used. */
async function forBlocks<Block>(shape: readonly number[], { most, read, place, use }: Blocks<Block>): Promise<void> {
  const step = Math.max(1, Math.floor(most / sizeFrom(shape, 1)));
  const start = (first: number) => {
    const rows = Math.min(step, shape[0] - first);
    const block = place(first, rows);
    const done = read(first, block);
    done.catch(() => {}); // it is awaited later, perhaps after it has failed
    return { block, first, rows, done };
  };
  let reading = start(0);
  for (let next = step; ; next += step) {
    const { block, first, rows, done } = reading;
    await done;
    if (next < shape[0]) reading = start(next);
    try {
      await use(block, first, rows);
    } catch (error) {
      await reading.done.catch(() => {}); // so that nothing is written to the target any more when the caller hears of it
      throw error;
    }
    if (next >= shape[0]) return;
  }
}

function checkFinite(source: string, raw: RawTensor, block: Float32Array, firstElement: number): void {
  const at = firstNonFinite(block);
  if (at >= 0) throw notFinite(source, raw, firstElement + at, block[at]);
}

function notFinite(source: string, raw: RawTensor, flat: number, value: number): Error {
  const index: number[] = [];
  for (const side of [...raw.shape].reverse()) {
    index.unshift(flat % side);
    flat = Math.floor(flat / side);
  }
  return badWeights(source, `tensor ${quote(raw.name)}: expected finite numbers, got ${value} at [${index}]`);
}

function checkTarget(shape: readonly number[], target: Float32Array | Uint16Array): void {
  if (target.length !== sizeFrom(shape))
    throw new RangeError(`target: expected ${sizeFrom(shape)} elements, got ${target.length}`);
}

/** A tensor whose file has the right layout already. */
export function plainTensor(source: string, raw: RawTensor): Tensor {
  const { name, shape, readHalves } = raw;
  const row = sizeFrom(shape, 1);
  const copyInto: Tensor['copyInto'] = (target, onBlock) => {
    checkTarget(shape, target);
    return forBlocks<Float32Array>(shape, {
      most: plainBlock,
      read: (first, block) => raw.readRows(first, block),
      place: (first, rows) => target.subarray(first * row, (first + rows) * row),
      use(block, first) {
        checkFinite(source, raw, block, first * row);
        return onBlock?.(block.length);
      },
    });
  };
  const copyHalves: Tensor['copyHalves'] =
    readHalves &&
    ((target, onBlock) => {
      checkTarget(shape, target);
      return forBlocks<Uint16Array>(shape, {
        most: plainBlock,
        read: readHalves,
        place: (first, rows) => target.subarray(first * row, (first + rows) * row),
        use(block, first) {
          const at = firstNonFiniteHalf(block);
          if (at >= 0)
            throw notFinite(
              source,
              raw,
              first * row + at,
              (block[at] & 0x3ff) > 0 ? Number.NaN : block[at] & 0x8000 ? -Infinity : Infinity,
            );
          return onBlock?.(block.length);
        },
      });
    });
  return { name, shape, copyInto, copyHalves };
}

/** A whole vector, checked. */
export async function readVector(source: string, raw: RawTensor): Promise<Float32Array> {
  const values = new Float32Array(raw.shape[0]);
  await plainTensor(source, raw).copyInto(values);
  return values;
}

/** How a file's matrix becomes what the engine wants: inputs one after the other, each with all outputs. */
export interface Arrangement {
  /** Shape that the engine wants: (inputs ..., outputs). */
  readonly shape: readonly number[];
  /** Whether the file's matrix is (outputs, inputs); else (inputs, outputs). */
  readonly outFirst: boolean;
  /** Where each input of the file, in its order, lies among the engine's; in the same order where nothing is given. */
  readonly rows?: Int32Array;
  /** Multiplies every output's weights. */
  readonly scales?: () => Promise<Float64Array>;
}

/**
 * A tensor that PyTorch keeps as (out, outer, inner) and the engine wants as (inner, outer, out):
 * convolutions OIHW -> HWIO (outer = input channels, inner = 9), fc1 with CHW columns -> HWC rows (outer = channels,
 * inner = cells of the map), other dense layers (inner = 1).
 */
export function transposedTensor(
  source: string,
  raw: RawTensor,
  shape: readonly number[],
  inner: number,
  scales?: () => Promise<Float64Array>,
): Tensor {
  const inputs = sizeFrom(raw.shape, 1);
  const outer = inputs / inner;
  const rows = Int32Array.from({ length: inputs }, (_, i) => (i % inner) * outer + Math.floor(i / inner));
  return arrangedTensor(source, raw, { shape, outFirst: true, rows, scales });
}

/** A matrix, or an array that is (outputs, inputs ...) or (inputs ..., outputs), in the engine's order. */
export function arrangedTensor(source: string, raw: RawTensor, arrangement: Arrangement): Tensor {
  const { shape, outFirst, scales } = arrangement;
  const out = shape[shape.length - 1];
  const rows = arrangement.rows ?? Int32Array.from({ length: sizeFrom(shape) / out }, (_, i) => i);
  const columns = sizeFrom(raw.shape, 1);
  const place = outFirst ? transposeRows : moveRows;
  return {
    name: raw.name,
    shape,
    async copyInto(target, onBlock) {
      checkTarget(shape, target);
      const scale = (await scales?.()) ?? new Float64Array(out).fill(1);
      const length = Math.min(columns * raw.shape[0], Math.max(columns, transposedBlock));
      const buffers = [0, 1].map(() => new Float32Array(length));
      await forBlocks<Float32Array>(raw.shape, {
        most: transposedBlock,
        read: (first, block) => raw.readRows(first, block),
        place(_, count) {
          buffers.reverse();
          return buffers[0].subarray(0, count * columns);
        },
        use(block, first) {
          checkFinite(source, raw, block, first * columns);
          place(block, { first: first * columns, rows, scale }, target);
          return onBlock?.(block.length);
        },
      });
      const at = scales ? firstNonFinite(target) : -1;
      if (at >= 0) throw badWeights(source, `tensor ${quote(raw.name)}: exceeds float32 with its batch normalization`);
    },
  };
}

/** A block of a file's matrix: `first` is its first element. */
interface Part {
  first: number;
  rows: Int32Array;
  scale: Float64Array;
}

/** (outputs, inputs): target[rows[c]][o] = block[o - first output][c] * scale[o] */
function transposeRows(block: Float32Array, { first, rows, scale }: Part, target: Float32Array): void {
  const [columns, out] = [rows.length, scale.length];
  const count = block.length / columns;
  const firstOut = first / columns;
  for (let column = 0; column < columns; column += tileColumns) {
    const columnEnd = Math.min(columns, column + tileColumns);
    for (let row = 0; row < count; row += tileRows) {
      const rowEnd = Math.min(count, row + tileRows);
      for (let c = column; c < columnEnd; c++) {
        const base = rows[c] * out + firstOut;
        for (let r = row, from = row * columns + c; r < rowEnd; r++, from += columns)
          target[base + r] = block[from] * scale[firstOut + r];
      }
    }
  }
}

/** (inputs, outputs): target[rows[i]][o] = block[i - first input][o] * scale[o] */
function moveRows(block: Float32Array, { first, rows, scale }: Part, target: Float32Array): void {
  const out = scale.length;
  for (let from = 0, row = first / out; from < block.length; from += out, row++) {
    const base = rows[row] * out;
    for (let o = 0; o < out; o++) target[base + o] = block[from + o] * scale[o];
  }
}

/**
 * The tile of `transposeRows`: 16 columns are one cache line of the block. Measured on fc1 with 16 MB blocks: 16x16 1.2
 * s, 16x128 0.7 s.
 */
const tileColumns = 16;
const tileRows = 128;
