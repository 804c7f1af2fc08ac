import { packNetworkWeights } from '../../src/calls/packing.js';
import { chainNetwork } from '../../src/weights/check-chain.js';
import { openWeights } from '../../src/weights/open.js';
import type { Tensor } from '../../src/weights/types.js';
import { seeded } from './random.js';

const tensor = (name: string, shape: number[], value: (i: number) => number): Tensor => ({
  name,
  shape,
  async copyInto(target) {
    for (let i = 0; i < target.length; i++) target[i] = value(i);
  },
});

/** A packed file of a file's network with degridding layers of these rates: random, or the identity. */
export async function withDegridLayers(path: string, rates: readonly number[], identity = false): Promise<Uint8Array> {
  const weights = await openWeights(path);
  const channels = weights.chain!.blocks.at(-1)!.at(-1)!.bias.shape[0];
  const random = seeded(11);
  const limit = Math.sqrt(6 / (9 * channels));
  const centre = (i: number) =>
    i >= 4 * channels ** 2 && i < 5 * channels ** 2 && (i % channels ** 2) % (channels + 1) === 0;
  const degridding = rates.map((rate, i) => ({
    name: `degrid${i + 1}`,
    rate,
    kernel: tensor('kernel', [3, 3, channels, channels], (at) =>
      identity ? Number(centre(at)) : limit * (2 * random() - 1),
    ),
    bias: tensor('bias', [channels], () => (identity ? 0 : 0.1 * random())),
  }));
  const pieces: Uint8Array[] = [];
  for await (const piece of packNetworkWeights(
    { ...weights, ...chainNetwork({ ...weights.chain!, degridding }) },
    { dtype: 'float32' },
  ))
    pieces.push(piece.slice());
  weights.close();
  return new Uint8Array(Buffer.concat(pieces));
}
