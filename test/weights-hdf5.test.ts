import { readFileSync } from 'node:fs';
import type { File } from 'h5wasm/node';
import { describe, expect, test } from 'vitest';
import { openWeights } from '../src/weights/open.js';
import { fixturePath } from './support/references.js';
import { allNumbers, expectRefused, hdf5 } from './support/weight-files.js';

const good = new Uint8Array(readFileSync(fixturePath('small/micro-vgg16.keras-official.h5')));
const official = await allNumbers(await openWeights(good));
const convs = [2, 2, 3, 3, 3].flatMap((count, b) =>
  Array.from({ length: count }, (_, i) => `block${b + 1}_conv${i + 1}`),
);

/** Kernel and bias of a layer, with their shapes. */
function arrays(layer: string) {
  return ['kernel', 'bias'].map((field) => {
    const [key, data] = [...official].find(([name]) => name.startsWith(`${layer}.${field} `))!;
    return { shape: JSON.parse(key.slice(key.indexOf('['))) as number[], data };
  });
}

interface Layout {
  root?: string;
  variable?: boolean;
  chunked?: boolean;
  /** The layer's and the dataset's names. */
  layer?: (name: string, i: number) => string;
  dataset?: (layer: string, field: number) => string;
  change?: (layer: string, parts: { shape: number[]; data: Float32Array }[]) => typeof parts;
}

/** The micro network in one of Keras' layouts. */
function keras(options: Layout = {}): Promise<Uint8Array> {
  const { root = '', variable, chunked, layer = (name) => name, change = (_, parts) => parts } = options;
  const { dataset = (name, field) => `${name}_${'Wb'[field]}_1:0` } = options;
  const names = [1, 2, 3, 4, 5].flatMap((b) => [
    ...convs.filter((name) => name.includes(`block${b}`)),
    `block${b}_pool`,
  ]);
  names.push('flatten', 'fc1', 'fc2', 'predictions');
  const text = (file: File, path: string, key: string, list: string[]) => {
    const type = variable ? 'S' : `S${Math.max(1, ...list.map(({ length }) => length))}`;
    (file.get(path) as File).create_attribute(key, list, [list.length], type);
  };
  return hdf5((file) => {
    if (root) file.create_group(root);
    const stored = names.map(layer);
    if (chunked)
      for (let i = 0; i < stored.length; i += 5) text(file, `/${root}`, `layer_names${i / 5}`, stored.slice(i, i + 5));
    else text(file, `/${root}`, 'layer_names', stored);
    for (const [i, name] of names.entries()) {
      const path = `${root}/${stored[i]}`;
      file.create_group(path);
      const parts = /pool|flatten/.test(name) ? [] : change(name, arrays(name));
      const fields = parts.map((_, field) => dataset(stored[i], field));
      if (parts.length === 0) (file.get(path) as File).create_attribute('weight_names', new Float64Array(0), [0], '<d');
      else text(file, path, 'weight_names', fields);
      for (const [depth] of (fields[0]?.split('/').slice(1) ?? []).entries())
        file.create_group(
          `${path}/${fields[0]
            .split('/')
            .slice(0, depth + 1)
            .join('/')}`,
        );
      for (const [field, { shape, data }] of parts.entries()) {
        (file.get(path) as File).create_dataset({
          name: fields[field],
          data,
          shape,
          dtype: data instanceof Float64Array ? '<d' : '<f',
        });
      }
    }
  });
}

describe('layouts of Keras', () => {
  const layouts: [string, Layout][] = [
    ['official', {}],
    ['variable-length names', { variable: true }],
    [
      'whole model, Keras 2',
      { root: 'model_weights', variable: true, dataset: (layer, field) => `${layer}/${['kernel:0', 'bias:0'][field]}` },
    ],
    [
      'whole model, Keras 3',
      {
        root: 'model_weights',
        variable: true,
        dataset: (layer, field) => `vgg16/${layer}/${['kernel', 'bias'][field]}`,
      },
    ],
    ['names in pieces', { chunked: true }],
    ['blocks told by the pools', { layer: (name, i) => (name.includes('pool') ? `max_pooling2d_${i}` : `l${i}`) }],
    ['blocks told by the number of convolutions', { layer: (_, i) => `l${i}` }],
    [
      'float64',
      { change: (_, parts) => parts.map(({ shape, data }) => ({ shape, data: Float64Array.from(data) as never })) },
    ],
  ];
  test.each(layouts)('%s', async (_, layout) => {
    const weights = await openWeights(await keras(layout));
    expect(await allNumbers(weights)).toEqual(official);
    expect(weights.preprocessing.normalization).toBe('caffe');
    weights.close();
  });

  test('.weights.h5 of Keras 3: counters sort as numbers', async () => {
    const file = await hdf5((file) => {
      file.create_group('layers');
      const counted =
        (kind: string) =>
        (name: string, i: number): [string, string] => [name, i === 0 ? kind : `${kind}_${i}`];
      const groups = [...convs.map(counted('conv2d')), ...['fc1', 'fc2', 'predictions'].map(counted('dense'))];
      for (const [name, group] of groups) {
        const path = `layers/${group}/vars`;
        file.create_group(`layers/${group}`);
        file.create_group(path);
        for (const [field, { shape, data }] of arrays(name).entries())
          (file.get(path) as File).create_dataset({ name: `${field}`, data, shape, dtype: '<f' });
      }
    });
    expect(await allNumbers(await openWeights(file))).toEqual(official);
  });
});

describe('files that hold something else', () => {
  const cases: [string, Layout, RegExp][] = [
    [
      'a misshapen kernel',
      {
        change: (layer, [kernel, bias]) => (layer === 'fc2' ? [{ ...kernel, shape: [12, 48] }, bias] : [kernel, bias]),
      },
      /"\/fc2\/fc2_W_1:0": expected shape \[24, out\], got \[12, 48\]/,
    ],
    [
      'no bias',
      { change: (layer, parts) => (layer === 'predictions' ? parts.slice(0, 1) : parts) },
      /each a kernel and a bias, got "\/predictions\/predictions_W_1:0" of shape \[24, 10\] then nothing/,
    ],
    [
      'NaN',
      {
        change: (layer, [kernel, bias]) => [
          kernel,
          layer === 'fc1' ? { ...bias, data: bias.data.map((x, i) => (i === 3 ? Number.NaN : x)) } : bias,
        ],
      },
      /"\/fc1\/fc1_b_1:0": expected finite numbers, got NaN at \[3\]/,
    ],
    [
      'a layer left out',
      { change: (layer, parts) => (layer === 'block3_conv2' ? [] : parts) },
      /expected a layer "block3_conv2", got "block3_conv3" in its place/,
    ],
    [
      'another number of convolutions under other names',
      { layer: (_, i) => `l${i}`, change: (layer, parts) => (layer === 'block5_conv3' ? [] : parts) },
      /got 12 with other names/,
    ],
  ];
  test.each(cases)('%s', async (_, layout, message) => {
    const file = await keras(layout);
    await expectRefused(async () => allNumbers(await openWeights(file)), 'BAD_WEIGHTS', message);
  });

  const text = (file: File, key: string, list: string[]) => file.create_attribute(key, list, [list.length], 'S9');
  const written: [string, (file: File) => void, RegExp][] = [
    ['nothing', () => {}, /expected a VGG network as Keras saves it.*got an empty file/],
    ['other groups', (file) => file.create_group('resnet'), /got "resnet"/],
    [
      'layers without groups',
      (file) => text(file, 'layer_names', ['fc1']),
      /expected a group "fc1" with "weight_names"/,
    ],
    [
      'numbers for names',
      (file) => file.create_attribute('layer_names', new Int32Array(3), [3], '<i'),
      /"layer_names" of "\/": expected text/,
    ],
    [
      'too many names',
      (file) => file.create_attribute('layer_names', Array(10_001).fill('a'), [10_001], 'S1'),
      /at most 10000 names, got 10001/,
    ],
    [
      'names without arrays',
      (file) => {
        text(file, 'layer_names', ['fc1']);
        text(file.create_group('fc1') as File, 'weight_names', ['W']);
      },
      /expected a dataset "fc1\/W", got none/,
    ],
    [
      'integers',
      (file) => {
        text(file, 'layer_names', ['fc1']);
        const group = file.create_group('fc1') as File;
        text(group, 'weight_names', ['W']);
        group.create_dataset({ name: 'W', data: new Int32Array(4), shape: [4] });
      },
      /"\/fc1\/W": expected float32 or float64/,
    ],
    [
      'one array for ever',
      (file) => {
        text(file, 'layer_names', ['fc1']);
        const group = file.create_group('fc1') as File;
        group.create_attribute('weight_names', Array(9000).fill('W'), [9000], 'S1');
        group.create_dataset({ name: 'W', data: new Float32Array(4), shape: [4] });
      },
      /at most 1000 arrays/,
    ],
  ];
  test.each(written)('%s', async (_, fill, message) => {
    const file = await hdf5(fill);
    await expectRefused(() => openWeights(file), 'BAD_WEIGHTS', message);
  });
});

describe('damaged files', () => {
  test('are refused wherever they are cut', async () => {
    for (const length of [8, 24, 96, 512, 800, 2048, 5000, 60_000, good.length - 1])
      await expectRefused(() => openWeights(good.subarray(0, length)), 'BAD_WEIGHTS', /truncated/);
  });

  test("the reason is the library's own, caught from its error stream", () =>
    expectRefused(() => openWeights(good.subarray(0, 5000)), 'BAD_WEIGHTS', '("truncated file: eof = 5000,'));

  /** Small changes and holes at seeded places: the answer is an error of ours or a network, at once, and the reader lives on. */
  test.each([
    ['official', false],
    ['variable-length names', true],
  ])('never hang or break the reader: %s', async (_, variable) => {
    const whole = variable ? await keras({ variable }) : good;
    let state = 1;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let refused = 0;
    for (let round = 0; round < 300; round++) {
      const file = whole.slice();
      if (round % 3 === 0) file.fill(0, random(file.length));
      else if (round % 3 === 1) file.fill([0, 255][random(2)], random(file.length), random(file.length));
      else for (let i = 0; i <= round % 8; i++) file[random(random(file.length))] = random(256);
      const start = performance.now();
      try {
        const weights = await openWeights(file);
        await allNumbers(weights);
        weights.close();
      } catch (error) {
        expect(error).toMatchObject({ code: 'BAD_WEIGHTS' });
        refused++;
      }
      expect(performance.now() - start).toBeLessThan(5000);
    }
    expect(refused).toBeGreaterThan(100);
    expect(await allNumbers(await openWeights(whole))).toEqual(official);
  });
});
