import { sizeFrom } from '../../src/base/shape.js';
import type { Mode } from '../../src/base/types.js';
import { openWeights, type WeightsSource } from '../../src/weights/open.js';
import type { ChainWeights, NetworkWeights, Tensor } from '../../src/weights/types.js';
import { conv3x3 } from './conv.js';
import { multiply } from './dense.js';
import type { Map3 } from './map.js';
import { maxPool } from './pool.js';

/** A layer's weights as plain numbers: kernel (3, 3, cin, cout) or (in, out). */
export interface PlainLayer {
  name: string;
  kernel: Float64Array;
  bias: Float64Array;
}

/** A network of five blocks as plain numbers. */
export interface PlainNetwork {
  blocks: PlainLayer[][];
  /** Degridding layers behind the last block of the dilated network. */
  degridding: (PlainLayer & { rate: number })[];
  dense: PlainLayer[];
}

/** The weights of a file. */
export async function readPlainFile(file: WeightsSource): Promise<PlainNetwork> {
  const weights = await openWeights(file);
  try {
    return await readPlain(weights);
  } finally {
    weights.close();
  }
}

/** The weights of an opened file. */
export async function readPlain({ chain }: NetworkWeights): Promise<PlainNetwork> {
  const { blocks, degridding = [], dense } = chain!;
  const read = async ({ shape, copyInto }: Tensor) => {
    const data = new Float32Array(sizeFrom(shape));
    await copyInto(data);
    return Float64Array.from(data);
  };
  const layers = (all: ChainWeights['dense'] | ChainWeights['blocks'][number]) =>
    Promise.all(
      all.map(async ({ name, kernel, bias }) => ({ name, kernel: await read(kernel), bias: await read(bias) })),
    );
  return {
    blocks: await Promise.all(blocks.map(layers)),
    degridding: (await layers(degridding)).map((layer, i) => ({ ...layer, rate: degridding[i].rate })),
    dense: await layers(dense),
  };
}

/**
 * The network as the definitions write it, layer after layer on whole maps in float64: no phase tree, no views. The output of each
 * convolution after ReLU. Where `behind` names one of them, `input` is its output, and the maps are those of the layers behind it.
 */
export function plainMaps(
  { blocks, degridding }: PlainNetwork,
  mode: Mode,
  input: Map3,
  behind?: string,
): Map<string, Map3> {
  const maps = new Map<string, Map3>();
  let x = input;
  let begun = behind === undefined;
  const convolve = ({ name, kernel, bias }: PlainLayer, dilation: number) => {
    if (begun) {
      x = { ...x, c: bias.length, data: conv3x3(x, kernel, bias, bias.length, { dilation, relu: true }) };
      maps.set(name, x);
    }
    begun ||= name === behind;
  };
  for (const [block, convs] of blocks.entries()) {
    const rate = 2 ** block;
    const dilation = mode === 'pooled' ? 1 : rate;
    for (const layer of convs) convolve(layer, dilation);
    if (block === blocks.length - 1) break;
    if (begun && mode === 'pooled') x = pooled(x);
    if (begun && mode === 'atrous') x = { ...x, data: maxPool(x, x.h, x.w, { size: 2, stride: 1, dilation: rate }) };
  }
  for (const layer of degridding) convolve(layer, layer.rate);
  return maps;
}

/** The logits of the pooled or the dilated network; `input` as in `plainMaps`. */
export function plainLogits(
  network: PlainNetwork,
  input: Map3,
  mode: 'pooled' | 'dilated' = 'pooled',
  behind?: string,
): Float64Array {
  const last = [...plainMaps(network, mode, input, behind).values()].at(-1) ?? input;
  let x: Float64Array = pooled(last, mode === 'pooled' ? 2 : 32).data;
  for (const [i, { kernel, bias }] of network.dense.entries()) {
    x = multiply(x, kernel, 1, x.length, bias.length, bias);
    if (i < network.dense.length - 1) x = x.map((value) => Math.max(0, value));
  }
  return x;
}

function pooled(x: Map3, size = 2): Map3 & { data: Float64Array } {
  const [h, w] = [x.h / size, x.w / size];
  return { h, w, c: x.c, data: maxPool(x, h, w, { size, stride: size, dilation: 1 }) };
}
