import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { chosenOf } from '../demo/classes.js';
import { heatImage, type Look } from '../demo/colours.js';
import { sortFiles } from '../demo/dropped.js';
import { describeError, formatBytes, PageError } from '../demo/messages.js';
import { METHODS } from '../demo/methods.js';
import { DEFAULTS, explainOptions, formatAddress, parseAddress } from '../demo/settings.js';
import { joinSides, otherSide } from '../demo/two-sided.js';
import type { ExplainOptions, Explanation } from '../src/api.js';
import { AtrousCamError } from '../src/base/errors.js';
import { methodNames } from '../src/methods/facts.js';

describe('the settings of the page', () => {
  it('are in the address where they differ from the defaults', () => {
    expect(formatAddress(DEFAULTS)).toBe('');
    expect(parseAddress('')).toEqual(DEFAULTS);
    const settings = { ...DEFAULTS, target: 'tiger cat & co', left: 'original', method: 'gradcam++', opacity: '30' };
    expect(formatAddress(settings)).toBe('#target=tiger+cat+%26+co&left=original&method=gradcam%2B%2B&opacity=30');
    expect(parseAddress(formatAddress(settings))).toEqual(settings);
    expect(parseAddress('#nothing=1&left=dilated')).toEqual({ ...DEFAULTS, left: 'dilated' });
  });

  it.each([
    'colormap=zzz',
    'left=up',
    'right=',
    'opacity=1e9',
    'opacity=-1',
    'stride=0',
    'method=x',
    'scale=9',
    'sign=%00',
  ])('that cannot be have their defaults: %s', (address) => {
    expect(parseAddress(`#${address}`)).toEqual(DEFAULTS);
  });

  it('are what the library is asked for', () => {
    const settings = { ...DEFAULTS, target: '7', layer: 'block4_conv3', heads: 'mean', smoothing: 'none' };
    const common = {
      target: 7,
      method: 'gradcam',
      score: 'logit',
      sign: 'positive',
      layer: 'block4_conv3',
      smoothing: 'none',
    };
    expect(explainOptions(settings, { mode: 'pooled' })).toEqual({ ...common, mode: 'pooled' });
    const fine = { mode: 'atrous', outputStride: 4, zoom: [1, 2] } as const;
    expect(explainOptions(settings, fine)).toEqual({ ...common, ...fine, combine: 'geometric-mean', heads: 'mean' });
    const { smoothing, ...plain } = common;
    expect(explainOptions(settings, { mode: 'pooled', usual: true })).toEqual({
      ...plain,
      mode: 'pooled',
      align: 'cells',
    });
    const shift = { ...settings, smoothing: 'shift' }; // which only dilated has
    expect(explainOptions(shift, { mode: 'pooled' }).smoothing).toBeUndefined();
    expect(explainOptions(shift, { mode: 'dilated' }).smoothing).toBe('shift');
    expect(explainOptions({ ...DEFAULTS, target: '3/tabby' }, { mode: 'pooled' })).toMatchObject({
      target: { for: 3, against: 'tabby' },
      sign: 'signed',
    });
  });
});

it('a target names one class or two, by numbers or names', () => {
  const labels = ['tabby', 'either/or', 'Egyptian_cat'];
  const chosen = (target: string) => chosenOf(labels, target);
  expect(chosen('egyptian cat')).toEqual({ for: 2 });
  expect(chosen('either/or')).toEqual({ for: 1 });
  expect(chosen('2/tabby')).toEqual({ for: 2, against: 0 });
  for (const target of ['top', '3', 'dog', 'tabby/dog']) expect(chosen(target)).toBeUndefined();
});

it('methods without negative values say of both classes what speaks for them', () => {
  const explanation = (...values: number[]) => {
    const data = Float32Array.from(values);
    const most = Math.max(...values);
    const map = { width: 2, height: 1, data: data.map((value) => value / most), flat: false, signed: true };
    return { raw: { width: 2, height: 1, data }, map } as unknown as Explanation;
  };
  const options: ExplainOptions = { target: { for: 1, against: 2 }, sign: 'signed' };
  expect(otherSide(options, explanation(1, -1))).toBeUndefined();
  expect(otherSide({ ...options, sign: 'positive' }, explanation(1, 2))).toBeUndefined();
  expect(otherSide(options, explanation(1, 2))).toEqual({ ...options, target: { for: 2, against: 1 } });
  const first = explanation(4, 1);
  joinSides(first, explanation(0, 2));
  expect([...first.map.data]).toEqual([1, -0.25]);
  expect([...first.raw.data]).toEqual([4, -1]);
  const blind = explanation(3, 1);
  joinSides(blind, explanation(3, 1)); // whatever the class
  expect(blind.map.signed).toBe(false);
  expect([...blind.raw.data]).toEqual([3, 1]);
});

describe('files that come together', () => {
  const names = async (...files: [string, string?][]) => {
    const { photos, weights, labels } = await sortFiles(files.map(([name, text = '']) => new File([text], name)));
    return { photos: photos.map(({ name }) => name), weights: weights.map(({ name }) => name), labels: labels?.name };
  };

  it('are photographs, the files of one network, or the names of its classes', async () => {
    expect(await names(['a.onnx'], ['a.onnx.data'], ['labels.txt'])).toEqual({
      photos: [],
      weights: ['a.onnx', 'a.onnx.data'],
      labels: 'labels.txt',
    });
    const model = '{"modelTopology": {}, "weightsManifest": []}';
    expect(await names(['model.json', model], ['group1-shard1of2'], ['group1-shard2of2.bin'])).toEqual({
      photos: [],
      weights: ['model.json', 'group1-shard1of2', 'group1-shard2of2.bin'],
      labels: undefined,
    });
    expect(await names(['x.safetensors.index.json', '{"weight_map": {}}'], ['x.json', '["cat", "dog"]'])).toEqual({
      photos: [],
      weights: ['x.safetensors.index.json'],
      labels: 'x.json',
    });
    expect(await names(['broken.json', '{'], ['cat.jpeg'], ['without-ending'])).toEqual({
      photos: ['cat.jpeg', 'without-ending'],
      weights: ['broken.json'],
      labels: undefined,
    });
  });
});

describe('colours', () => {
  const look: Look = { colormap: '', opacity: 0.8, signed: false, strength: 1, robust: false };
  const alphas = (values: number[], changes: Partial<Look> = {}) => {
    const { data } = heatImage(Float32Array.from(values), values.length, { ...look, ...changes });
    return values.map((_, i) => data[4 * i + 3]);
  };
  beforeAll(() => {
    vi.stubGlobal(
      'ImageData',
      class {
        readonly data: Uint8ClampedArray;
        constructor(width: number, height: number) {
          this.data = new Uint8ClampedArray(4 * width * height);
        }
      },
    );
  });
  afterAll(() => {
    vi.unstubAllGlobals();
  });

  it('are transparent where there is no evidence, and as strong as it is', () => {
    expect(alphas([0, 0.2, 0.4, 1])).toEqual([0, 102, 204, 204]);
    expect(alphas([-1, -0.5, 0, 0.5, 1], { signed: true })).toEqual([204, 102, 0, 102, 204]);
    expect(alphas([0, 1], { strength: 0.1 })).toEqual([0, 51]);
  });

  it('of pixel methods are scaled by a percentile', () => {
    const values = Array.from({ length: 1000 }, (_, i) => (i === 999 ? 1 : 0.01));
    expect(alphas(values)[0]).toBeLessThan(10);
    expect(alphas(values, { robust: true })[0]).toBe(204);
  });
});

it('the page has words for every method', () => {
  expect(Object.keys(METHODS).sort()).toEqual([...methodNames].sort());
});

describe('what goes wrong, in words', () => {
  it.each([
    [
      new AtrousCamError('BAD_IMAGE', 'image "notes.txt": expected a PNG or JPEG file'),
      'This picture cannot be read',
      'notes.txt: expected a PNG or JPEG file. Try a PNG or JPEG file.',
    ],
    [
      new AtrousCamError('OUT_OF_MEMORY', 'memory: 3 GB are needed'),
      'Not enough memory',
      'memory: 3 GB are needed. Close other tabs, or choose a smaller network or photograph.',
    ],
    [new PageError('TOO_LARGE', 'a.png: 300 MB'), 'This file is too large', 'a.png: 300 MB.'],
    ['odd', 'Something went wrong', 'odd.'],
  ])('%s', (error, heading, text) => {
    expect(describeError(error)).toEqual({ heading, text });
  });

  it('sizes', () => {
    expect([formatBytes(1_340_000), formatBytes(553_000_000)]).toEqual(['1.3 MB', '553 MB']);
  });
});
