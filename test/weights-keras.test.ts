import { describe, expect, test } from 'vitest';
import { defaultLayer, findNode, layerNames } from '../src/graph/names.js';
import { readKerasGraph } from '../src/weights/keras/graph.js';
import { pooled, probabilities } from './reference/graph.js';
import { kerasFixtures, kerasModel, openKerasFile, picture, type TestLayer, weightsOf } from './support/keras-files.js';
import { expectRefused } from './support/weight-files.js';

const fixtures = kerasFixtures();
const named = (name: string) => fixtures.find((fixture) => fixture.name === name)!;

describe('networks of all layers, as each Keras writes them', () => {
  test('are there', () => expect(fixtures.length).toBe(18));

  test.each(fixtures.map((fixture) => [fixture.name, fixture] as const))('%s', async (_, { bytes, shape, output }) => {
    const network = (await openKerasFile(bytes))!;
    const { h, w, c } = network.graph.nodes[0].shape;
    expect([h, w, c]).toEqual(shape);
    const logits = pooled(network.graph, await weightsOf(network.tensors), picture(shape)).logits();
    network.close();
    const isLinear = network.preprocessing.assumed.some((sentence) => sentence.includes('is assumed'));
    const all = [...probabilities(network.graph.head, logits)];
    const ours = isLinear ? [...logits] : output.length === 1 ? all.slice(1) : all;
    expect(ours.length).toBe(output.length);
    for (const [i, value] of output.entries()) expect(Math.abs(ours[i] - value), `output ${i}`).toBeLessThan(2e-6);
  });
});

/** The operations of a model. */
async function graphOf(layers: readonly TestLayer[], shape?: (number | null)[], options = {}) {
  return readKerasGraph(kerasModel(layers, shape), options);
}

const conv = (filters: number, cin: number, config = {}): TestLayer => ({
  of: 'Conv2D',
  config: { filters, kernel_size: [3, 3], ...config },
  arrays: { kernel: [3, 3, cin, filters], bias: [filters] },
});
const norm = (channels: number, config = {}): TestLayer => ({
  of: 'BatchNormalization',
  config,
  arrays: { gamma: [channels], beta: [channels], moving_mean: [channels], moving_variance: [channels] },
});
const pool: TestLayer = { of: 'GlobalAveragePooling2D' };
const dense = (units: number, inputs: number, activation = 'softmax'): TestLayer => ({
  of: 'Dense',
  config: { units, activation },
  arrays: { kernel: [inputs, units], bias: [units] },
});

describe('what a graph is made of', () => {
  test('layers have their names, activations that of their layer with a part behind it', async () => {
    const network = (await openKerasFile(named('branches.3.15.1.keras').bytes))!;
    const { graph } = network;
    network.close();
    const names = ['grouped', 'excite', 'all', 'stem', 'stem_bn', 'last'];
    expect(names.map((name) => graph.nodes[findNode(graph, name)!].name)).toEqual([
      'grouped/activation',
      'excite',
      'all',
      'stem_relu',
      'stem_relu',
      'last/activation',
    ]);
    expect(graph.nodes[defaultLayer(graph)].name).toBe('last/activation');
    expect(layerNames(graph)).not.toContain('grouped/activation');
  });

  test('layers of models in models are found by path too', async () => {
    const network = (await openKerasFile(named('nested.3.15.1.keras').bytes))!;
    const { graph } = network;
    network.close();
    const [outer, inner] = ['conv', 'base/conv'].map((name) => findNode(graph, name)!);
    expect([graph.nodes[outer].from, graph.nodes[inner].shape.c]).not.toEqual([graph.nodes[inner].from, 6]);
    expect(graph.nodes[findNode(graph, 'base')!].name).toMatch(/shared_relu/);
  });

  test('normalizations and paddings are in the nodes beside them', async () => {
    const network = (await openKerasFile(named('branches.2.15.0.h5').bytes))!;
    const { graph } = network;
    network.close();
    const affine = graph.nodes.filter(({ op }) => op === 'affine').map(({ name }) => name);
    expect(affine).toEqual(['normalization', 'difference/negative', 'average']);
    const stem = graph.nodes.find(({ name }) => name === 'stem')!;
    expect(stem).toMatchObject({ op: 'conv', window: { top: 1, left: 0, stride: 2 }, from: [1], aliases: ['stem_bn'] });
  });

  test('an average over the whole map is a global mean, one tap behind it a dense layer', async () => {
    const tap = { ...conv(2, 4), config: { filters: 2, kernel_size: 1 }, arrays: { kernel: [1, 1, 4, 2], bias: [2] } };
    const average = { of: 'AveragePooling2D', config: { pool_size: [6, 6], strides: [6, 6], padding: 'valid' } };
    const { graph } = await graphOf([conv(4, 3), average, tap, { of: 'Flatten' }, { of: 'Softmax' }]);
    expect(graph.nodes.map(({ op }) => op)).toEqual(['input', 'conv', 'global', 'dense']);
    expect(graph.head).toBe('softmax');
  });

  test('sums of products are the activations that they stand for', async () => {
    const network = (await openKerasFile(named('functions.2.15.0.h5').bytes))!;
    const kinds = network.graph.nodes.map((node) => (node.op === 'activation' ? node.activation.f : node.op));
    network.close();
    expect(kinds).toContain('hard-swish');
    expect(kinds).not.toContain('hard-sigmoid');
  });

  test.each<[string, TestLayer[], string, RegExp | undefined]>([
    ['a softmax', [dense(3, 4)], 'softmax', undefined],
    ['a sigmoid', [dense(3, 4, 'sigmoid')], 'sigmoid', undefined],
    ['numbers of several classes', [dense(3, 4, 'linear')], 'softmax', /"layer_3" gives numbers.*a softmax is assumed/],
    ['one number', [dense(1, 4, 'linear')], 'sigmoid', /a sigmoid is assumed/],
    [
      'a layer of its own',
      [dense(1, 4, 'linear'), { of: 'Activation', config: { activation: 'sigmoid' } }],
      'sigmoid',
      undefined,
    ],
  ])('ends in %s', async (_, head, kind, assumed) => {
    const { graph, preprocessing } = await graphOf([conv(4, 3), pool, ...head]);
    expect([graph.head, graph.nodes[graph.logits].op]).toEqual([kind, 'dense']);
    expect(preprocessing.assumed.length).toBe(assumed ? 1 : 0);
    if (assumed) expect(preprocessing.assumed[0]).toMatch(assumed);
  });

  test('a sigmoid that others read is a node', async () => {
    const { graph } = await graphOf([conv(4, 3, { activation: 'sigmoid' }), pool, dense(2, 4)]);
    expect(graph.nodes.map(({ op }) => op)).toEqual(['input', 'conv', 'activation', 'global', 'dense']);
  });

  test('batch normalization is folded in float64', async () => {
    const [plain, folded] = await Promise.all(
      [[], [norm(4)]].map(async (norms) => {
        const network = await graphOf([conv(4, 3), ...norms, pool, dense(2, 4)]);
        return weightsOf(network.tensors);
      }),
    );
    const number = (seed: number, i: number) => Math.fround(0.6 + 0.4 * Math.sin(seed * 37 + i));
    const scale = [0, 1, 2, 3].map((k) => number(0, k) / Math.sqrt(number(3, k) + 1e-3));
    const [kernel, bias] = [plain.get('layer_1.kernel')!, plain.get('layer_1.bias')!];
    expect(folded.get('layer_1.kernel')).toEqual(kernel.map((value, i) => value * scale[i % 4]));
    expect(folded.get('layer_1.bias')).toEqual(bias.map((b, k) => (b - number(2, k)) * scale[k] + number(1, k)));
  });
});

describe('how large the input is', () => {
  const flat = [conv(2, 3), { of: 'Flatten' }, dense(2, 72)];
  const open = [conv(2, 3), pool, dense(2, 2)];

  test.each<[string, TestLayer[], (number | null)[], unknown, number[]]>([
    ['as the file says', flat, [8, 8, 3], undefined, [8, 8]],
    ['as the caller says', open, [8, 8, 3], [9, 7], [9, 7]],
    ['a side', open, [null, null, 3], 11, [11, 11]],
    ['what a flatten wants', flat, [null, null, 3], 8, [8, 8]],
  ])('%s', async (_, layers, shape, inputSize, [h, w]) => {
    const { graph } = await graphOf(layers, shape, { inputSize });
    expect(graph.nodes[0].shape).toMatchObject({ h, w });
  });

  test.each<[string, TestLayer[], (number | null)[], unknown, RegExp]>([
    [
      'nobody says',
      open,
      [null, null, 3],
      undefined,
      /inputSize: the file does not say how large its input "input" is/,
    ],
    ['a flatten wants another', flat, [8, 8, 3], 9, /"layer_3" was made for 72 numbers and gets 98/],
    ['no number', open, [8, 8, 3], 0.5, /expected 1 to 4096 rows and columns, got 0.5 x 0.5/],
  ])('refused: %s', (_, layers, shape, inputSize, message) =>
    expectRefused(() => graphOf(layers, shape, { inputSize }), 'BAD_ARGUMENT', message),
  );
});

describe('what pictures are prepared by', () => {
  const rest = [conv(2, 3), pool, dense(2, 2)];
  test.each<[string, TestLayer[], string | undefined]>([
    ['nothing says', rest, undefined],
    ['a layer', [{ of: 'Rescaling', config: { scale: 1 / 255 } }, ...rest], 'raw'],
    ['a function', [{ of: 'TrueDivide', function: true, constants: [127.5] }, ...rest], 'raw'],
    ['a normalization inside', [conv(3, 3), { of: 'Rescaling', config: { scale: 2 } }, ...rest], undefined],
    ['batch normalization', [norm(3), ...rest], undefined],
  ])('%s', async (_, layers, kind) => {
    expect((await graphOf(layers)).preprocessing.kind).toBe(kind);
  });

  test.each([
    ['vgg16', 'caffe'],
    ['resnet50v2', 'tf'],
    ['mobilenet_1.00_224', 'tf'],
    ['densenet121', 'torch'],
    ['my_model', undefined],
  ])('the name %s', async (name, kind) => {
    const file = kerasModel(rest);
    const config = file.config.replace('"name":"model"', `"name":"${name}"`);
    const { preprocessing } = await readKerasGraph({ ...file, config });
    expect(preprocessing.kind).toBe(kind);
    expect(preprocessing.assumed).toEqual([]);
  });
});
