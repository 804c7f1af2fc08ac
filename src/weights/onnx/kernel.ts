import { sizeFrom } from '../../base/shape.js';
import { badWeights, quote } from '../source.js';
import { arrangedTensor, plainTensor, type RawTensor } from '../tensor.js';
import type { Tensor } from '../types.js';
import { type Constant, gathered } from './values.js';

/** The kernel of a convolution or dense layer as the file has it: a matrix of inputs and outputs. */
export interface Kernel {
  /** Two dimensions. */
  readonly raw: RawTensor;
  /** Whether the matrix is (outputs, inputs); else (inputs, outputs). */
  readonly outFirst: boolean;
  /** Where each input of the file, in its order, lies among the engine's; in the same order where nothing is given. */
  readonly rows?: Int32Array;
}

/**
 * The kernel that a constant is: dimension `out` counts outputs, `inputs` are the other ones in the engine's order. `places` says where
 * each input, in that order, lies among the engine's, where it is elsewhere. Large kernels stay in the file.
 */
export async function kernelOf(
  of: Constant,
  inputs: readonly number[],
  out: number,
  places?: Int32Array,
): Promise<Kernel> {
  const { shape, stored } = of;
  const matrix = [inputs.reduce((product, d) => product * shape[d], 1), shape[out]];
  const filed = stored ? dimensionsInFile(stored.order).filter((d) => d === out || shape[d] > 1) : [];
  const at = filed.indexOf(out);
  if (!stored?.tensor.raw || (at > 0 && at < filed.length - 1)) {
    const order = [...inputs, out];
    const values = gathered(
      await of.numbers(),
      order.map((d) => shape[d]),
      order.map((d) => sizeFrom(shape, d + 1)),
    );
    return { raw: rawNumbers(stored?.tensor.name ?? '', matrix, values), outFirst: false, rows: unlessOrdered(places) };
  }
  const outFirst = at === 0;
  const order = filed.filter((d) => d !== out);
  const steps = order.map((d) =>
    sizeFrom(
      inputs.map((input) => shape[input]),
      inputs.indexOf(d) + 1,
    ),
  );
  const rows = rowsOf(
    order.map((d) => shape[d]),
    steps,
    places,
  );
  const raw = stored.tensor.as(outFirst ? [matrix[1], matrix[0]] : matrix).raw!;
  return { raw, outFirst, rows };
}

/** A constant's dimensions in the order in which its array has them. */
const dimensionsInFile = (order: readonly number[]): number[] =>
  order.map((_, d) => d).sort((a, b) => order[a] - order[b]);

/** Where each input lies, of inputs that run through dimensions with these steps. */
function rowsOf(sizes: readonly number[], steps: readonly number[], places?: Int32Array): Int32Array | undefined {
  const rows = new Int32Array(sizeFrom(sizes));
  let inner = rows.length;
  for (const [d, size] of sizes.entries()) {
    inner /= size;
    for (let i = 0; i < rows.length; i++) rows[i] += (Math.floor(i / inner) % size) * steps[d];
  }
  return unlessOrdered(places ? rows.map((row) => places[row]) : rows);
}

const unlessOrdered = (rows?: Int32Array): Int32Array | undefined =>
  rows?.every((row, i) => row === i) ? undefined : rows;

/** An array in memory. */
const rawNumbers = (name: string, shape: readonly number[], values: Float64Array): RawTensor => ({
  name,
  shape,
  async readRows(first, target) {
    const start = first * sizeFrom(shape, 1);
    target.set(values.subarray(start, start + target.length));
  },
});

/** The kernel in the engine's shape, each output times its factor; read from the file when it is copied. */
export function kernelTensor(
  source: string,
  { raw, outFirst, rows }: Kernel,
  shape: readonly number[],
  factor?: Float64Array,
): Tensor {
  const [inputs, out] = outFirst ? [raw.shape[1], raw.shape[0]] : raw.shape;
  if (inputs * out !== sizeFrom(shape) || out !== shape[shape.length - 1])
    throw badWeights(source, `tensor ${quote(raw.name)}: expected shape [${shape}], got [${raw.shape}]`);
  if ((!outFirst || inputs === 1 || out === 1) && !rows && !factor) return { ...plainTensor(source, raw), shape };
  const scales = factor && (async () => factor);
  return arrangedTensor(source, raw, { shape, outFirst, rows, scales });
}
