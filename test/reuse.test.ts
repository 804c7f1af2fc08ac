import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExplainOptions, Explanation, Network, PixelInput } from '../src/api.js';
import { load } from '../src/index.js';
import { combineMaps } from '../src/map/finish.js';
import { randomFloats } from './support/random.js';
import { fixturePath } from './support/references.js';

const picture = (seed: number): PixelInput => ({
  width: 64,
  height: 64,
  data: Uint8Array.from(randomFloats(3 * 64 * 64, seed), (value) => 128 + 127 * value),
});

describe('reuse', () => {
  let vgg: Network;
  let small: Network;
  beforeAll(async () => {
    vgg = await load(fixturePath('small/micro-vgg16.torchvision.safetensors'));
    small = await load('imagenet');
  });
  afterAll(() => {
    vgg.dispose();
    small.dispose();
  });
  const numbers = ({ raw, map, logits, score, target, placement, peakBytes }: Explanation) => ({
    raw,
    map,
    logits,
    score,
    target,
    placement,
    peakBytes,
  });

  it.each([
    ['vgg', { mode: 'pooled' }],
    ['vgg', { mode: 'atrous' }],
    ['vgg', { mode: 'atrous', outputStride: 4, align: 'cells' }],
    ['vgg', { mode: 'dilated' }],
    ['imagenet', { mode: 'atrous', method: 'finercam' }],
    ['imagenet', { mode: 'pooled', zoom: [1, 2] }],
  ] as [string, ExplainOptions][])(
    '%s, %j: another target has the same bits, without the convolutions',
    async (name, options) => {
      const net = name === 'vgg' ? vgg : small;
      const input = picture(1);
      await net.explain(picture(2), { ...options, reuse: true });
      const first = await net.explain(input, { ...options, target: 1, reuse: true });
      expect(first.reused).toBeUndefined();
      for (const target of [1, 7, ...(options.method ? [] : [{ for: 2, against: 5 }])]) {
        const again = await net.explain(input, { ...options, target, reuse: true });
        expect(again.reused).toBe(true);
        expect(numbers(again)).toEqual(numbers(await net.explain(input, { ...options, target })));
      }
      expect((await net.explain(input, { ...options, target: 1 })).reused).toBeUndefined();
    },
  );

  it('a stopped run leaves nothing half behind', async () => {
    const input = picture(3);
    const stop = new AbortController();
    const onProgress = () => stop.abort();
    await expect(vgg.explain(input, { reuse: true, signal: stop.signal, onProgress })).rejects.toThrow();
    const whole = await vgg.explain(input, { reuse: true });
    expect(whole.reused).toBeUndefined();
    expect(numbers(whole)).toEqual(numbers(await vgg.explain(input)));
  });
});

it('a product of signed maps has a sign where all agree on it', () => {
  const maps = [
    [0.5, -0.5, -0.5, 0.5, 0, -1],
    [0.5, -0.5, 0.5, -1, 1, -1],
  ].map((values) => Float32Array.from(values));
  expect([...combineMaps(maps, 3, 'product', 'signed').raw.data]).toEqual([0.25, -0.25, 0, 0, 0, -1]);
  const roots = [...combineMaps(maps, 3, 'geometric-mean', 'signed').raw.data];
  expect(roots).toEqual([0.5, -0.5, 0, 0, 0, -1]);
  expect([...combineMaps(maps, 3, 'product', 'positive').raw.data]).toEqual([0.25, 0.25, -0.25, -0.5, 0, 1]);
});
