import type { RawBatchNorm, RawLayer, RawNetwork } from './network.js';
import { openSafetensors } from './safetensors.js';
import { type ByteSource, badWeights, quote } from './source.js';
import type { RawTensor } from './tensor.js';

type Tensors = ReadonlyMap<string, RawTensor>;

/** Reads a safetensors file with torchvision's or timm's names. */
export async function readTorchNetwork(source: ByteSource): Promise<RawNetwork> {
  const { tensors, metadata } = await openSafetensors(source);
  for (const name of tensors.keys()) {
    const layerOfBias = /^((?:features|classifier)\.\d{1,6})\.bias$/.exec(name)?.[1];
    if (layerOfBias) required(source.name, tensors, `${layerOfBias}.weight`); // layers are looked for by their weights
  }
  return {
    source: source.name,
    layout: 'torch',
    blocks: readBlocks(source.name, tensors),
    dense: readDense(source.name, tensors),
    metadata,
  };
}

/**
 * torchvision numbers all modules of `features`: convolution, ReLU (2 steps), perhaps a pool (3 steps), with batch normalization
 * one step more. So the gap to the next convolution tells where a block ends.
 */
function readBlocks(source: string, tensors: Tensors): RawLayer[][] {
  const indices = numbersOf(tensors, /^features\.(\d{1,6})\.weight$/, 4);
  if (indices[0] !== 0) throw notVgg(source, tensors);
  const blocks: RawLayer[][] = [[]];
  for (const [i, index] of indices.entries()) {
    const norm = batchNorm(source, tensors, index + 1);
    blocks[blocks.length - 1].push({ ...layer(source, tensors, `features.${index}`), norm });
    if (i === indices.length - 1) break;
    const [next, inBlock] = [indices[i + 1], index + (norm ? 3 : 2)];
    if (next === inBlock + 1) blocks.push([]);
    else if (next !== inBlock)
      throw badWeights(
        source,
        `expected a tensor "features.${inBlock}.weight" or, after a pool, "features.${inBlock + 1}.weight", got "features.${next}.weight" next to "features.${index}.weight"`,
      );
  }
  return blocks;
}

function batchNorm(source: string, tensors: Tensors, index: number): RawBatchNorm | undefined {
  const name = `features.${index}`;
  if (tensors.get(`${name}.weight`)?.shape.length !== 1) return undefined;
  return {
    ...weightAndBias(source, tensors, name),
    mean: required(source, tensors, `${name}.running_mean`),
    variance: required(source, tensors, `${name}.running_var`),
  };
}

/** timm's names come first: its files hold one kind or the other. */
function readDense(source: string, tensors: Tensors): RawLayer[] {
  const names = tensors.has('head.fc.weight')
    ? ['pre_logits.fc1', 'pre_logits.fc2', 'head.fc']
    : numbersOf(tensors, /^classifier\.(\d{1,6})\.weight$/).map((index) => `classifier.${index}`);
  return names.map((name) => layer(source, tensors, name));
}

/** The numbers in names of that pattern, ascending, of tensors with `dimensions` dimensions. */
function numbersOf(tensors: Tensors, pattern: RegExp, dimensions?: number): number[] {
  const numbers: number[] = [];
  for (const [name, { shape }] of tensors) {
    const match = pattern.exec(name);
    if (match && (dimensions === undefined || shape.length === dimensions)) numbers.push(Number(match[1]));
  }
  return numbers.sort((a, b) => a - b);
}

function layer(source: string, tensors: Tensors, name: string): RawLayer {
  const { weight, bias } = weightAndBias(source, tensors, name);
  return { kernel: weight, bias };
}

const weightAndBias = (source: string, tensors: Tensors, name: string): { weight: RawTensor; bias: RawTensor } => ({
  weight: required(source, tensors, `${name}.weight`),
  bias: required(source, tensors, `${name}.bias`),
});

function required(source: string, tensors: Tensors, name: string): RawTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw badWeights(source, `expected a tensor ${quote(name)}, got none among ${tensors.size} tensors`);
  return tensor;
}

function notVgg(source: string, tensors: Tensors): Error {
  const names = [...tensors.keys()].slice(0, 4).map(quote);
  const found =
    names.length === 0
      ? 'no tensors'
      : `${names.join(', ')}${tensors.size > 4 ? `, ... (${tensors.size} tensors)` : ''}`;
  return badWeights(
    source,
    `expected a VGG network with torchvision's or timm's names ("features.0.weight" of 4 dimensions, ..., "classifier.0.weight" or "pre_logits.fc1.weight"), got ${found}`,
  );
}
