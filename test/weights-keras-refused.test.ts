import { readFileSync } from 'node:fs';
import type { File } from 'h5wasm/node';
import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../src/base/errors.js';
import { readKerasGraph } from '../src/weights/keras/graph.js';
import { openWeights } from '../src/weights/open.js';
import { kerasModel, openKerasFile, type TestLayer } from './support/keras-files.js';
import { fixturePath } from './support/references.js';
import { expectRefused, hdf5 } from './support/weight-files.js';

const conv = (config = {}, arrays = {}): TestLayer => ({
  of: 'Conv2D',
  name: 'conv',
  config: { filters: 4, kernel_size: [3, 3], ...config },
  arrays: { kernel: [3, 3, 3, 4], bias: [4], ...arrays },
});
const head: TestLayer[] = [
  { of: 'GlobalAveragePooling2D', name: 'mean' },
  { of: 'Dense', name: 'dense', config: { units: 2, activation: 'softmax' }, arrays: { kernel: [4, 2], bias: [2] } },
];
const layer = (of: string, config = {}, more: Partial<TestLayer> = {}): TestLayer => ({
  of,
  name: 'it',
  config,
  ...more,
});
const function3 = (of: string, constants: unknown[] = [], config = {}): TestLayer =>
  layer(of, config, { function: true, constants });
const norm = { gamma: [4], beta: [4], moving_mean: [4], moving_variance: [4] };

/** What stands between a convolution and the head, and what is said of it. */
const unsupported: [string, TestLayer[], RegExp][] = [
  [
    'an unknown layer',
    [layer('Whatever')],
    /layer "it" \(Whatever\): layers of this class are not known; export the model to ONNX/,
  ],
  ['code', [layer('Lambda')], /layer "it" \(Lambda\): it runs Python code.*put other layers in its place/],
  ['a class of the user', [layer('Conv2D', {}, { module: 'my.code' })], /\(my\.code>Conv2D\): layers of this class/],
  [
    'a registered class',
    [layer('Conv2D', {}, { module: null, registered: 'my>Conv2D' })],
    /\(my>Conv2D\): layers of this class/,
  ],
  ['transposed axes', [layer('Permute', { dims: [1, 3, 2] })], /\(Permute\): it moves axes/],
  ['larger maps', [layer('UpSampling2D')], /\(UpSampling2D\): it enlarges maps/],
  ['an unknown option', [layer('MaxPooling2D', { ceil: true })], /its option "ceil": true is not known/],
  ['an unknown activation', [layer('Activation', { activation: 'mish' })], /its activation "mish" is not known/],
  [
    "a function of the user's",
    [layer('Activation', { activation: { class_name: 'function', config: 'relu', module: 'my' } })],
    /its activation \{"class_name":"function".* is not known/,
  ],
  [
    'strides that differ',
    [layer('MaxPooling2D', { pool_size: [2, 1] })],
    /its strides are 2 for rows and 1 for columns/,
  ],
  ['channels first', [layer('MaxPooling2D', { data_format: 'channels_first' })], /its data_format is "channels_first"/],
  ['a padding', [layer('MaxPooling2D', { padding: 'full' })], /its padding "full" is not supported/],
  ['a threshold', [layer('ReLU', { threshold: 1 })], /its threshold is 1; only 0/],
  [
    'a slope and a bound',
    [layer('ReLU', { max_value: 6, negative_slope: 0.1 })],
    /both a negative_slope and a max_value/,
  ],
  [
    'slopes of points',
    [layer('PReLU', {}, { arrays: { alpha: [6, 6, 4] } })],
    /one for each channel \(shared_axes=\[1, 2\]\)/,
  ],
  ['another axis', [layer('BatchNormalization', { axis: 1 }, { arrays: norm })], /its axis is 1; only the last one/],
  ['several axes', [layer('LayerNormalization', { axis: [1, 2, 3] })], /its axis is \[1,2,3\]/],
  ['rows beside each other', [layer('Concatenate', { axis: 1 }, { reads: ['conv', 'conv'] })], /its axis is 1/],
  ['a softmax inside', [layer('Softmax')], /layer "mean" \(GlobalAveragePooling2D\): it reads a softmax/],
  ['a softmax of rows', [layer('Softmax', { axis: 1 })], /its axis is 1/],
  ['training', [layer('Dropout', { rate: 0.5 }, { named: { training: true } })], /it is called with training=True/],
  ['another size', [layer('Resizing', { height: 9, width: 9 })], /it makes pictures of 9 x 9 of 6 x 6/],
  ['an odd shape', [layer('Reshape', { target_shape: [36, 4] })], /it makes the shape \[36,4\] of a map of 6 x 6 x 4/],
  [
    'a quotient of maps',
    [function3('TrueDivide', [1], {}), layer('Divide', {}, { name: 'by', function: true, reads: ['conv', 'it'] })],
    /layer "by" \(Divide\): it divides one map/,
  ],
  ['an unknown function', [layer('TFOpLambda', { function: 'math.cumsum' })], /it calls the function "math.cumsum"/],
  ['another module', [layer('TFOpLambda', { function: 'linalg.add' })], /it calls the function "linalg.add"/],
  ['a part', [function3('GetItem', [[0, 1]])], /it takes the part \[0,1\]/],
  ['a mean of rows', [function3('Mean', [], { axis: [1] })], /its axes are \[1\]/],
  [
    'a map and another',
    [layer('MaxPooling2D', {}, { name: 'half' }), layer('Add', {}, { reads: ['conv', 'half'] })],
    /it combines a map of 6 x 6 x 4 with a map of 3 x 3 x 4/,
  ],
  [
    'attention of one channel',
    [
      layer('Conv2D', { filters: 1, kernel_size: 1 }, { name: 'gate', arrays: { kernel: [1, 1, 4, 1], bias: [1] } }),
      layer('Multiply', {}, { reads: ['conv', 'gate'] }),
    ],
    /it combines a map of 6 x 6 x 4 with a map of 6 x 6 x 1/,
  ],
  [
    'flattened maps together',
    [layer('Flatten', {}, { name: 'flat' }), layer('Concatenate', {}, { reads: ['flat', 'flat'] })],
    /it concatenates a vector of 144 and a vector of 144/,
  ],
];

describe('layers that are not understood', () => {
  test.each(unsupported)('%s', (_, layers, message) =>
    expectRefused(() => readKerasGraph(kerasModel([conv(), ...layers, ...head])), 'UNSUPPORTED', message),
  );

  test('each of them is the only reason', async () => {
    const { graph } = await readKerasGraph(kerasModel([conv(), ...head]));
    expect(graph.nodes).toHaveLength(4);
  });
});

const tail = (of: string, config = {}, more = {}) => [conv(), head[0], layer(of, config, more)];
const wide = { arrays: { kernel: [4, 1], bias: [1] } };

describe('networks that are not understood', () => {
  const cases: [string, TestLayer[], ErrorCode, RegExp][] = [
    ['no head', [conv()], 'UNSUPPORTED', /layer "conv": the network ends in a map of 6 x 6 points/],
    [
      'features',
      [conv({ activation: 'relu' }), head[0]],
      'UNSUPPORTED',
      /layer "mean": the network ends in relu and no classifier/,
    ],
    [
      'another activation',
      tail('Dense', { units: 1, activation: 'tanh' }, wide),
      'UNSUPPORTED',
      /ends in tanh and no classifier/,
    ],
    [
      'a softmax of one',
      tail('Dense', { units: 1, activation: 'softmax' }, wide),
      'UNSUPPORTED',
      /a softmax of one number is always 1/,
    ],
    [
      'weights used twice',
      [conv({ padding: 'same', filters: 3 }, { kernel: [3, 3, 3, 3], bias: [3] }), ...head],
      'BAD_WEIGHTS',
      /layer "dense" \(Dense\): expected "kernel" of shape \[3, 2\], got \[4, 2\]/,
    ],
    [
      'a bias missing',
      [conv({}, { bias: undefined }), ...head],
      'BAD_WEIGHTS',
      /expected 2 arrays for layer "conv" \(kernel, bias\), got 1/,
    ],
    [
      'an array more',
      [conv({}, { other: [4] }), ...head],
      'BAD_WEIGHTS',
      /expected 2 arrays for layer "conv" \(kernel, bias\), got 3/,
    ],
    [
      'arrays of nobody',
      [conv(), layer('Dropout', {}, { arrays: { kernel: [4] } }), ...head],
      'BAD_WEIGHTS',
      /array "kernel" belongs to no layer/,
    ],
    [
      'another order',
      [conv({}, { kernel: undefined, bias: undefined, biases: [4], kernels: [3, 3, 3, 4] }), ...head],
      'BAD_WEIGHTS',
      /expected an array "kernel" of layer "conv", got "conv\/biases"/,
    ],
    ['a channel count', [conv({ groups: 2 }), ...head], 'BAD_WEIGHTS', /2 groups do not divide 3 channels/],
    ['a huge count', [conv({ filters: 2 ** 40 }), ...head], 'BAD_WEIGHTS', /expected "kernel" of shape/],
    [
      'a huge array',
      [conv({ filters: 2 ** 30 }, { kernel: [3, 3, 3, 2 ** 30], bias: [2 ** 30] }), ...head],
      'BAD_WEIGHTS',
      /expected "kernel" of at most 536870912 elements/,
    ],
    [
      'a huge padding',
      [conv(), layer('ZeroPadding2D', { padding: 40_000 }), ...head],
      'BAD_WEIGHTS',
      /expected "padding" to be whole numbers/,
    ],
    [
      'a huge window',
      [layer('MaxPooling2D', { pool_size: 65, strides: 1, padding: 'same' }), conv(), ...head],
      'BAD_WEIGHTS',
      /a window of 65 x 65/,
    ],
    ['a name twice', [conv(), conv(), ...head], 'BAD_WEIGHTS', /two layers are called "conv"/],
    [
      'a layer that is not there',
      [conv(), layer('Add', {}, { reads: ['conv', 'gone'] }), ...head],
      'BAD_WEIGHTS',
      /reads "gone", which is not in the model/,
    ],
    [
      'a circle',
      [layer('Add', {}, { reads: ['input', 'conv'] }), conv(), ...head],
      'BAD_WEIGHTS',
      /layer "(it|conv)" reads its own output/,
    ],
    [
      'variances below 0',
      [conv(), layer('BatchNormalization', { epsilon: -9 }, { arrays: norm }), ...head],
      'BAD_WEIGHTS',
      /expected variances/,
    ],
  ];
  test.each(cases)('%s', (_, layers, code, message) => {
    const defined = layers.map(({ arrays = {}, ...rest }) => ({
      ...rest,
      arrays: Object.fromEntries(Object.entries(arrays).filter(([, shape]) => shape)),
    }));
    return expectRefused(() => readKerasGraph(kerasModel(defined)), code, message);
  });

  test('hard_sigmoid of an unknown Keras', () => {
    const file = kerasModel([conv({ activation: 'hard_sigmoid' }), ...head]);
    return expectRefused(
      () => readKerasGraph({ ...file, version: undefined }),
      'UNSUPPORTED',
      /hard_sigmoid is not the same function in Keras 2 and Keras 3/,
    );
  });

  const edited: [string, (json: string) => string, ErrorCode, RegExp][] = [
    ['no JSON', (json) => json.slice(1), 'BAD_WEIGHTS', /the configuration of the model is no JSON/],
    ['a number', () => '1', 'BAD_WEIGHTS', /expected a model with a "class_name"/],
    [
      'a subclass',
      (json) => json.replace('Functional', 'MyModel'),
      'UNSUPPORTED',
      /the model "model" is of a class of its own, "MyModel"/,
    ],
    [
      'code',
      () => '{"class_name":"MyModel","config":{}}',
      'UNSUPPORTED',
      /"MyModel", whose Python code the file does not have/,
    ],
    [
      'two outputs',
      (json) => json.replace('[["dense",0,0]]', '[["dense",0,0],["mean",0,0]]'),
      'UNSUPPORTED',
      /1 inputs and 2 outputs/,
    ],
    ['no layers', () => '{"class_name":"Sequential","config":{"layers":[]}}', 'BAD_WEIGHTS', /"model" has no layers/],
    [
      'a vector',
      (json) => json.replace('[null,8,8,3]', '[null,8]'),
      'UNSUPPORTED',
      /the input "input" is of shape \[null,8\]/,
    ],
    ['no channels', (json) => json.replace('[null,8,8,3]', '[null,8,8,null]'), 'BAD_WEIGHTS', /how many channels/],
    ['a huge input', (json) => json.replace('[null,8,8,3]', '[null,8,99999,3]'), 'BAD_ARGUMENT', /got 8 x 99999/],
    [
      'models in models without end',
      () => {
        let json = '{"class_name":"Sequential","config":{"name":"a","layers":[]}}';
        for (let i = 0; i < 5000; i++) json = `{"class_name":"Sequential","config":{"name":"a","layers":[${json}]}}`;
        return json;
      },
      'BAD_WEIGHTS',
      /models in models more than 16 deep/,
    ],
    [
      'lists in lists without end',
      (json) => json.replace('"args":[', `"args":[${'['.repeat(100_000)}${']'.repeat(100_000)},`),
      'BAD_WEIGHTS',
      /lists in lists more than 16 deep/,
    ],
  ];
  test.each(edited)('%s', (_, edit, code, message) => {
    const file = kerasModel([conv(), ...head]);
    const start = performance.now();
    const done = expectRefused(() => readKerasGraph({ ...file, config: edit(file.config) }), code, message);
    return done.then(() => expect(performance.now() - start).toBeLessThan(2000));
  });

  test('a chain of ten thousand layers is read without recursion, and refused', () => {
    const chain = Array.from({ length: 10_001 }, (_, i) => layer('Dropout', {}, { name: `d${i}` }));
    return expectRefused(
      () => readKerasGraph(kerasModel([conv(), ...chain, ...head])),
      'BAD_WEIGHTS',
      /more than 10000 layers/,
    );
  });
});

test('weights alone are no network', async () => {
  const official = readFileSync(fixturePath('small/micro-vgg16.keras-official.h5'));
  expect(await openKerasFile(new Uint8Array(official))).toBeUndefined();
});

test('weights alone of another network: the whole model is asked for', async () => {
  const file = await hdf5((file) => {
    const text = (group: File, key: string, list: string[]) => group.create_attribute(key, list, [list.length], 'S9');
    text(file, 'layer_names', ['bn']);
    const group = file.create_group('bn') as File;
    text(group, 'weight_names', ['gamma', 'beta']);
    for (const name of ['gamma', 'beta']) group.create_dataset({ name, data: new Float32Array(4), shape: [4] });
  });
  await expectRefused(
    () => openWeights(file),
    'BAD_WEIGHTS',
    /save the whole model with `model\.save\('model\.keras'\)`/,
  );
});
