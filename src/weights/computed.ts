import { sizeFrom } from '../base/shape.js';
import { firstNonFinite } from './floats.js';
import { badWeights, quote } from './source.js';
import type { Tensor } from './types.js';

/** One number a channel in float64, read or computed when it is first asked for. */
export type Numbers = () => Promise<Float64Array>;

/** x scale + shift, of each channel. */
export interface Affine {
  readonly scale: Numbers;
  readonly shift: Numbers;
  /** Where these are the same for all channels, and known. */
  readonly uniform?: { readonly scale: number; readonly shift: number };
}

/** Most numbers that are held as vectors; no known network has a tenth. */
const longestVector = 1 << 24;

/** The same, computed once. */
export function once(compute: Numbers): Numbers {
  let numbers: Promise<Float64Array> | undefined;
  return () => {
    numbers ??= compute();
    return numbers;
  };
}

/** Numbers that are known. */
export const constant = (values: ArrayLike<number>): Numbers => {
  const numbers = Float64Array.from(values);
  return async () => numbers;
};

/** `count` times the same number. */
export const repeated = (value: number, count: number): Numbers =>
  once(async () => new Float64Array(count).fill(value));

/** The same scale and shift for all channels. */
export const uniformAffine = (channels: number, scale: number, shift: number): Affine => ({
  scale: repeated(scale, channels),
  shift: repeated(shift, channels),
  uniform: { scale, shift },
});

/** All numbers of a tensor. */
export const numbersOf = (source: string, { name, shape, copyInto }: Tensor): Numbers =>
  once(async () => {
    const size = sizeFrom(shape);
    if (size > longestVector)
      throw badWeights(source, `tensor ${quote(name)}: expected at most ${longestVector} numbers, got ${size}`);
    const values = new Float32Array(size);
    await copyInto(values);
    return Float64Array.from(values);
  });

/** Numbers made of others, channel by channel. */
export const combined = (all: readonly Numbers[], make: (values: readonly number[]) => number): Numbers =>
  once(async () => {
    const read = await Promise.all(all.map((numbers) => numbers()));
    return read[0].map((_, i) => make(read.map((numbers) => numbers[i])));
  });

/** `second` of `first`. */
export const composed = (first: Affine, second: Affine): Affine => ({
  scale: combined([first.scale, second.scale], ([a, b]) => a * b),
  shift: combined([first.shift, second.scale, second.shift], ([shift, a, b]) => shift * a + b),
});

/** v W, for a vector v with one number a row of the matrix W. */
export const rowsTimes = (matrix: Tensor, numbers: Numbers): Numbers =>
  once(async () => {
    const [rows, columns] = matrix.shape;
    const [factors, values] = [await numbers(), new Float32Array(rows * columns)];
    await matrix.copyInto(values);
    const sums = new Float64Array(columns);
    for (let row = 0, i = 0; row < rows; row++) for (let o = 0; o < columns; o++) sums[o] += factors[row] * values[i++];
    return sums;
  });

/** A vector in memory, to be rounded to float32; `name` is for messages. */
export const vectorTensor = (source: string, name: string, numbers: Float64Array): Tensor => ({
  name,
  shape: [numbers.length],
  async copyInto(target, onBlock) {
    target.set(numbers);
    checkFinite(source, name, target);
    await onBlock?.(target.length);
  },
});

/** The same elements in the same order under another shape. */
export const reshaped = (tensor: Tensor, shape: readonly number[]): Tensor => ({ ...tensor, shape });

/** Each element times the factor of its column, the last dimension. */
export function scaledColumns(source: string, tensor: Tensor, factors: Float64Array): Tensor {
  const { name, shape, copyInto } = tensor;
  const columns = factors.length;
  return {
    name,
    shape,
    async copyInto(target, onBlock) {
      await copyInto(target, onBlock);
      for (let i = 0; i < target.length; i += columns) for (let o = 0; o < columns; o++) target[i + o] *= factors[o];
      checkFinite(source, name, target);
    },
  };
}

/** A matrix, each row times its number. */
export function scaledRows(source: string, { name, shape, copyInto }: Tensor, scale: Numbers): Tensor {
  const [rows, columns] = shape;
  return {
    name,
    shape,
    async copyInto(target, onBlock) {
      const factors = await scale();
      await copyInto(target, onBlock);
      for (let row = 0, i = 0; row < rows; row++) for (const end = i + columns; i < end; i++) target[i] *= factors[row];
      checkFinite(source, name, target);
    },
  };
}

function checkFinite(source: string, name: string, target: Float32Array): void {
  const at = firstNonFinite(target);
  if (at >= 0) throw badWeights(source, `tensor ${quote(name)}: with its normalization, element ${at} exceeds float32`);
}
