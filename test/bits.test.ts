import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network, PixelInput } from '../src/api.js';
import { load } from '../src/index.js';
import { methodNames } from '../src/methods/facts.js';
import { randomFloats } from './support/random.js';
import { fixturePath } from './support/references.js';

/**
 * The bits of VGG's results, by plain SIMD, as hashes made before the engine learned other networks (commit 92b2b90). Changes of the engine
 * that are meant to leave VGG alone are held to them.
 */
const MODES = ['pooled', 'atrous', 'dilated'] as const;
const layers = ['block1_conv1', 'block2_conv2', 'block4_conv3', 'block5_conv1', 'block5_conv3'];
const file = fixturePath('small/micro-vgg16.torchvision.safetensors');
const side = 64;
const values = randomFloats(3 * side * side, 5);
const image: PixelInput = { width: side, height: side, data: Uint8Array.from(values, (value) => 128 + 127 * value) };

const hash = (...arrays: ArrayLike<number>[]): string => {
  const sum = createHash('sha256');
  for (const numbers of arrays) sum.update(new Uint8Array(Float32Array.from(numbers).buffer));
  return sum.digest('hex').slice(0, 16);
};

describe.each(['exact', 'fast'] as const)('bits of VGG, %s', (precision) => {
  let net: Network;
  beforeAll(async () => {
    net = await load(file, { precision, kernels: 'simd' });
  });
  afterAll(() => net.dispose());

  it.each(MODES)('%s: predictions, activations and memory', async (mode) => {
    const { logits, probabilities } = await net.predict(image, { mode });
    const maps = await net.activations(image, { mode, layers });
    const coarse = await net.activations(image, { mode, layers, outputStride: 4 });
    const { peakBytes } = await net.explain(image, { mode });
    expect({
      predict: hash(logits, probabilities),
      activations: layers.map((layer) => hash(maps[layer].data)),
      coarse: layers.map((layer) => hash(coarse[layer].data)),
      peakBytes,
    }).toMatchSnapshot();
  });

  it.each(MODES)('%s: gradients', async (mode) => {
    const of = async (options: object) => {
      const result = await net.gradients(image, { mode, target: 1, wrt: ['input', 'weights', ...layers], ...options });
      const weights = Object.entries(result.weights!).flatMap(([, { kernel, bias }]) => [kernel.data, bias.data]);
      const maps = layers.map((layer) => hash(result.layers[layer].data));
      return { input: hash(result.input!.data), maps, weights: hash(...weights), scores: hash(result.scores) };
    };
    expect({
      one: await of({}),
      probability: await of({ score: 'probability', guided: true }),
      mean: await of({ heads: 'mean', outputStride: 2 }),
    }).toMatchSnapshot();
  });

  it.each(MODES)('%s: each method', async (mode) => {
    const slow = ['smoothgrad', 'integrated-gradients', 'occlusion', 'scorecam', 'ablationcam'];
    const results: Record<string, string> = {};
    const spaced = mode === 'atrous' ? { outputStride: 2 } : {};
    for (const method of methodNames) {
      if (mode !== 'pooled' && slow.includes(method)) continue;
      const { raw, map, logits, score } = await net.explain(image, { ...spaced, mode, method, target: 2 });
      results[method] = hash(raw.data, map.data, logits, [score]);
    }
    const inner = await net.explain(image, { mode, layer: ['block4_conv3', 'block5_conv1'], combine: 'product' });
    results.inner = hash(inner.raw.data, inner.map.data);
    if (mode === 'atrous') {
      for (const heads of ['one', 'each', 'mean'] as const) {
        const { raw, map } = await net.explain(image, { mode, heads, method: 'hirescam', target: 0 });
        results[`hirescam ${heads}`] = hash(raw.data, map.data);
      }
    }
    if (mode === 'dilated') {
      const shifted = await net.explain(image, { mode, smoothing: 'shift' });
      results.shift = hash(shifted.raw.data, shifted.map.data);
    }
    expect(results).toMatchSnapshot();
  });
});

describe('bits of the bundled network', () => {
  it('in all modes, at its own size', async () => {
    const net = await load(undefined, { kernels: 'simd' });
    const results: Record<string, unknown> = {};
    for (const mode of MODES) {
      const { raw, logits, peakBytes } = await net.explain(image, { mode });
      const { input } = await net.gradients(image, { mode, target: 0 });
      results[mode] = { raw: hash(raw.data), logits: hash(logits), input: hash(input!.data), peakBytes };
    }
    const mean = await net.gradients(image, { mode: 'atrous', heads: 'mean', target: 1, wrt: ['input', 'weights'] });
    results.mean = { input: hash(mean.input!.data), peakBytes: mean.peakBytes };
    net.dispose();
    expect(results).toMatchSnapshot();
  });
});
