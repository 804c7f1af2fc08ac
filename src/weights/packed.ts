import type { RawLayer, RawNetwork } from './check-chain.js';
import { degriddingName, degriddingRates } from './degridding.js';
import { badWeights, quote } from './source.js';
import { requiredTensor, type TensorFile } from './tensor-file.js';

/**
 * The names of the package's own format, written by src/calls/packing.ts: Keras' names of the layers, each with `.kernel` and `.bias`, in the
 * engine's layouts: convolutions (3, 3, cin, cout), dense layers (in, out) with fc1's rows in (row, column, channel) order. Degridding
 * layers have their rates in the metadata.
 */
const layers = {
  conv: (block: number, i: number) => `block${block}_conv${i}`,
  dense: (i: number) => `fc${i}`,
  last: 'predictions',
};

export const isPacked = ({ tensors }: TensorFile): boolean => tensors.has(`${layers.conv(1, 1)}.kernel`);

/** Reads a safetensors file for which `isPacked`. */
export function readPackedNetwork(file: TensorFile): RawNetwork {
  const { source, tensors, metadata } = file;
  const has = (name: string) => tensors.has(`${name}.kernel`);
  const layer = (name: string): RawLayer => ({
    kernel: requiredTensor(file, `${name}.kernel`),
    bias: requiredTensor(file, `${name}.bias`),
  });
  const blocks: RawLayer[][] = [];
  for (let block = 1; has(layers.conv(block, 1)); block++) {
    blocks.push([]);
    for (let i = 1; has(layers.conv(block, i)); i++) blocks[block - 1].push(layer(layers.conv(block, i)));
  }
  const dense: RawLayer[] = [];
  for (let i = 1; has(layers.dense(i)); i++) dense.push(layer(layers.dense(i)));
  if (dense.length > 0 || has(layers.last)) dense.push(layer(layers.last));

  const degridding = degriddingRates(metadata.get('degrid'), source)?.map((rate, i) => ({
    ...layer(degriddingName(i)),
    rate,
  }));
  const known = new Set(
    [...blocks.flat(), ...(degridding ?? []), ...dense].flatMap(({ kernel, bias }) => [kernel.name, bias.name]),
  );
  const stray = [...tensors.keys()].find((name) => !known.has(name));
  if (stray !== undefined)
    throw badWeights(
      source,
      `expected "block1_conv1" ... "predictions" without a gap, got ${quote(stray)} beside them`,
    );
  return { source, layout: 'keras', blocks, ...(degridding && { degridding }), dense, metadata };
}
