import { throwIfAborted } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import { gaussian, mulberry32 } from '../base/random.js';
import { sizeFrom } from '../base/shape.js';
import { encodeFloat16 } from '../weights/floats.js';
import { type GreyMap, refuse } from './map.js';
import type { Watch } from './passes.js';
import { rankCorrelation, ssim } from './similarity.js';

/** A tensor as the header of a safetensors file describes it. */
interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const SUFFIX = '.kernel';

/**
 * The layers of a packed network, the last dense layer first: the order of the randomisation cascade.
 *
 * @param packed a file as `packWeights` or `atrous-cam weights pack` writes it
 * @throws AtrousCamError BAD_ARGUMENT where it is none
 * @example
 * const pieces = [];
 * for await (const piece of packWeights()) pieces.push(piece);
 * const packed = Buffer.concat(pieces);
 * layersFromHead(packed); // the dense layers, then block5_conv3, block5_conv2 ...
 */
export function layersFromHead(packed: Uint8Array): string[] {
  const { entries } = readHeader(packed);
  return [...entries.keys()]
    .filter((name) => name.endsWith(SUFFIX))
    .sort((a, b) => entries.get(b)!.data_offsets[0] - entries.get(a)!.data_offsets[0])
    .map((name) => name.slice(0, -SUFFIX.length));
}

/**
 * The same network with other numbers in some layers, for the sanity check of Adebayo et al. 2018: kernels are drawn from a normal
 * distribution of variance 2 / (inputs of a unit), as they would be before any training (He et al. 2015), biases are 0. A layer's numbers
 * depend on the seed and its name alone, whatever else is randomised.
 *
 * @param packed a file as `packWeights` or `atrous-cam weights pack` writes it; it is not changed
 * @param layers names such as `fc1` or `block5_conv3`, see `layersFromHead`
 * @returns a file of the same kind, which `load` takes
 * @throws AtrousCamError BAD_ARGUMENT (not a packed file, no such layer)
 * @example
 * const pieces = [];
 * for await (const piece of packWeights()) pieces.push(piece);
 * const packed = Buffer.concat(pieces);
 * const net = await load(randomizeWeights(packed, layersFromHead(packed).slice(0, 1), 7)); // a random head, by seed 7
 */
export function randomizeWeights(packed: Uint8Array, layers: readonly string[], seed = 0): Uint8Array {
  const { entries, start } = readHeader(packed);
  const bytes = packed.slice();
  for (const layer of layers) {
    const [kernel, bias] = [entries.get(`${layer}${SUFFIX}`), entries.get(`${layer}.bias`)];
    if (!kernel || !bias)
      refuse('randomizeWeights', `a layer of the file (${layersFromHead(packed).join(', ')})`, `'${layer}'`);
    const draw = gaussian(mulberry32(seed ^ hash(layer)));
    const count = sizeFrom(kernel.shape);
    const deviation = Math.sqrt((2 * kernel.shape[kernel.shape.length - 1]) / count);
    const values = Float32Array.from({ length: count }, () => deviation * draw());
    bytes.set(encode(values, kernel.dtype), start + kernel.data_offsets[0]);
    bytes.fill(0, start + bias.data_offsets[0], start + bias.data_offsets[1]);
  }
  return bytes;
}

function readHeader(packed: Uint8Array): { entries: Map<string, Entry>; start: number } {
  const bad = (): never => refuse('randomizeWeights', 'the bytes of a packed network (packWeights)', 'something else');
  if (!(packed instanceof Uint8Array) || packed.length < 8) return bad();
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > packed.length - 8) return bad();
  let header: Record<string, Entry>;
  try {
    header = JSON.parse(new TextDecoder().decode(packed.subarray(8, 8 + length)));
  } catch {
    return bad();
  }
  const entries = new Map(Object.entries(header).filter(([name]) => name !== '__metadata__'));
  if (![...entries.keys()].some((name) => name.endsWith(SUFFIX))) return bad();
  return { entries, start: 8 + length };
}

function encode(values: Float32Array, dtype: string): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer);
  const halves = new Uint16Array(values.length);
  encodeFloat16(values, halves);
  return new Uint8Array(halves.buffer);
}

/** FNV-1a, 32 bits. */
export function hash(text: string): number {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193);
  return state >>> 0;
}

/** What is loaded for a step of the check and let go of after it: a network of the library. */
export interface Loaded {
  /** Gives back its memory and ends its threads. */
  dispose(): void;
}

/** What is randomised, and how maps are made. */
export interface RandomizationOptions<N extends Loaded> extends Pick<Watch, 'signal'> {
  /** Loads the changed weights: `load` of the library, with its options. */
  load: (weights: Uint8Array) => Promise<N>;
  /** Explains the same pictures with a network, always the same classes by index or label: another network has another top class. */
  explain: (net: N) => Promise<readonly GreyMap[]>;
  /** `cascading` (default): each step randomises one layer more, from the head down; `independent`: one layer at a time. */
  order?: 'cascading' | 'independent';
  /** The layers, in their order; default all of `layersFromHead`. */
  layers?: readonly string[];
  /** Default 0. */
  seed?: number;
  /** Steps done, and all. */
  onProgress?: (done: number, total: number) => void;
}

/** How like the maps are to those of the unchanged network. */
export interface RandomizationStep {
  /** The layer that was randomised, in `cascading` with all before it. */
  readonly layer: string;
  /** Rank correlations, one a map. */
  readonly correlations: readonly number[];
  /** Structural similarities, one a map. */
  readonly similarities: readonly number[];
}

/**
 * The parameter randomisation test (Adebayo et al. 2018): maps that explain what a network has learned must change when its weights are
 * replaced by random ones. Similarities that stay high say that a method draws the picture, not the decision. One call of
 * `explain` and of `load` a layer, and one for the unchanged network.
 *
 * @param packed a file as `packWeights` or `atrous-cam weights pack` writes it
 * @throws AtrousCamError BAD_ARGUMENT, ABORTED, and what `load` and `explain` throw
 * @example
 * const pieces = [];
 * for await (const piece of packWeights()) pieces.push(piece);
 * const packed = Buffer.concat(pieces);
 * const steps = await randomizationCheck(packed, {
 *   load,
 *   explain: async (net) => [(await net.explain(photo, { target: 'cat', method: 'layercam' })).map],
 * });
 */
export async function randomizationCheck<N extends Loaded>(
  packed: Uint8Array,
  options: RandomizationOptions<N>,
): Promise<RandomizationStep[]> {
  checkOptions('randomizationCheck', options, {
    ...{ load: 1, explain: 1, order: 1, layers: 1, seed: 1, signal: 1, onProgress: 1 },
  });
  const { load, explain, order = 'cascading', layers = layersFromHead(packed), seed = 0, signal, onProgress } = options;
  if (order !== 'cascading' && order !== 'independent')
    refuse('randomizationCheck', 'order cascading or independent', `'${order}'`);
  const mapsOf = async (weights: Uint8Array) => {
    throwIfAborted(signal);
    const net = await load(weights);
    try {
      return await explain(net);
    } finally {
      net.dispose();
    }
  };
  const original = await mapsOf(packed);
  const steps: RandomizationStep[] = [];
  for (const [i, layer] of layers.entries()) {
    const changed = order === 'cascading' ? layers.slice(0, i + 1) : [layer];
    const maps = await mapsOf(randomizeWeights(packed, changed, seed));
    steps.push({
      layer,
      correlations: maps.map((map, k) => rankCorrelation(original[k], map)),
      similarities: maps.map((map, k) => ssim(original[k], map)),
    });
    onProgress?.(i + 1, layers.length);
  }
  return steps;
}
