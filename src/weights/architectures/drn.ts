import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import { classifier } from './head.js';
import type { ConvOptions, Layers } from './layers.js';
import { residualBlock } from './resnet.js';

/**
 * Dilated residual networks C and D by their authors' names (Yu et al. 2017): eight levels, of which the second to the fourth have a
 * stride, the fifth to the seventh dilation, and the last two no shortcuts. DRN-A is told from a ResNet by nothing.
 */
export const drn: Architecture = {
  family: 'a DRN',
  find: (file) => [
    ...placesOf(file, [
      ['layer5.0.conv1.weight', 4],
      ['layer4.0.conv1.weight', 4],
      ['conv1.weight', 4],
    ]),
    ...placesOf(file, [
      ['layer5.0.conv1.weight', 4],
      ['layer4.0.conv1.weight', 4],
      ['layer0.0.weight', 4],
    ]),
  ],
  inputSide: () => 224,
  build,
};

const STRIDES = [1, 1, 2, 2, 2, 1, 1, 1, 1];
const DILATIONS = [1, 1, 1, 1, 1, 2, 4, 2, 1];

function build(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const isC = tensors.has('conv1.weight');
  let x = layers.input(size, isC ? 'conv1' : 'layer0.0');
  if (isC) x = layers.convNorm(x, { conv: 'conv1', norm: 'bn1', taps: 7, activation: 'relu', as: 'relu' });
  else x = convolutions(layers, x, 'layer0', { taps: 7 });
  for (let level = 1; level <= 8; level++) {
    const module = `layer${level}`;
    const [stride, dilation] = [STRIDES[level], DILATIONS[level]];
    if (!isC && (level < 3 || level > 6)) x = convolutions(layers, x, module, { taps: 3, stride, dilation });
    else
      for (let i = 0; i < tensors.count(module); i++)
        x = residualBlock(layers, x, `${module}.${i}`, {
          stride: i === 0 ? stride : 1,
          dilation: [dilation, dilation],
          residual: level < 7,
        });
  }
  // Where the sizes differ, levels without shortcuts have the tensors of one all the same.
  tensors.ignore((name) => /^layer[78]\.0\.downsample\./.test(name));
  return classifier(layers, x, { module: 'fc' });
}

/** Convolution, normalization and ReLU, any number of times. */
function convolutions(layers: Layers, x: NodeId, module: string, options: ConvOptions): NodeId {
  const numbers = layers.tensors
    .children(module)
    .filter((number) => layers.tensors.shape(`${module}.${number}.weight`)?.length === 4);
  for (const [i, number] of numbers.entries()) {
    const [conv, norm, relu] = [0, 1, 2].map((k) => `${module}.${number + k}`);
    if (number !== 3 * i) throw layers.tensors.notUnderstood(`${conv}.weight`);
    const stride = i === 0 ? options.stride : 1;
    x = layers.convNorm(x, { ...options, conv, norm, stride, activation: 'relu', as: relu });
  }
  return x;
}
