import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network, PixelInput } from '../src/api.js';
import type { Mode } from '../src/base/types.js';
import { load } from '../src/index.js';
import type { Map3 } from './reference/map.js';
import { type PlainNetwork, plainMaps, readPlainFile } from './reference/plain-network.js';
import { expectClose, fixturePath, readReferences } from './support/references.js';

const references = readReferences(fixturePath('small/micro-vgg16.reference.safetensors'));
const image: PixelInput = { width: 64, height: 64, data: references.get('image_rgb')!.data as Uint8Array };
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;
const file = fixturePath('small/micro-vgg16.torchvision.safetensors');
const modes = ['pooled', 'dilated', 'atrous'] as const;
const input: Map3 = { h: 64, w: 64, c: 3, data: references.get('input_nhwc')!.data };

/** Of each mode, computed once. */
const expectedMaps = new Map<Mode, Map<string, Map3>>();

describe.each(['exact', 'fast'] as const)('activations, %s', (precision) => {
  let net: Network;
  let plain: PlainNetwork;
  beforeAll(async () => {
    net = await load(file, { precision, kernels: 'simd', preprocessing });
    plain = await readPlainFile(file);
  });
  afterAll(() => net.dispose());

  it.each(modes)('%s: every convolution as a plain float64 network has it', async (mode) => {
    if (!expectedMaps.has(mode)) expectedMaps.set(mode, plainMaps(plain, mode, input));
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
