import type { NormalizationName } from '../base/types.js';
import { packNetworkWeights } from '../calls/packing.js';
import { convLayers } from '../graph/topology.js';
import { EPSILON } from '../wasm/ops/batch.js';
import { chainNetwork, requireChain } from '../weights/check-chain.js';
import { type ConvWeights, convWeights, type NetworkWeights, type Tensor } from '../weights/types.js';
import { type Layout, paddedChannels, slice, type TrainingState } from './parameters.js';

/** Pictures are squashed to a square by the bilinear filter in training, so they are in use. */
const PREPROCESSING = { resize: 'bilinear', fit: 'squash' } as const;

/** A trained network as weights: batch normalization by the running statistics folded into the convolutions, in float64. */
export function weightsOf(
  layout: Layout,
  state: TrainingState,
  { labels, normalization }: { labels: readonly string[]; normalization: NormalizationName },
): NetworkWeights {
  const { topology } = layout;
  const convs = convLayers(topology).map((layer, i): ConvWeights => {
    const { cin, cout } = layer;
    const slots = layout.convs[i];
    const [gamma, beta] = [slice(state.parameters, slots.gamma), slice(state.parameters, slots.beta)];
    const running = slice(state.statistics, slots.running);
    const scale = Float64Array.from(gamma, (value, k) => value / Math.sqrt(running[cout + k] + EPSILON));
    const from = slice(state.parameters, slots.kernel);
    const kernel = new Float32Array(9 * cin * cout);
    for (let tap = 0; tap < 9; tap++)
      for (let c = 0; c < cin; c++)
        for (let k = 0; k < cout; k++)
          kernel[(tap * cin + c) * cout + k] = from[(tap * paddedChannels(cin) + c) * cout + k] * scale[k];
    const bias = Float32Array.from(beta, (value, k) => value - running[k] * scale[k]);
    return { name: layer.name, kernel: tensor(kernel, [3, 3, cin, cout]), bias: tensor(bias, [cout]) };
  });
  const dense = topology.dense.map((layer, i) => ({
    name: layer.name,
    kernel: tensor(slice(state.parameters, layout.dense[i].kernel), [layer.in, layer.out]),
    bias: tensor(slice(state.parameters, layout.dense[i].bias), [layer.out]),
  }));
  let next = 0;
  const blocks = topology.blocks.map((block) => {
    next += block.length;
    return convs.slice(next - block.length, next);
  });
  const degridding = topology.degridding?.map(({ rate }, i) => ({ ...convs[next + i], rate }));
  return {
    source: 'trained',
    ...chainNetwork({ blocks, ...(degridding && { degridding }), dense, inputSize: topology.inputSize }),
    labels,
    preprocessing: { normalization, ...PREPROCESSING },
    close: () => {},
  };
}

/** The middle of a kernel's nine taps. */
const CENTRE = 4;

const tensor = (values: Float32Array, shape: readonly number[]): Tensor => ({
  name: 'trained',
  shape,
  async copyInto(target) {
    target.set(values);
  },
});

/** A trained network as a file that `load` reads. Throws BAD_WEIGHTS where a number exceeds float16. */
export async function encodeNetwork(weights: NetworkWeights, dtype: 'float16' | 'float32'): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of packNetworkWeights(weights, { dtype })) pieces.push(piece);
  return pieces;
}

/**
 * The other way round: weights as a state whose normalization does nothing yet, gamma 1, mean 0 and deviation 1. Degridding layers
 * that the weights lack begin as the identity, the centre tap 1 from each channel to itself: behind a ReLU they change nothing, so
 * training begins with the function of the weights, and every tap has a gradient from the first step on. Random ones, with which
 * DRN's training began, would leave nothing to the dense layers of what those were trained on.
 */
export async function stateOf(layout: Layout, weights: NetworkWeights): Promise<TrainingState> {
  const parameters = new Float32Array(layout.parameters);
  const statistics = new Float32Array(layout.statistics);
  const chain = requireChain(weights);
  const convs = convWeights(chain);
  for (const [i, { cin, cout }] of convLayers(layout.topology).entries()) {
    const slots = layout.convs[i];
    const padded = slice(parameters, slots.kernel);
    if (i < convs.length) {
      const { kernel, bias } = convs[i];
      const plain = new Float32Array(9 * cin * cout);
      await kernel.copyInto(plain);
      for (let tap = 0; tap < 9; tap++)
        padded.set(plain.subarray(tap * cin * cout, (tap + 1) * cin * cout), tap * paddedChannels(cin) * cout);
      await bias.copyInto(slice(parameters, slots.beta));
    } else for (let k = 0; k < cout; k++) padded[(CENTRE * cin + k) * cout + k] = 1;
    slice(parameters, slots.gamma).fill(1);
    slice(statistics, slots.running).fill(1 - EPSILON, cout);
  }
  for (const [i, { kernel, bias }] of chain.dense.entries()) {
    await kernel.copyInto(slice(parameters, layout.dense[i].kernel));
    await bias.copyInto(slice(parameters, layout.dense[i].bias));
  }
  const [mean, squares] = [new Float32Array(layout.parameters), new Float32Array(layout.parameters)];
  return { parameters, moments: [mean, squares], statistics };
}
