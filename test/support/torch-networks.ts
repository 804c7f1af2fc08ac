import { readFileSync } from 'node:fs';
import { sizeFrom } from '../../src/base/shape.js';
import { openSafetensors } from '../../src/weights/safetensors.js';
import { bytesSource } from '../../src/weights/source.js';
import type { TensorFile } from '../../src/weights/tensor-file.js';
import { type Entry, float32, safetensors } from './weight-files.js';

/** A network of test/fixtures/torch: its tensors are sines by their names. */
export interface TorchNetwork {
  readonly name: string;
  /** Rows and columns of the picture. */
  readonly size: readonly [number, number];
  /** PyTorch's, in float64. */
  readonly logits: readonly number[];
  readonly tensors: Readonly<Record<string, readonly number[]>>;
}

/** The path of a file of test/fixtures/torch. */
export const torchPath = (name: string): string => new URL(`../fixtures/torch/${name}`, import.meta.url).pathname;

const networks: Record<string, Omit<TorchNetwork, 'name'>> = JSON.parse(
  readFileSync(torchPath('networks.json'), 'utf8'),
);

export const torchNetworks: readonly TorchNetwork[] = Object.entries(networks).map(([name, rest]) => ({
  name,
  ...rest,
}));

export const torchNetwork = (name: string): TorchNetwork => torchNetworks.find((network) => network.name === name)!;

/** The numbers of a tensor as make_torch.py makes them. */
function sines(name: string, shape: readonly number[]): Entry {
  const start = [...name].reduce((sum, character) => sum + character.charCodeAt(0), 0);
  const wave = (i: number) => Math.sin(start + 12.9898 * i);
  if (shape.length === 2 || shape.length === 4)
    return float32([...shape], (i) => (wave(i) * 2) / Math.sqrt(sizeFrom(shape, 1)));
  const isSmall = name.endsWith('running_mean') || name.endsWith('bias');
  return float32([...shape], (i) => (isSmall ? wave(i) * 0.2 : 1 + wave(i) / 2));
}

/** The tensors of a network, as a safetensors file would hold them. */
export const torchEntries = ({ tensors }: Pick<TorchNetwork, 'tensors'>): Record<string, Entry> =>
  Object.fromEntries(Object.entries(tensors).map(([name, shape]) => [name, sines(name, shape)]));

/** The file, opened. `source` is its name. */
export const tensorFileOf = (entries: Record<string, Entry>, source = 'model.safetensors'): Promise<TensorFile> =>
  openSafetensors(bytesSource(safetensors(entries), source));

/** The picture that the logits belong to, (rows, columns, channels). */
export const torchPicture = ([h, w]: readonly [number, number], channels = 3): Float64Array =>
  Float64Array.from({ length: h * w * channels }, (_, i) => Math.sin(i * 12.9898) * 1.5);
