import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network, PixelInput } from '../src/api.js';
import { load } from '../src/index.js';
import type { Mode } from '../src/types.js';
import type { NetworkWeights, Tensor } from '../src/weights/types.js';
import { openWeights } from '../src/weights.js';
import { conv3x3 } from './reference/conv.js';
import type { Map3 } from './reference/map.js';
import { maxPool } from './reference/pool.js';
import { expectClose, fixturePath, readReferences } from './support/references.js';

const references = readReferences(fixturePath('small/micro-vgg16.reference.safetensors'));
const image: PixelInput = { width: 64, height: 64, data: references.get('image_rgb')!.data as Uint8Array };
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;
const file = fixturePath('small/micro-vgg16.torchvision.safetensors');
const modes = ['pooled', 'dilated', 'atrous'] as const;

async function read(tensor: Tensor): Promise<Float32Array> {
  const data = new Float32Array(tensor.shape.reduce((product, n) => product * n, 1));
  await tensor.copyInto(data);
  return data;
}

/** The networks as the definitions write them, layer after layer on whole maps: no phase tree, no views. */
async function plainForward(weights: NetworkWeights, mode: Mode): Promise<Map<string, Map3>> {
  const maps = new Map<string, Map3>();
  let x: Map3 = { h: 64, w: 64, c: 3, data: references.get('input_nhwc')!.data };
  for (const [block, convs] of weights.blocks.entries()) {
    const rate = 2 ** block;
    const dilation = mode === 'pooled' ? 1 : rate;
    for (const { name, kernel, bias } of convs) {
      const cout = kernel.shape[3];
      x = { ...x, c: cout, data: conv3x3(x, await read(kernel), await read(bias), cout, { dilation, relu: true }) };
      maps.set(name, x);
    }
    if (mode === 'pooled')
      x = { h: x.h / 2, w: x.w / 2, c: x.c, data: maxPool(x, x.h / 2, x.w / 2, { size: 2, stride: 2, dilation: 1 }) };
    if (mode === 'atrous') x = { ...x, data: maxPool(x, x.h, x.w, { size: 2, stride: 1, dilation: rate }) };
  }
  return maps;
}

/** Of each mode, computed once. */
const expectedMaps = new Map<Mode, Map<string, Map3>>();

describe.each(['exact', 'fast'] as const)('activations, %s', (precision) => {
  let net: Network;
  let weights: NetworkWeights;
  beforeAll(async () => {
    net = await load(file, { precision, kernels: 'simd', preprocessing });
    weights = await openWeights(file);
  });
  afterAll(() => {
    net.dispose();
    weights.close();
  });

  it.each(modes)('%s: every convolution as a plain float64 network has it', async (mode) => {
    if (!expectedMaps.has(mode)) expectedMaps.set(mode, await plainForward(weights, mode));
    const expected = expectedMaps.get(mode)!;
    const actual = await net.activations(image, { mode, layers: net.layers });
    expect(Object.keys(actual)).toEqual(net.layers);
    for (const [name, map] of expected) {
      expect(actual[name].shape).toEqual([1, map.h, map.w, map.c]);
      expectClose(actual[name].data, map.data, precision === 'exact' ? 2e-6 : 2e-5, `${mode} ${name}`);
    }
  });

  it('atrous at output stride 4 is every fourth point', async () => {
    const layers = ['block3_conv2', 'block5_conv3'];
    const fine = await net.activations(image, { mode: 'atrous', layers });
    const coarse = await net.activations(image, { mode: 'atrous', layers, outputStride: 4 });
    for (const layer of layers) {
      const { shape, data } = fine[layer];
      const channels = shape[3];
      const points = data.filter((_, i) => {
        const pixel = Math.floor(i / channels);
        return (pixel % 64) % 4 === 0 && Math.floor(pixel / 64) % 4 === 0;
      });
      expect(coarse[layer].shape).toEqual([1, 16, 16, channels]);
      expect(coarse[layer].data).toEqual(points);
    }
  });

  it('names the layers where one is unknown', async () => {
    await expect(net.activations(image, { layers: ['conv9'] })).rejects.toMatchObject({
      code: 'BAD_ARGUMENT',
      message: expect.stringContaining('block5_conv3'),
    });
  });
});
