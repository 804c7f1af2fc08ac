import { sizeFrom } from '../../base/shape.js';
import type { NodeId } from '../../graph/graph.js';
import { isFloatType } from '../floats.js';
import type { OnnxTensor } from './data.js';
import type { Dim, View } from './layout.js';
import type { Moments } from './moments.js';

/** What the name of a value in the file means: numbers that do not depend on the picture, a map, or something on the way to one. */
export type Value = Constant | MapValue | Form | Failure;

/** A way to read a node's map. */
export interface MapValue extends View {
  readonly kind: 'map';
}

/** What is no node of a graph by itself, but part of one, such as the error function in a GELU. */
export interface Form extends View {
  readonly kind: 'form';
  readonly form: FormOf;
  /** What it is and which node of the file it comes from, for messages. */
  readonly what: string;
}

/** Of a node x. */
export type FormOf =
  /** scale * erf(x) + shift */
  | { readonly f: 'erf'; readonly scale: number; readonly shift: number }
  | Moments
  /** The square of x less the mean of its channels; `of` are the dimensions of x. */
  | { readonly f: 'centred-square'; readonly of: readonly Dim[] }
  /** The mean of those squares plus epsilon, and its square root. */
  | { readonly f: 'variance' | 'deviation'; readonly epsilon: number; readonly of: readonly Dim[] }
  /** The mean, largest or sum of all rows, or of all columns, by itself; what is left. */
  | { readonly f: 'half'; readonly kind: 'mean' | 'max' | 'sum'; readonly left: 'h' | 'w' }
  /** Every step-th row and column from a start on; rows and columns differ. */
  | { readonly f: 'crop'; readonly rows: Steps; readonly columns: Steps }
  /** A tensor whose dimensions of size 1 are repeated, as a sum or product would do by itself. */
  | { readonly f: 'spread'; readonly sizes: readonly number[] }
  /** The end of a classifier. */
  | { readonly f: 'softmax' };

export interface Steps {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** What could not be understood: an error as soon as something depends on it. `behind` is a vector of classes that it only sorts out. */
export interface Failure {
  readonly kind: 'failure';
  readonly error: Error;
  readonly behind?: Value;
}

/** Numbers that the file holds, or that can be computed without a picture. */
export interface Constant {
  readonly kind: 'constant';
  readonly shape: readonly number[];
  /** Whether they are integers, whose quotients are too, or truth values. */
  readonly whole: boolean;
  /** The array of the file that they are, and which of its dimensions each dimension runs through. */
  readonly stored?: { readonly tensor: OnnxTensor; readonly order: readonly number[] };
  /** All numbers, row by row. */
  numbers(): Promise<Float64Array>;
}

export const mapValue = (node: NodeId, dims: readonly Dim[]): MapValue => ({ kind: 'map', node, dims });

export const constant = (shape: readonly number[], values: Float64Array, whole: boolean): Constant => ({
  kind: 'constant',
  shape,
  whole,
  numbers: async () => values,
});

export function tensorConstant(tensor: OnnxTensor, order = tensor.shape.map((_, i) => i)): Constant {
  const shape = order.map((dimension) => tensor.shape[dimension]);
  const isPlain = order.every((dimension, i) => dimension === i);
  let read: Promise<Float64Array> | undefined;
  return {
    kind: 'constant',
    shape,
    whole: !isFloatType(tensor.dtype),
    stored: { tensor, order },
    numbers() {
      read ??= tensor.numbers().then((values) => (isPlain ? values : permuted(values, tensor.shape, order)));
      return read;
    },
  };
}

/** The same numbers with other dimensions. */
export async function reshapedConstant(of: Constant, shape: readonly number[]): Promise<Constant> {
  const { stored, whole } = of;
  if (stored?.order.every((dimension, i) => dimension === i)) return tensorConstant(stored.tensor.as(shape));
  return constant(shape, await of.numbers(), whole);
}

export async function transposedConstant(of: Constant, order: readonly number[]): Promise<Constant> {
  const { stored, whole, shape } = of;
  if (stored)
    return tensorConstant(
      stored.tensor,
      order.map((dimension) => stored.order[dimension]),
    );
  return constant(
    order.map((dimension) => shape[dimension]),
    permuted(await of.numbers(), shape, order),
    whole,
  );
}

/** The elements of an array in the order of other dimensions. */
function permuted(values: Float64Array, shape: readonly number[], order: readonly number[]): Float64Array {
  return gathered(
    values,
    order.map((dimension) => shape[dimension]),
    order.map((dimension) => sizeFrom(shape, dimension + 1)),
  );
}

/** Elements at the given distances a dimension; 0 repeats. */
export function gathered(
  values: Float64Array,
  shape: readonly number[],
  strides: readonly number[],
  first = 0,
): Float64Array {
  const made = new Float64Array(sizeFrom(shape));
  const index = shape.map(() => 0);
  let from = first;
  for (let i = 0; i < made.length; i++) {
    made[i] = values[from];
    for (let d = shape.length - 1; d >= 0; d--) {
      from += strides[d];
      if (++index[d] < shape[d]) break;
      from -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
  return made;
}
