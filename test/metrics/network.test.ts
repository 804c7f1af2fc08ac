import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network, PixelInput } from '../../src/api.js';
import { load, packWeights } from '../../src/index.js';
import { openProbe } from '../../src/metrics/probe.js';
import { layersFromHead, randomizationCheck, randomizeWeights } from '../../src/metrics/randomize.js';
import { gaussianMap } from '../../src/metrics/regions.js';
import index from '../fixtures/references/small/index.json' with { type: 'json' };
import { fixturePath, readReferences } from '../support/references.js';

const references = readReferences(fixturePath('small/micro-vgg16.reference.safetensors'));
const side = index.network.size;
const image: PixelInput = { width: side, height: side, data: references.get('image_rgb')!.data as Uint8Array };
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;
const file = fixturePath('small/micro-vgg16.torchvision.safetensors');
let net: Network;
beforeAll(async () => {
  net = await load(file, { kernels: 'simd', preprocessing });
});
afterAll(() => net.dispose());

describe('a network asked about numbers instead of a picture', () => {
  it('says the same of what it makes of the picture', async () => {
    const { tensor, rect, image: upright } = await net.preprocess(image);
    expect(rect).toEqual({ x: 0, y: 0, width: side, height: side });
    expect(upright.data).toEqual(image.data);
    expect(Math.abs(tensor[0] - (image.data[2] - 103.939))).toBeLessThan(1e-4); // blue first
    for (const mode of ['pooled', 'dilated', 'atrous'] as const)
      expect(await net.predict({ tensor }, { mode })).toEqual(await net.predict(image, { mode }));
    const changed = await net.predict({ tensor: tensor.map((value) => -value) });
    expect(changed.logits).not.toEqual((await net.predict(image)).logits);
  });

  it('refuses other sizes', async () => {
    const expected = `tensor: expected a Float32Array of ${side} x ${side} x 3 numbers`;
    await expect(net.predict({ tensor: new Float32Array(3) })).rejects.toThrow(expected);
    await expect(net.predict({ tensor: [1, 2, 3] as never })).rejects.toThrow(expected);
  });
});

describe('openProbe', () => {
  it("knows the class's score in each mode", async () => {
    for (const mode of ['pooled', 'dilated'] as const) {
      const { logits, probabilities } = await net.predict(image, { mode });
      const top = index.network.pooled.top; // in every mode
      const probe = await openProbe(net, image, { mode });
      expect(probe.target).toEqual({ index: top, label: net.labels[top] });
      expect(probe.score).toBe(probabilities[top]);
      expect(await probe.scoreOf(probe.tensor)).toBe(probabilities[top]);
      const other = await openProbe(net, image, { mode, target: net.labels[1], score: 'logit' });
      expect(other.score).toBe(logits[1]);
      expect(probe.deviation).toBeCloseTo(57.6, 1);
    }
    const torch = await openProbe(net, image, { preprocessing: { normalization: 'torch' } });
    expect(torch.deviation).toBe(1);
  });

  it('refuses classes that there are not', async () => {
    for (const target of ['horse', -1, 1000, 0.5])
      await expect(openProbe(net, image, { target })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
  });
});

describe('randomised weights', () => {
  const pack = async (dtype: 'float16' | 'float32') => {
    const pieces: Uint8Array[] = [];
    for await (const piece of packWeights(file, { dtype })) pieces.push(piece);
    return new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
  };

  it('replace the layers that are named and no others', async () => {
    for (const dtype of ['float16', 'float32'] as const) {
      const packed = await pack(dtype);
      const before = packed.slice();
      const layers = layersFromHead(packed);
      expect(layers.slice(-2)).toEqual(['block1_conv2', 'block1_conv1']);
      expect(layers.length).toBe(net.layers.length + 3);
      const changed = randomizeWeights(packed, ['block5_conv3']);
      expect(packed).toEqual(before);
      expect(changed.length).toBe(packed.length);
      expect(randomizeWeights(packed, ['block5_conv3'])).toEqual(changed);
      expect(randomizeWeights(packed, ['block5_conv3'], 1)).not.toEqual(changed);
      const [own, other] = [await load(packed, { kernels: 'simd' }), await load(changed, { kernels: 'simd' })];
      const maps = (net: Network) => net.activations(image, { layers: ['block5_conv2', 'block5_conv3'] });
      const [a, b] = [await maps(own), await maps(other)];
      expect(b.block5_conv2).toEqual(a.block5_conv2);
      expect(b.block5_conv3).not.toEqual(a.block5_conv3);
      own.dispose();
      other.dispose();
    }
  });

  it("have the variance of He's initialisation, and no biases", async () => {
    const packed = await pack('float32');
    const layer = 'fc1';
    const changed = await load(randomizeWeights(packed, layersFromHead(packed)), { kernels: 'simd' });
    const none = new Float32Array(3 * side * side);
    expect((await changed.predict({ tensor: none })).logits.every((value) => value === 0)).toBe(true);
    changed.dispose();
    const header = JSON.parse(new TextDecoder().decode(packed.subarray(8, 8 + packed[0] + 256 * packed[1])));
    const { shape, data_offsets: offsets } = header[`${layer}.kernel`];
    const start = 8 + packed[0] + 256 * packed[1];
    const bytes = randomizeWeights(packed, [layer]).slice(start + offsets[0], start + offsets[1]);
    const values = new Float32Array(bytes.buffer);
    const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect((variance * shape[0]) / 2).toBeGreaterThan(0.9);
    expect((variance * shape[0]) / 2).toBeLessThan(1.1);
  });

  it('change maps, layer after layer', async () => {
    const packed = await pack('float16');
    const options = { mode: 'pooled', target: 1, method: 'hirescam' } as const;
    const loaded: Uint8Array[] = [];
    const seen: number[] = [];
    const check = (order: 'cascading' | 'independent', explains = true) =>
      randomizationCheck(packed, {
        load: (weights) => {
          loaded.push(weights);
          return load(weights, { kernels: 'simd' });
        },
        explain: async (net) => [explains ? (await net.explain(image, options)).map : gaussianMap(side)],
        order,
        layers: ['fc1', 'block5_conv3'],
        onProgress: (done) => seen.push(done),
      });
    const steps = await check('cascading');
    expect(steps.map(({ layer }) => layer)).toEqual(['fc1', 'block5_conv3']);
    for (const { correlations, similarities } of steps)
      for (const value of [...correlations, ...similarities]) expect(value).toBeLessThan(0.999);
    expect(loaded[2]).toEqual(randomizeWeights(packed, ['fc1', 'block5_conv3']));
    await check('independent');
    expect(loaded[5]).toEqual(randomizeWeights(packed, ['block5_conv3']));
    expect(seen).toEqual([1, 2, 1, 2]);
    const drawing = await check('cascading', false); // a "map" that does not look at the network
    expect(drawing[1].correlations[0]).toBeCloseTo(1, 12);
    expect(drawing[1].similarities[0]).toBeCloseTo(1, 12);
  });

  it('are refused where the file is another', async () => {
    const packed = await pack('float16');
    expect(() => randomizeWeights(packed, ['fc9'])).toThrow(
      'expected a layer of the file (predictions, fc2, fc1, block5_conv3',
    );
    for (const bytes of [new Uint8Array(4), new Uint8Array(400), packed.subarray(3)])
      expect(() => randomizeWeights(bytes, ['fc1'])).toThrow('the bytes of a packed network');
  });
});
