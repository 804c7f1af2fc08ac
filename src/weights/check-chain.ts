import { AtrousCamError } from '../base/errors.js';
import { sizeFrom } from '../base/shape.js';
import type { Normalization } from '../base/types.js';
import { chainGraph } from '../graph/chain.js';
import { readTopology } from '../graph/topology.js';
import { degriddingName } from './degridding.js';
import { readEvidence } from './evidence.js';
import { vggName } from './family.js';
import { namesOfClasses } from './labels.js';
import { preprocessingFor } from './preprocessing.js';
import { badWeights, quote } from './source.js';
import { plainTensor, type RawTensor, readVector, transposedTensor } from './tensor.js';
import {
  type ChainWeights,
  type ConvWeights,
  convWeights,
  type DenseWeights,
  type NetworkWeights,
  type ReaderOptions,
  type Tensor,
} from './types.js';

/** Inference-time batch normalization after a convolution: (x - mean) / sqrt(variance + epsilon) * weight + bias. */
export interface RawBatchNorm {
  readonly weight: RawTensor;
  readonly bias: RawTensor;
  readonly mean: RawTensor;
  readonly variance: RawTensor;
  /** PyTorch's and ONNX' 1e-5 where the file does not say. */
  readonly epsilon?: number;
}

export interface RawLayer {
  readonly kernel: RawTensor;
  readonly bias: RawTensor;
  readonly norm?: RawBatchNorm;
}

/** What a reader found in a file: layers by their role, nothing about their shapes checked yet. */
export interface RawNetwork {
  readonly source: string;
  /** `torch`: (out, in, 3, 3) and (out, in), columns of the first dense layer in CHW order. `keras`: (3, 3, in, out), (in, out), HWC. */
  readonly layout: 'torch' | 'keras';
  readonly blocks: readonly (readonly RawLayer[])[];
  /** Degridding layers behind the last block, where there are any. */
  readonly degridding?: readonly (RawLayer & { readonly rate: number })[];
  readonly dense: readonly RawLayer[];
  /** What the names of the layers say of the numbers that the input expects. */
  readonly normalization?: Normalization;
  /** Text beside the tensors; `labels` and `preprocessing` are ours. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** An opened file's network. */
export interface OpenedNetwork {
  network: RawNetwork;
  /** Ends what the format's library keeps open. */
  close?: () => void;
}

export interface NetworkOptions extends ReaderOptions {
  /** Side of the input for files without dense layers, a multiple of 32; 224 by default. */
  inputSize?: number;
}

const blockCount = 5; // the modes' rates 1, 2, 4, 8, 16
const largestTensor = 2 ** 29; // elements: 2 GiB of float32

/** Checks that the layers chain to a network and gives them the engine's layouts. */
export async function assembleNetwork(
  raw: RawNetwork,
  options: NetworkOptions,
  close: () => void,
): Promise<NetworkWeights> {
  if (raw.blocks.length !== blockCount)
    throw badWeights(
      raw.source,
      `expected ${blockCount} blocks of convolutions with a 2x2 pool after each, got ${raw.blocks.length}`,
    );
  let channels = 3;
  const blocks = raw.blocks.map((layers, b) =>
    layers.map((layer, i) => {
      const conv = convLayer(raw, layer, `block${b + 1}_conv${i + 1}`, channels);
      channels = conv.bias.shape[0];
      return conv;
    }),
  );
  const degridding = raw.degridding?.map((layer, i) => {
    expectShape(raw.source, layer.bias, [channels]);
    return { ...convLayer(raw, layer, degriddingName(i), channels), rate: layer.rate };
  });
  const inputSize = inputSide(raw, channels, options.inputSize);
  let inputs = (inputSize / 32) ** 2 * channels;
  const dense = raw.dense.map((layer, i) => {
    const name = i === raw.dense.length - 1 ? 'predictions' : `fc${i + 1}`;
    const made = denseWeights(raw, layer, name, inputs, i === 0 ? (inputSize / 32) ** 2 : 1);
    inputs = made.bias.shape[0];
    return made;
  });
  const chain: ChainWeights = { blocks, ...(degridding && { degridding }), dense, inputSize };
  const { source, layout, metadata } = raw;
  const { preprocessing, assumption } = preprocessingFor(
    {
      source,
      layout,
      channels: 3,
      json: metadata.get('preprocessing'),
      normalization: raw.normalization,
      published: options.published,
    },
    options.preprocessing,
  );
  const classes = dense.length === 0 ? 0 : inputs;
  const network = chainNetwork(chain);
  return {
    source,
    ...network,
    evidence: readEvidence(metadata.get('evidence'), network.graph, source),
    labels: await namesOfClasses(classes, { given: options.labels, json: metadata.get('labels'), source }),
    preprocessing,
    family: vggName(chain),
    ...(assumption !== undefined && { preprocessingAssumed: true, assumptions: [assumption] }),
    close,
  };
}

/** Throws UNSUPPORTED for weights of another family. */
export function requireChain({ chain, source }: NetworkWeights): ChainWeights {
  if (chain) return chain;
  throw new AtrousCamError(
    'UNSUPPORTED',
    `${source}: training takes networks of VGG's family only, that is 3x3 convolutions with ReLU, 2x2 max pools and dense layers`,
  );
}

/** The graph of a chain, and its tensors by name. */
export function chainNetwork(chain: ChainWeights): Pick<NetworkWeights, 'graph' | 'tensors' | 'chain' | 'parameters'> {
  const layers = [...convWeights(chain), ...chain.dense];
  const tensors = new Map(
    layers.flatMap(({ name, kernel, bias }): [string, Tensor][] => [
      [`${name}.kernel`, kernel],
      [`${name}.bias`, bias],
    ]),
  );
  const parameters = [...tensors.values()].reduce((sum, { shape }) => sum + sizeFrom(shape), 0);
  return { graph: chainGraph(readTopology(chain)), tensors, chain, parameters };
}

/** Refuses a tensor whose shape is not `expected`, where text stands for any size from 1 on. */
function expectShape(source: string, raw: RawTensor, expected: readonly (number | string)[]): void {
  const { shape } = raw;
  if (
    shape.length !== expected.length ||
    expected.some((side, i) => (typeof side === 'number' ? shape[i] !== side : shape[i] < 1))
  )
    throw badWeights(
      source,
      `tensor ${quote(raw.name)}: expected shape [${expected.join(', ')}], got [${shape.join(', ')}]`,
    );
  if (sizeFrom(shape) > largestTensor)
    throw badWeights(
      source,
      `tensor ${quote(raw.name)}: expected at most ${largestTensor} elements, got shape [${shape.join(', ')}]`,
    );
}

function convLayer(
  { source, layout }: RawNetwork,
  { kernel, bias, norm }: RawLayer,
  name: string,
  cin: number,
): ConvWeights {
  expectShape(source, kernel, layout === 'torch' ? ['out', cin, 3, 3] : [3, 3, cin, 'out']);
  const cout = kernel.shape[layout === 'torch' ? 0 : 3];
  for (const vector of [bias, ...(norm ? [norm.weight, norm.bias, norm.mean, norm.variance] : [])])
    expectShape(source, vector, [cout]);
  if (layout === 'keras') return { name, kernel: plainTensor(source, kernel), bias: plainTensor(source, bias) };
  const scales = norm && (() => normScales(source, norm));
  return {
    name,
    kernel: transposedTensor(source, kernel, [3, 3, cin, cout], 9, scales),
    bias: norm ? foldedBias(source, bias, norm) : plainTensor(source, bias),
  };
}

function denseWeights(
  { source, layout }: RawNetwork,
  { kernel, bias }: RawLayer,
  name: string,
  inputs: number,
  cells: number,
): DenseWeights {
  // timm keeps its dense layers as convolutions (out, in, side, side): the same numbers in the same order.
  const asConv = kernel.shape.length === 4 && [inputs / cells, Math.sqrt(cells), Math.sqrt(cells)];
  expectShape(source, kernel, layout === 'keras' ? [inputs, 'out'] : ['out', ...(asConv || [inputs])]);
  const out = kernel.shape[layout === 'keras' ? 1 : 0];
  expectShape(source, bias, [out]);
  return {
    name,
    kernel: layout === 'keras' ? plainTensor(source, kernel) : transposedTensor(source, kernel, [inputs, out], cells),
    bias: plainTensor(source, bias),
  };
}

/** Side of the input: what the first dense layer was made for or, without one, what the caller wants. */
function inputSide({ source, layout, dense }: RawNetwork, channels: number, wanted: number | undefined): number {
  if (wanted !== undefined && !(Number.isInteger(wanted / 32) && wanted > 0 && wanted <= 4096))
    throw new AtrousCamError('BAD_ARGUMENT', `inputSize: expected a multiple of 32 up to 4096, got ${wanted}`);
  if (dense.length === 0) return wanted ?? 224;
  const { shape } = dense[0].kernel;
  const rows = layout === 'keras' ? shape[0] : sizeFrom(shape, 1);
  const side = Math.sqrt(rows / channels);
  if (!Number.isInteger(side) || side < 1) {
    const got = `32*sqrt(${rows}/${channels}) = ${(32 * side).toFixed(2)}`;
    throw badWeights(
      source,
      `the input side is 32*sqrt(rows of fc1 / last channels): expected a multiple of 32, got ${got}`,
    );
  }
  if (wanted !== undefined && wanted !== 32 * side)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `inputSize: expected ${32 * side}, for which the dense layers were made, got ${wanted}`,
    );
  return 32 * side;
}

/** weight / sqrt(variance + epsilon), by output channel, in float64. */
async function normScales(source: string, { weight, variance, epsilon = 1e-5 }: RawBatchNorm): Promise<Float64Array> {
  const [gamma, spread] = [await readVector(source, weight), await readVector(source, variance)];
  const negative = spread.findIndex((value) => value < 0);
  if (negative >= 0)
    throw badWeights(
      source,
      `tensor ${quote(variance.name)}: expected variances, got ${spread[negative]} at [${negative}]`,
    );
  return Float64Array.from(gamma, (value, i) => value / Math.sqrt(spread[i] + epsilon));
}

/** (b - mean) * scale + bias of the batch normalization, in float64. */
function foldedBias(source: string, raw: RawTensor, norm: RawBatchNorm): Tensor {
  return {
    name: raw.name,
    shape: raw.shape,
    async copyInto(target, onBlock) {
      await plainTensor(source, raw).copyInto(target, onBlock);
      const scales = await normScales(source, norm);
      const [mean, shift] = [await readVector(source, norm.mean), await readVector(source, norm.bias)];
      for (let i = 0; i < target.length; i++) target[i] = (target[i] - mean[i]) * scales[i] + shift[i];
    },
  };
}
