import { packNetworkWeights } from '../pack.js';
import type { Normalization } from '../types.js';
import { EPSILON } from '../wasm/ops/batch.js';
import type { ConvWeights, NetworkWeights, Tensor } from '../weights/types.js';
import { type Layout, paddedChannels, slice, type TrainingState } from './parameters.js';

/** Pictures are squashed to a square by the bilinear filter in training, so they are in use. */
const PREPROCESSING = { resize: 'bilinear', fit: 'squash' } as const;

/** A trained network as weights: batch normalization by the running statistics folded into the convolutions, in float64. */
export function weightsOf(
  layout: Layout,
  state: TrainingState,
  { labels, normalization }: { labels: readonly string[]; normalization: Normalization },
): NetworkWeights {
  const { topology } = layout;
  const convs = topology.blocks.flat().map((layer, i): ConvWeights => {
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
  const count = ({ kernel, bias }: ConvWeights) => [kernel, bias].flatMap(({ shape }) => shape.reduce((a, b) => a * b));
  return {
    source: 'trained',
    blocks,
    dense,
    inputSize: topology.inputSize,
    labels,
    preprocessing: { normalization, ...PREPROCESSING },
    parameters: [...convs, ...dense].flatMap(count).reduce((a, b) => a + b, 0),
    close: () => {},
  };
}

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

/** The other way round: weights as a state whose normalization does nothing yet, gamma 1, mean 0 and deviation 1. */
export async function stateOf(layout: Layout, weights: NetworkWeights): Promise<TrainingState> {
  const parameters = new Float32Array(layout.parameters);
  const statistics = new Float32Array(layout.statistics);
  const convs = weights.blocks.flat();
  for (const [i, { kernel, bias }] of convs.entries()) {
    const [, , cin, cout] = kernel.shape;
    const slots = layout.convs[i];
    const plain = new Float32Array(9 * cin * cout);
    await kernel.copyInto(plain);
    const padded = slice(parameters, slots.kernel);
    for (let tap = 0; tap < 9; tap++)
      padded.set(plain.subarray(tap * cin * cout, (tap + 1) * cin * cout), tap * paddedChannels(cin) * cout);
    await bias.copyInto(slice(parameters, slots.beta));
    slice(parameters, slots.gamma).fill(1);
    slice(statistics, slots.running).fill(1 - EPSILON, cout);
  }
  for (const [i, { kernel, bias }] of weights.dense.entries()) {
    await kernel.copyInto(slice(parameters, layout.dense[i].kernel));
    await bias.copyInto(slice(parameters, layout.dense[i].bias));
  }
  const [mean, squares] = [new Float32Array(layout.parameters), new Float32Array(layout.parameters)];
  return { parameters, moments: [mean, squares], statistics };
}
