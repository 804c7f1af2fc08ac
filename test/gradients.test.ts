import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gradients, GradientsOptions, Network, PixelInput } from '../src/api.js';
import { findNode, layerName } from '../src/graph/names.js';
import { load } from '../src/index.js';
import { gradientsOf } from '../src/run/gradient-pass.js';
import { packNetwork } from '../src/run/packed-network.js';
import { classScore } from '../src/run/score.js';
import { Runtime } from '../src/wasm/runtime.js';
import { openWeights } from '../src/weights/open.js';
import index from './fixtures/references/small/index.json' with { type: 'json' };
import { type PlainNetwork, plainLogits, readPlainFile } from './reference/plain-network.js';
import { gradientCases } from './support/gradients.js';
import { expectNear, fixturePath, readReferences } from './support/references.js';

const references = readReferences(fixturePath('small/micro-vgg16.reference.safetensors'));
const gradients = readReferences(fixturePath('small/micro-vgg16.gradients.safetensors'));
const size = index.network.size;
const image: PixelInput = { width: size, height: size, data: references.get('image_rgb')!.data as Uint8Array };
const input = references.get('input_nhwc')!.data as Float32Array;
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;
const file = fixturePath('small/micro-vgg16.torchvision.safetensors');
const last = 'block5_conv3';

describe.each([
  ['exact', 1e-5],
  ['fast', 1e-4],
] as const)('gradients behind an exact forward pass, backward %s', (precision, tolerance) => {
  let net: Network;
  beforeAll(async () => {
    net = await load(file, { precision: 'exact', kernels: 'simd', preprocessing });
  });
  afterAll(() => net.dispose());

  it.each(gradientCases(gradients))("$mode: $title is PyTorch's in float64", async (item) => {
    const { mode, rank, options, compare } = item;
    const result = await net.gradients(image, { ...options, precision, target: index.network[mode][rank] });
    expect(compare.length).toBeGreaterThan(0);
    for (const { key, of } of compare) expectNear(of(result), gradients.get(key)!.data, tolerance, key);
  });

  it("atrous, each head: HiResCAM and scores of single phases are PyTorch's", async () => {
    const options = { mode: 'atrous', target: index.network.atrous.top } as const;
    const result = await net.gradients(image, { ...options, heads: 'each', precision, wrt: [last] });
    const a = (await net.activations(image, { mode: 'atrous', layers: [last] }))[last].data;
    const g = result.layers[last].data;
    const channels = a.length / size ** 2;
    const raw = Float64Array.from({ length: size ** 2 }, (_, i) => {
      let sum = 0;
      for (let k = i * channels; k < (i + 1) * channels; k++) sum += a[k] * g[k];
      return sum;
    });
    expectNear(raw, gradients.get('atrous.top.per_phase.hirescam_raw')!.data, tolerance, 'HiResCAM');
    const scores = Float64Array.from(raw, (_, i) => result.scores[16 * (Math.floor(i / size) % 16) + (i % 16)]);
    expectNear(scores, gradients.get('atrous.top.per_phase.score_raw')!.data, tolerance, 'scores');
  });
});

describe('gradients, exact', () => {
  let net: Network;
  beforeAll(async () => {
    net = await load(file, { precision: 'exact', kernels: 'simd', preprocessing });
  });
  afterAll(() => net.dispose());

  it('pooled: as finite differences of a float64 network have it', async () => {
    const mode = 'pooled';
    const plain = await readPlainFile(file);
    const target = index.network[mode].top;
    const result = await net.gradients(image, { mode, target, wrt: ['input', 'weights'] });
    const pixels = Float64Array.from(input);
    const score = () => plainLogits(plain, { h: size, w: size, c: 3, data: pixels })[target];
    const check = (numbers: Float64Array, gradient: Float32Array, step: number, what: string) => {
      const at = gradient.reduce((best, value, i) => (Math.abs(value) > Math.abs(gradient[best]) ? i : best), 0);
      const value = numbers[at];
      numbers[at] = value + step;
      const above = score();
      numbers[at] = value - step;
      const slope = (above - score()) / (2 * step);
      numbers[at] = value;
      expect(gradient[at] / slope, `${what}[${at}]`).toBeCloseTo(1, 4);
    };
    check(pixels, result.input!.data, 1e-4, 'input');
    for (const name of ['block1_conv1', 'block3_conv2', last, 'fc1', 'predictions'] as const) {
      const layer = layerOf(plain, name);
      check(layer.kernel, result.weights![name].kernel.data, 1e-7, `${name} kernel`);
      check(layer.bias, result.weights![name].bias.data, 1e-7, `${name} bias`);
    }
  });

  it('atrous with one head has the gradients of pooled, zero between', async () => {
    const layers = ['block2_conv1', 'block4_conv3'] as const;
    const pooled = await net.gradients(image, { mode: 'pooled', target: 1, wrt: ['input', ...layers] });
    const atrous = await net.gradients(image, { mode: 'atrous', target: 1, wrt: ['input', ...layers] });
    expect(atrous.input!.data).toEqual(pooled.input!.data);
    for (const [layer, rate] of [
      ['block2_conv1', 2],
      ['block4_conv3', 8],
    ] as const) {
      const [fine, coarse] = [atrous.layers[layer], pooled.layers[layer]];
      expect(fine.shape).toEqual([1, size, size, coarse.shape[3]]);
      expect(coarse.shape[1]).toBe(size / rate);
      expect(every(fine.data, size, coarse.shape[3], rate)).toEqual(coarse.data);
      expect(fine.data.filter((value) => value !== 0).length).toBe(coarse.data.filter((value) => value !== 0).length);
    }
  });

  it.each([16, 4] as const)('atrous at output stride %i has the heads of every so many phases', async (stride) => {
    const options = { mode: 'atrous', target: 1, heads: 'each', wrt: [last] } as const;
    const fine = await net.gradients(image, options);
    const coarse = await net.gradients(image, { ...options, outputStride: stride });
    const channels = fine.layers[last].shape[3];
    expect(coarse.layers[last].shape).toEqual([1, size / stride, size / stride, channels]);
    expectNear(coarse.layers[last].data, every(fine.layers[last].data, size, channels, stride), 1e-6, last);
    expectNear(coarse.scores, every(fine.scores, 16, 1, stride), 1e-6, 'scores');
    const dense = await net.gradients(image, { ...options, heads: 'mean', outputStride: stride });
    expect(dense.score).toBeCloseTo(coarse.scores.reduce((sum, value) => sum + value, 0) / coarse.scores.length, 5);
  });

  it("takes the pooled network's top class, and tells the logits and the score", async () => {
    for (const mode of ['pooled', 'dilated', 'atrous'] as const) {
      const result = await net.gradients(image, { mode, wrt: last });
      const { logits, predictions } = await net.predict(image, { mode });
      expect(result.target.index).toBe(index.network.pooled.top);
      expect(result.logits).toEqual(logits);
      expect(result.predictions).toEqual(predictions);
      expect(result.score).toBe(logits[result.target.index]);
      expect(result.layers[last].shape[3]).toBe(16);
      expect(result).not.toHaveProperty('input');
    }
  });

  it('runs calls one after the other', async () => {
    const calls: GradientsOptions[] = [
      { mode: 'dilated', target: 0 },
      { mode: 'atrous', heads: 'mean', target: 3, wrt: ['weights', last] },
      { mode: 'pooled', target: 2, wrt: ['input', 'block1_conv1'] },
    ];
    const together = await Promise.all(calls.map((options) => net.gradients(image, options)));
    for (const [i, options] of calls.entries())
      expect(numbers(together[i])).toEqual(numbers(await net.gradients(image, options)));
  });

  it('stops within a progress report when the signal says so, and works afterwards', async () => {
    const expected = await net.gradients(image, { mode: 'dilated', target: 0 });
    for (const stopAt of [1, 30]) {
      const controller = new AbortController();
      let reports = 0;
      const onProgress = () => {
        if (++reports === stopAt) controller.abort();
      };
      const stopped = net.gradients(image, { mode: 'dilated', target: 0, signal: controller.signal, onProgress });
      await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
      expect(reports).toBe(stopAt);
    }
    expect(numbers(await net.gradients(image, { mode: 'dilated', target: 0 }))).toEqual(numbers(expected));
  });

  it('reports progress from 0 to 1', async () => {
    const shares: number[] = [];
    const onProgress = ({ done }: { done: number }) => shares.push(done);
    await net.gradients(image, { mode: 'atrous', heads: 'mean', target: 0, onProgress });
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBeCloseTo(1, 10);
  });

  it.each<[GradientsOptions, string]>([
    [{ wrt: ['block9_conv1'] }, 'block5_conv3'],
    [{ mode: 'atrous', heads: 'each', wrt: ['block4_conv3'] }, 'phases share points'],
    [{ mode: 'atrous', heads: 'each', wrt: ['input'] }, "'mean' or 'one'"],
    [{ score: 'entropy' as 'loss' }, 'loss'],
    [{ heads: 'two' as 'one' }, 'each'],
    [{ precision: 'slow' as 'fast' }, 'exact'],
    [{ target: 10 }, '9'],
  ])('refuses %j', async (options, message) => {
    await expect(net.gradients(image, options)).rejects.toMatchObject({
      code: 'BAD_ARGUMENT',
      message: expect.stringContaining(message),
    });
  });
});

it('a network loaded as fast has no exact gradient', async () => {
  const net = await load(file, { kernels: 'simd' });
  await expect(net.gradients(image, { precision: 'exact' })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
  net.dispose();
});

it.each(['exact', 'fast'] as const)('1, 2 and 3 threads give the same bits, %s', async (precision) => {
  const calls: GradientsOptions[] = [
    { mode: 'dilated', target: 0, wrt: ['input', 'weights', 'block2_conv2'] },
    { mode: 'atrous', heads: 'mean', target: 0, wrt: ['input', 'weights', last] },
  ];
  const [one, ...others] = await Promise.all(
    [1, 2, 3].map(async (threads) => {
      const net = await load(file, { precision, kernels: 'simd', preprocessing, threads });
      const results = [];
      for (const options of calls) results.push(numbers(await net.gradients(image, options)));
      net.dispose();
      return results;
    }),
  );
  for (const other of others) expect(other).toEqual(one);
});

describe('the core, on the phase tree node by node', () => {
  let runtime: Runtime;
  let network: Awaited<ReturnType<typeof packNetwork>>;
  beforeAll(async () => {
    const weights = await openWeights(file);
    runtime = await Runtime.create({ kernels: 'simd' });
    network = await packNetwork(runtime, weights, 'exact');
    weights.close();
  });
  afterAll(() => runtime.dispose());

  it.each([0, 20_000])('subtrees up to %i bytes: the same gradients', async (subtreeBytes) => {
    for (const { mode, rank, options, compare } of gradientCases(gradients)) {
      const { heads, guided } = options;
      const wrt = [options.wrt ?? []].flat();
      const {
        input: dinput,
        layers,
        weights,
        ...result
      } = await gradientsOf({ runtime, network }, input, {
        mode,
        heads,
        guided,
        subtreeBytes,
        layers: wrt.filter((name) => name.startsWith('block')).map((name) => findNode(network.graph, name)!),
        score: classScore(options.score ?? 'logit', index.network[mode][rank]),
        input: wrt.includes('input'),
        weights: wrt.includes('weights'),
      });
      const named = {
        score: result.score,
        input: { data: dinput },
        layers: Object.fromEntries(
          [...layers].map(([id, { gradient }]) => [layerName(network.graph, id), { data: gradient }]),
        ),
        weights: Object.fromEntries([...(weights ?? [])].map(([name, { kernel, bias }]) => [name, { kernel, bias }])),
      } as unknown as Gradients;
      for (const { key, of } of compare) expectNear(of(named), gradients.get(key)!.data, 1e-5, key);
    }
  });

  it.each(['one', 'each', 'mean'] as const)('atrous, heads %s: activations at all points', async (heads) => {
    const score = classScore('logit', 0);
    const request = {
      mode: 'atrous',
      heads,
      score,
      layers: [findNode(network.graph, last)!],
      activations: true,
    } as const;
    const { layers } = await gradientsOf({ runtime, network }, input, request);
    const net = await load(file, { precision: 'exact', kernels: 'simd', preprocessing });
    const expected = await net.activations(image, { mode: 'atrous', layers: [last] });
    net.dispose();
    const [found] = layers.values();
    expectNear(found.activation!, expected[last].data, 1e-5, heads); // the inputs' last bits differ
    expect(found).toMatchObject({ height: size, width: size, channels: 16 });
  });

  it('a score may be any function of the logits', async () => {
    const of = async (score: Parameters<typeof gradientsOf>[2]['score']) =>
      (await gradientsOf({ runtime, network }, input, { mode: 'pooled', score, input: true })).input!;
    const difference = await of((logits) => ({
      value: logits[2] - logits[5],
      gradient: logits.map((_, j) => (j === 2 ? 1 : j === 5 ? -1 : 0)),
    }));
    const [a, b] = [await of(classScore('logit', 2)), await of(classScore('logit', 5))];
    expectNear(
      difference,
      a.map((value, i) => value - b[i]),
      1e-5,
      'difference of two classes',
    );
  });
});

/** Points of a (side, side, channels) map whose row and column are multiples of `stride`. */
const every = (data: Float32Array, side: number, channels: number, stride: number): Float32Array =>
  data.filter((_, i) => {
    const pixel = Math.floor(i / channels);
    return (pixel % side) % stride === 0 && Math.floor(pixel / side) % stride === 0;
  });

const layerOf = ({ blocks, dense }: PlainNetwork, name: string) =>
  [...blocks.flat(), ...dense].find((layer) => layer.name === name)!;

/** A digest of all numbers of a result: `toEqual` takes seconds for large arrays. */
function numbers(result: Gradients): Record<string, string> {
  const parts: [string, Float32Array][] = [['scores', result.scores]];
  if (result.input) parts.push(['input', result.input.data]);
  for (const [name, { data }] of Object.entries(result.layers)) parts.push([name, data]);
  for (const [name, { kernel, bias }] of Object.entries(result.weights ?? {}))
    parts.push([`${name} kernel`, kernel.data], [`${name} bias`, bias.data]);
  return Object.fromEntries(parts.map(([name, data]) => [name, digest(data)]));
}

const digest = (data: Float32Array): string => createHash('sha256').update(new Uint8Array(data.buffer)).digest('hex');
