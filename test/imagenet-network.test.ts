import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load, type Network } from '../src/index.js';

const root = new URL('..', import.meta.url).pathname;
const photo = `${root}photos/leonberger_abyssinian.jpg`;

describe('the ImageNet network in the package', () => {
  let net: Network;
  beforeAll(async () => {
    net = await load('imagenet', { kernels: 'simd', threads: 1 });
  });
  afterAll(() => net.dispose());

  it('is the file that its card describes', () => {
    const card = readFileSync(`${root}weights/IMAGENET.md`, 'utf8');
    const bytes = readFileSync(`${root}weights/imagenet-mobilenet.f16.safetensors`);
    expect(card).toContain(createHash('sha256').update(bytes).digest('hex'));
    expect(card).toContain(net.parameters.toLocaleString('en-US'));
    expect(net.labels).toHaveLength(1000);
    expect(net.preprocessing).toMatchObject({ normalization: 'tf', resize: 'bilinear', fit: 'squash' });
    expect(net.defaultLayer).toBe('conv_pw_13');
  });

  it('knows the dog of the photograph, and has a map for it in every mode', async () => {
    const { predictions } = await net.predict(photo);
    expect(predictions[0].label).toBe('Leonberg');
    for (const mode of ['pooled', 'atrous'] as const) {
      const { map, target } = await net.explain(photo, { mode, ...(mode === 'atrous' && { outputStride: 16 }) });
      expect(target.label).toBe('Leonberg');
      expect(Math.max(...map.data)).toBeCloseTo(1, 6);
    }
  });
});
