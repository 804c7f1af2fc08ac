import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import { classifier } from './head.js';
import type { ConvOptions, Layers } from './layers.js';

/** GoogLeNet (Szegedy et al. 2015) as torchvision has it, whose third branches are 3x3. */
export const googlenet: Architecture = {
  family: 'a GoogLeNet',
  find: (file) =>
    placesOf(file, [
      ['inception3a.branch1.conv.weight', 4],
      ['conv1.conv.weight', 4],
    ]),
  inputSide: () => 224,
  build: buildGoogLeNet,
};

/** Inception V3 (Szegedy et al. 2016) as torchvision has it. */
export const inceptionV3: Architecture = {
  family: 'an Inception V3',
  find: (file) =>
    placesOf(file, [
      ['Mixed_5b.branch1x1.conv.weight', 4],
      ['Conv2d_1a_3x3.conv.weight', 4],
    ]),
  inputSide: () => 299,
  build: buildInceptionV3,
};

/** Convolution, normalization and ReLU of one module. */
const unit = (layers: Layers, x: NodeId, name: string, options: ConvOptions): NodeId =>
  layers.convNorm(x, {
    ...options,
    conv: `${name}.conv`,
    norm: `${name}.bn`,
    epsilon: 1e-3,
    activation: 'relu',
    as: name,
  });

/** The published weights come from TensorFlow: torchvision sets `transform_input` where it loads them. */
function picture(layers: Layers, size: InputSize, first: string): NodeId {
  const x = layers.input(size, first);
  if (layers.shape(x).c !== 3) return x;
  layers.assumptions.push(
    "torchvision's transform_input was assumed, which the published weights and what is trained from them have",
  );
  return layers.fromUnitDeviation(x, 'transform_input');
}

const STAGES = { 3: 'ab', 4: 'abcde', 5: 'ab' };

function buildGoogLeNet(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  let x = unit(layers, picture(layers, size, 'conv1.conv'), 'conv1', { taps: 7, stride: 2 });
  x = layers.maxPool(x, 'maxpool1', 3, 2, 0, true);
  x = unit(layers, unit(layers, x, 'conv2', { taps: 1 }), 'conv3', { taps: 3 });
  x = layers.maxPool(x, 'maxpool2', 3, 2, 0, true);
  for (const [stage, letters] of Object.entries(STAGES)) {
    if (stage === '4') x = layers.maxPool(x, 'maxpool3', 3, 2, 0, true);
    if (stage === '5') x = layers.maxPool(x, 'maxpool4', 2, 2, 0, true);
    for (const letter of letters) x = googLeNetBlock(layers, x, `inception${stage}${letter}`);
  }
  tensors.ignore((name) => /^aux[12]\./.test(name)); // classifiers for training alone
  return classifier(layers, x, { module: 'fc' });
}

function googLeNetBlock(layers: Layers, x: NodeId, name: string): NodeId {
  const two = (branch: string) => unit(layers, unit(layers, x, `${branch}.0`, { taps: 1 }), `${branch}.1`, { taps: 3 });
  const pooled = layers.maxPool(x, `${name}.branch4.0`, 3, 1, 1, true);
  return layers.concat(
    [
      unit(layers, x, `${name}.branch1`, { taps: 1 }),
      two(`${name}.branch2`),
      two(`${name}.branch3`),
      unit(layers, pooled, `${name}.branch4.1`, { taps: 1 }),
    ],
    name,
  );
}

/** A convolution of a branch: its name and its window; `/2` has a stride and no padding. */
type Step = readonly [name: string, window: '1' | '3' | '5' | '3/2' | '1x7' | '7x1' | '1x3' | '3x1'];

const windows: Readonly<Record<Step[1], ConvOptions>> = {
  1: { taps: 1 },
  3: { taps: 3 },
  5: { taps: 5 },
  '3/2': { taps: 3, stride: 2, pad: 0 },
  '1x7': { taps: 1, columns: 7 },
  '7x1': { taps: 7, columns: 1 },
  '1x3': { taps: 1, columns: 3 },
  '3x1': { taps: 3, columns: 1 },
};

const DOUBLE = 'branch3x3dbl_';
const A: readonly Step[][] = [
  [['branch1x1', '1']],
  [
    ['branch5x5_1', '1'],
    ['branch5x5_2', '5'],
  ],
  [
    [`${DOUBLE}1`, '1'],
    [`${DOUBLE}2`, '3'],
    [`${DOUBLE}3`, '3'],
  ],
];
const B: readonly Step[][] = [
  [['branch3x3', '3/2']],
  [
    [`${DOUBLE}1`, '1'],
    [`${DOUBLE}2`, '3'],
    [`${DOUBLE}3`, '3/2'],
  ],
];
const C: readonly Step[][] = [
  [['branch1x1', '1']],
  [
    ['branch7x7_1', '1'],
    ['branch7x7_2', '1x7'],
    ['branch7x7_3', '7x1'],
  ],
  [
    ['branch7x7dbl_1', '1'],
    ['branch7x7dbl_2', '7x1'],
    ['branch7x7dbl_3', '1x7'],
    ['branch7x7dbl_4', '7x1'],
    ['branch7x7dbl_5', '1x7'],
  ],
];
const D: readonly Step[][] = [
  [
    ['branch3x3_1', '1'],
    ['branch3x3_2', '3/2'],
  ],
  [
    ['branch7x7x3_1', '1'],
    ['branch7x7x3_2', '1x7'],
    ['branch7x7x3_3', '7x1'],
    ['branch7x7x3_4', '3/2'],
  ],
];
const MIXED = { '5b': A, '5c': A, '5d': A, '6a': B, '6b': C, '6c': C, '6d': C, '6e': C, '7a': D };

function buildInceptionV3(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const valid = { taps: 3, pad: 0 };
  let x = picture(layers, size, 'Conv2d_1a_3x3.conv');
  x = unit(layers, x, 'Conv2d_1a_3x3', { ...valid, stride: 2 });
  x = unit(layers, x, 'Conv2d_2a_3x3', valid);
  x = unit(layers, x, 'Conv2d_2b_3x3', { taps: 3 });
  x = layers.maxPool(x, 'maxpool1', 3, 2);
  x = unit(layers, x, 'Conv2d_3b_1x1', { taps: 1 });
  x = unit(layers, x, 'Conv2d_4a_3x3', valid);
  x = layers.maxPool(x, 'maxpool2', 3, 2);
  for (const [letter, branches] of Object.entries(MIXED)) {
    const name = `Mixed_${letter}`;
    const input = x;
    const ends = branches.map((steps) =>
      steps.reduce((at, [step, window]) => unit(layers, at, `${name}.${step}`, windows[window]), input),
    );
    const isSmaller = branches === B || branches === D;
    const pooled = isSmaller ? layers.maxPool(x, `${name}.pool`, 3, 2) : poolBranch(layers, x, name);
    x = layers.concat([...ends, pooled], name);
  }
  for (const letter of 'bc') x = lastBlock(layers, x, `Mixed_7${letter}`);
  tensors.ignore((name) => name.startsWith('AuxLogits.')); // a classifier for training alone
  return classifier(layers, x, { module: 'fc' });
}

/** A mean, which counts the padding, and a 1x1 convolution. */
function poolBranch(layers: Layers, x: NodeId, name: string): NodeId {
  const mean = layers.pool(x, 'mean', `${name}.pool`, { size: [3, 3], pad: [1, 1, 1, 1], beyond: 'zero' });
  return unit(layers, mean, `${name}.branch_pool`, { taps: 1 });
}

/** Branches that part again at their ends. */
function lastBlock(layers: Layers, x: NodeId, name: string): NodeId {
  const step = (from: NodeId, part: string, window: Step[1]) => unit(layers, from, `${name}.${part}`, windows[window]);
  const both = (from: NodeId, part: string) =>
    layers.concat([step(from, `${part}a`, '1x3'), step(from, `${part}b`, '3x1')], `${name}.${part}`);
  const single = both(step(x, 'branch3x3_1', '1'), 'branch3x3_2');
  const double = both(step(step(x, `${DOUBLE}1`, '1'), `${DOUBLE}2`, '3'), `${DOUBLE}3`);
  return layers.concat([step(x, 'branch1x1', '1'), single, double, poolBranch(layers, x, name)], name);
}
