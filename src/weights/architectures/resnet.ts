import type { NodeId } from '../../graph/graph.js';
import type { TensorFile } from '../tensor-file.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import type { Place, StateDictionary } from './dictionary.js';
import { classifier } from './head.js';
import type { Layers } from './layers.js';

/**
 * ResNet as torchvision and timm have it (He et al. 2016, with the stride in the 3x3 convolution): 18 to 152 layers, ResNeXt and wide ones by
 * their shapes; timm's variants with three convolutions in the stem, mean pools in the shortcuts, and squeeze and excitation.
 */
export const resnet: Architecture = {
  family: 'a ResNet',
  find: (file) => [
    ...placesOf(file, [
      ['layer4.0.conv1.weight', 4],
      ['conv1.weight', 4],
    ]).filter(({ prefix }) => isStem(file, `${prefix}conv1.weight`) && !isDrn(file, prefix)),
    ...placesOf(file, [
      ['layer4.0.conv1.weight', 4],
      ['conv1.0.weight', 4],
    ]),
    ...asSequential(file),
  ],
  inputSide: () => 224,
  build,
};

/** 7 x 7, unlike those for small pictures. */
const isStem = ({ tensors }: TensorFile, name: string): boolean => tensors.get(name)!.shape[3] === 7;

const isDrn = ({ tensors }: TensorFile, prefix: string): boolean => tensors.has(`${prefix}layer5.0.conv1.weight`);

/** The module's children in a Sequential: convolution, normalization, ReLU, pool, four stages, mean, classifier. */
function asSequential(file: TensorFile): Place[] {
  const places = placesOf(file, [
    ['7.0.conv1.weight', 4],
    ['4.0.conv1.weight', 4],
    ['0.weight', 4],
    ['1.running_mean', 1],
  ]);
  const names = ['conv1', 'bn1', 'relu', 'maxpool', 'layer1', 'layer2', 'layer3', 'layer4', 'avgpool'];
  const rename = (name: string) => name.replace(/^[0-8](?=\.)/, (digit) => names[Number(digit)]);
  return places.filter(({ prefix }) => isStem(file, `${prefix}0.weight`)).map(({ prefix }) => ({ prefix, rename }));
}

function build(layers: Layers, size: InputSize): NodeId {
  const { tensors, assumptions } = layers;
  assumptions.push(
    "The network was taken for torchvision's ResNet: the stride in the 3x3 convolutions, no dilation (DRN-A), no blurring or averaging before a stride (timm's resnetaa, resnetblur), which names do not tell",
  );
  let x = stem(layers, size);
  x = layers.maxPool(x, 'maxpool', 3, 2, 1);
  for (const stage of [1, 2, 3, 4]) {
    const count = tensors.count(`layer${stage}`);
    for (let i = 0; i < count; i++)
      x = residualBlock(layers, x, `layer${stage}.${i}`, { stride: i === 0 && stage > 1 ? 2 : 1 });
  }
  return classifier(layers, x, { module: 'fc' });
}

function stem(layers: Layers, size: InputSize): NodeId {
  if (layers.tensors.has('conv1.weight')) {
    const x = layers.input(size, 'conv1');
    return layers.convNorm(x, { conv: 'conv1', norm: 'bn1', taps: 7, stride: 2, activation: 'relu', as: 'relu' });
  }
  let x = layers.input(size, 'conv1.0');
  x = layers.convNorm(x, { conv: 'conv1.0', norm: 'conv1.1', taps: 3, stride: 2, activation: 'relu', as: 'conv1.2' });
  x = layers.convNorm(x, { conv: 'conv1.3', norm: 'conv1.4', taps: 3, activation: 'relu', as: 'conv1.5' });
  return layers.convNorm(x, { conv: 'conv1.6', norm: 'bn1', taps: 3, activation: 'relu', as: 'act1' });
}

export interface BlockOptions {
  stride?: number;
  /** Of the first and of all other 3x3 convolutions. */
  dilation?: readonly [number, number];
  /** What makes the shortcut where the sizes differ; by default the layers of `downsample` or `shortcut`. */
  shortcut?: (x: NodeId, channels: number) => NodeId;
  /** Whether there is a sum at all; true by default. */
  residual?: boolean;
}

/** Two 3x3 convolutions, or 1x1, 3x3 and 1x1 where there is a third one; then the sum with what came in, and ReLU. */
export function residualBlock(layers: Layers, x: NodeId, name: string, options: BlockOptions = {}): NodeId {
  const { stride = 1, dilation = [1, 1], residual = true } = options;
  const { tensors } = layers;
  const relu = `${name}.relu`;
  const part = (k: number, taps: number) => ({ conv: `${name}.conv${k}`, norm: `${name}.bn${k}`, taps });
  const isBottleneck = tensors.has(`${name}.conv3.weight`);
  let y: NodeId;
  if (isBottleneck) {
    y = layers.convNorm(x, { ...part(1, 1), activation: 'relu', as: relu });
    y = layers.convNorm(y, {
      ...part(2, 3),
      stride,
      dilation: dilation[1],
      grouped: true,
      activation: 'relu',
      as: relu,
    });
    y = layers.convNorm(y, part(3, 1));
  } else {
    y = layers.convNorm(x, { ...part(1, 3), stride, dilation: dilation[0], activation: 'relu', as: relu });
    y = layers.convNorm(y, { ...part(2, 3), dilation: dilation[1] });
  }
  const se = `${name}.se`;
  if (tensors.has(`${se}.fc1.weight`))
    y = layers.squeeze(y, { module: se, layers: [`${se}.fc1`, `${se}.fc2`], activation: 'relu', gate: 'sigmoid' });
  if (!residual) return layers.activation(y, 'relu', relu);
  const around = options.shortcut ? options.shortcut(x, layers.shape(y).c) : shortcut(layers, x, name, stride);
  checkSum(tensors, layers, y, around, name);
  return layers.activation(layers.add(y, around, name), 'relu', relu);
}

/** A 1x1 convolution with the stride, or a mean pool before it (timm's `d`), or nothing. */
function shortcut(layers: Layers, x: NodeId, name: string, stride: number): NodeId {
  const { tensors } = layers;
  for (const module of [`${name}.downsample`, `${name}.shortcut`])
    if (tensors.has(`${module}.0.weight`))
      return layers.convNorm(x, { conv: `${module}.0`, norm: `${module}.1`, taps: [1, 3], stride });
  const module = `${name}.downsample`;
  if (!tensors.has(`${module}.1.weight`)) return x;
  const pooled =
    stride === 1 ? x : layers.pool(x, 'mean', `${module}.0`, { size: [stride, stride], stride, ceil: true });
  return layers.convNorm(pooled, { conv: `${module}.1`, norm: `${module}.2`, taps: 1 });
}

/** Refuses in words what the builder would refuse by numbers alone. */
function checkSum(tensors: StateDictionary, layers: Layers, y: NodeId, around: NodeId, name: string): void {
  const [p, q] = [layers.shape(y), layers.shape(around)];
  if (p.h !== q.h || p.w !== q.w || p.c !== q.c)
    throw tensors.refused(
      `but block "${name}" adds ${q.h} x ${q.w} x ${q.c} to ${p.h} x ${p.w} x ${p.c} and has no layers in its shortcut`,
    );
}
