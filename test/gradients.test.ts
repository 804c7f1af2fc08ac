import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network, PixelInput } from '../src/api.js';
import { load } from '../src/index.js';
import index from './fixtures/references/small/index.json' with { type: 'json' };
import { gradientCases } from './support/gradients.js';
import { expectNear, fixturePath, readReferences } from './support/references.js';

const references = readReferences(fixturePath('small/micro-vgg16.reference.safetensors'));
const gradients = readReferences(fixturePath('small/micro-vgg16.gradients.safetensors'));
const size = index.network.size;
const image: PixelInput = { width: size, height: size, data: references.get('image_rgb')!.data as Uint8Array };
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;
const file = fixturePath('small/micro-vgg16.torchvision.safetensors');

describe.each([
  ['exact', 1e-5],
  ['fast', 1e-4],
] as const)('gradients behind an exact forward pass, backward %s', (precision, tolerance) => {
  let net: Network;
  beforeAll(async () => {
    net = await load(file, { precision: 'exact', kernels: 'simd', preprocessing });
  });
  afterAll(() => net.dispose());

  it.each(gradientCases(gradients))(
    "$mode: $title is PyTorch's in float64",
    async ({ mode, rank, options, compare }) => {
      const target = index.network[mode][rank];
      const result = await net.gradients(image, { ...options, precision, target });
      expect(compare.length).toBeGreaterThan(0);
      for (const { key, of } of compare) expectNear(of(result), gradients.get(key)!.data, tolerance, key);
    },
  );
});
