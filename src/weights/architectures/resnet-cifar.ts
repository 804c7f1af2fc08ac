import type { NodeId } from '../../graph/graph.js';
import type { TensorFile } from '../tensor-file.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import type { Place } from './dictionary.js';
import { classifier } from './head.js';
import type { Layers } from './layers.js';
import { residualBlock } from './resnet.js';

/**
 * ResNets for pictures of 32 x 32: a 3x3 convolution without stride or pool, then three stages (He et al. 2016, section 4.2) or
 * four. Shortcuts are 1x1 convolutions (`shortcut`, `downsample`) or, in networks of three stages, have no tensors (option A).
 */
export const resnetCifar: Architecture = {
  family: 'a ResNet for CIFAR',
  find: (file) => [
    ...placesOf(file, [
      ['layer1.0.conv1.weight', 4],
      ['layer3.0.conv1.weight', 4],
      ['conv1.weight', 4],
    ]).filter((place) => isForSmallPictures(file, place)),
    ...placesOf(file, [
      ['conv2_x.0.residual_function.0.weight', 4],
      ['conv1.0.weight', 4],
    ]).map(({ prefix }) => ({ prefix, rename: fromResidualFunctions })),
  ],
  inputSide: () => 32,
  build,
};

const PARTS: Readonly<Record<string, string>> = { 0: 'conv1', 1: 'bn1', 3: 'conv2', 4: 'bn2', 6: 'conv3', 7: 'bn3' };

/** Another spelling: `conv1.0`, `conv2_x.0.residual_function.0`, ... */
const fromResidualFunctions = (name: string): string =>
  name
    .replace(/^conv1\.([01])\./, (_, part: string) => `${PARTS[part]}.`)
    .replace(/^conv([2-5])_x\./, (_, stage: string) => `layer${Number(stage) - 1}.`)
    .replace(/residual_function\.([013467])\./, (_, part: string) => `${PARTS[part]}.`);

function isForSmallPictures({ tensors }: TensorFile, { prefix }: Place): boolean {
  return tensors.get(`${prefix}conv1.weight`)!.shape[3] === 3;
}

function build(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const stages = [1, 2, 3, 4, 5].filter((stage) => tensors.count(`layer${stage}`) > 0);
  const isThree = stages.length === 3;
  if (!isThree && (stages.length !== 4 || !tensors.has('layer2.0.shortcut.0.weight')))
    throw tensors.refused(
      'but its stem is a 3x3 convolution, of which the dictionary does not say whether it has a stride and whether a pool follows',
    );
  let x = layers.input(size, 'conv1');
  x = layers.convNorm(x, { conv: 'conv1', norm: 'bn1', taps: 3, activation: 'relu', as: 'relu' });
  for (const stage of stages)
    for (let i = 0; i < tensors.count(`layer${stage}`); i++) {
      const name = `layer${stage}.${i}`;
      const stride = i === 0 && stage > 1 ? 2 : 1;
      const isBare =
        stride > 1 && ![`${name}.shortcut`, `${name}.downsample`].some((module) => hasTensors(layers, module));
      const shortcut = isBare && isThree ? (x: NodeId, c: number) => optionA(layers, x, c, name) : undefined;
      x = residualBlock(layers, x, name, { stride, shortcut });
    }
  return classifier(layers, x, { module: tensors.has('linear.weight') ? 'linear' : 'fc' });
}

const hasTensors = ({ tensors }: Layers, module: string): boolean => tensors.children(module).length > 0;

/** Every second point, with as many channels of zeros before and behind as are missing. */
function optionA(layers: Layers, x: NodeId, channels: number, name: string): NodeId {
  const points = layers.pool(x, 'max', `${name}.shortcut`, { size: [1, 1], stride: 2 });
  const { c } = layers.shape(x);
  const before = Math.floor((channels - c) / 2);
  const order = Array.from({ length: channels }, (_, i) => (i >= before && i < before + c ? i - before : -1));
  const assumption =
    'Shortcuts without tensors were assumed to take every second point and to add channels of zeros, half of them before and half behind (option A)';
  if (!layers.assumptions.includes(assumption)) layers.assumptions.push(assumption);
  return layers.builder.channels(points, order, layers.names(`${name}.shortcut.pad`));
}
