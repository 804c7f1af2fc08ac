import type { RawBatchNorm, RawLayer, RawNetwork } from './check-chain.js';
import { EXPORT_LINE, knownBlocks } from './family.js';
import { badWeights, quote } from './source.js';
import type { RawTensor } from './tensor.js';
import { requiredTensor, type TensorFile } from './tensor-file.js';

/** Reads a file of tensors with torchvision's or timm's names, perhaps with a prefix before all of them. */
export function readTorchNetwork(whole: TensorFile): RawNetwork {
  const file = withoutPrefix(whole);
  for (const name of file.tensors.keys()) {
    const layerOfBias = /^((?:features|classifier)\.\d{1,6})\.bias$/.exec(name)?.[1];
    if (layerOfBias) requiredTensor(file, `${layerOfBias}.weight`); // layers are looked for by their weights
  }
  return {
    source: file.source,
    layout: 'torch',
    blocks: readBlocks(file),
    dense: readDense(file),
    metadata: file.metadata,
  };
}

/** The same tensors by names without what stands before all of them (`module.` of DataParallel). */
function withoutPrefix(file: TensorFile): TensorFile {
  const names = [...file.tensors.keys()];
  const [prefix, other] = names.flatMap((name) => /^(.*\.)?features\.0\.weight$/.exec(name)?.[1] ?? []);
  if (!prefix || other !== undefined || !names.every((name) => name.startsWith(prefix))) return file;
  const tensors = new Map([...file.tensors].map(([name, raw]) => [name.slice(prefix.length), raw]));
  return { ...file, tensors };
}

/**
 * torchvision numbers all modules of `features`: convolution, ReLU (2 steps), perhaps a pool (3 steps), with batch normalization
 * one step more. So the gap to the next convolution tells where a block ends.
 */
function readBlocks(file: TensorFile): RawLayer[][] {
  const indices = numbersOf(file, /^features\.(\d{1,6})\.weight$/, 4);
  if (indices[0] !== 0) unknown(file);
  const blocks: RawLayer[][] = [[]];
  for (const [i, index] of indices.entries()) {
    const norm = batchNorm(file, index + 1);
    blocks[blocks.length - 1].push({ ...layer(file, `features.${index}`), norm });
    if (i === indices.length - 1) break;
    const [next, inBlock] = [indices[i + 1], index + (norm ? 3 : 2)];
    if (next === inBlock + 1) blocks.push([]);
    else if (next !== inBlock) {
      const weight = (at: number) => `"features.${at}.weight"`;
      const expected = `a tensor ${weight(inBlock)} or, after a pool, ${weight(inBlock + 1)}`;
      throw badWeights(file.source, `expected ${expected}, got ${weight(next)} next to ${weight(index)}`);
    }
  }
  const counts = blocks.map(({ length }) => length).join(', ');
  if (blocks.length === 5 && !Object.values(knownBlocks).some((known) => known.join(', ') === counts))
    throw badWeights(
      file.source,
      `expected the convolutions per block of VGG11, 13, 16 or 19, got ${counts}; a layer is missing`, // no gap shows it where the last one is
    );
  return blocks;
}

function batchNorm(file: TensorFile, index: number): RawBatchNorm | undefined {
  const name = `features.${index}`;
  if (file.tensors.get(`${name}.weight`)?.shape.length !== 1) return undefined;
  return {
    ...weightAndBias(file, name),
    mean: requiredTensor(file, `${name}.running_mean`),
    variance: requiredTensor(file, `${name}.running_var`),
  };
}

/** timm's names come first: its files hold one kind or the other. */
function readDense(file: TensorFile): RawLayer[] {
  const names = file.tensors.has('head.fc.weight')
    ? ['pre_logits.fc1', 'pre_logits.fc2', 'head.fc']
    : numbersOf(file, /^classifier\.(\d{1,6})\.weight$/).map((index) => `classifier.${index}`);
  return names.map((name) => layer(file, name));
}

/** The numbers in names of that pattern, ascending, of tensors with `dimensions` dimensions. */
function numbersOf({ tensors }: TensorFile, pattern: RegExp, dimensions?: number): number[] {
  const numbers: number[] = [];
  for (const [name, { shape }] of tensors) {
    const match = pattern.exec(name);
    if (match && (dimensions === undefined || shape.length === dimensions)) numbers.push(Number(match[1]));
  }
  return numbers.sort((a, b) => a - b);
}

function layer(file: TensorFile, name: string): RawLayer {
  const { weight, bias } = weightAndBias(file, name);
  return { kernel: weight, bias };
}

const weightAndBias = (file: TensorFile, name: string): { weight: RawTensor; bias: RawTensor } => ({
  weight: requiredTensor(file, `${name}.weight`),
  bias: requiredTensor(file, `${name}.bias`),
});

function unknown({ source, tensors }: TensorFile): never {
  const names = [...tensors.keys()].slice(0, 4).map(quote);
  const found =
    names.length === 0
      ? 'no tensors'
      : `${names.join(', ')}${tensors.size > 4 ? `, ... (${tensors.size} tensors)` : ''}`;
  const families = 'VGG, ResNet, DRN, MobileNet, EfficientNet, ConvNeXt, DenseNet, SqueezeNet, Inception, RegNet ...';
  throw badWeights(
    source,
    `expected PyTorch's tensors of a known network (${families}) or packed ones ("block1_conv1.kernel", ...), got ${found}; export the whole network instead: ${EXPORT_LINE}`,
  );
}
