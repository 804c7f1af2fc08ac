import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import type { StateDictionary } from './dictionary.js';
import { classifier } from './head.js';
import type { Layers } from './layers.js';

/** Names of ConvNeXt's layers: torchvision's, timm's and its authors'. Block names are those of the second number below a stage. */
interface Spelling {
  readonly stem: readonly [conv: string, norm: string];
  readonly stage: (stage: number) => string;
  readonly downsample: (stage: number) => readonly [norm: string, conv: string];
  readonly depthwise: string;
  readonly norm: string;
  readonly dense: readonly [string, string];
  /** Tensor of the layer's scale, and its dimensions. */
  readonly scale: readonly [string, number];
  readonly lastNorm: string;
  readonly head: string;
}

const TORCHVISION: Spelling = {
  stem: ['features.0.0', 'features.0.1'],
  stage: (stage) => `features.${2 * stage + 1}`,
  downsample: (stage) => [`features.${2 * stage}.0`, `features.${2 * stage}.1`],
  depthwise: 'block.0',
  norm: 'block.2',
  dense: ['block.3', 'block.5'],
  scale: ['layer_scale', 3],
  lastNorm: 'classifier.0',
  head: 'classifier',
};

const TIMM: Spelling = {
  stem: ['stem.0', 'stem.1'],
  stage: (stage) => `stages.${stage}.blocks`,
  downsample: (stage) => [`stages.${stage}.downsample.0`, `stages.${stage}.downsample.1`],
  depthwise: 'conv_dw',
  norm: 'norm',
  dense: ['mlp.fc1', 'mlp.fc2'],
  scale: ['gamma', 1],
  lastNorm: 'head.norm',
  head: 'head',
};

const AUTHORS: Spelling = {
  stem: ['downsample_layers.0.0', 'downsample_layers.0.1'],
  stage: (stage) => `stages.${stage}`,
  downsample: (stage) => [`downsample_layers.${stage}.0`, `downsample_layers.${stage}.1`],
  depthwise: 'dwconv',
  norm: 'norm',
  dense: ['pwconv1', 'pwconv2'],
  scale: ['gamma', 1],
  lastNorm: 'norm',
  head: 'head',
};

const SPELLINGS = [TORCHVISION, TIMM, AUTHORS];

/** ConvNeXt of any width and depth (Liu et al. 2022). */
export const convnext: Architecture = {
  family: 'a ConvNeXt',
  find: (file) =>
    SPELLINGS.flatMap((spelling) =>
      placesOf(file, [
        [`${spelling.stage(0)}.0.${spelling.depthwise}.weight`, 4],
        [`${spelling.stem[0]}.weight`, 4],
      ]),
    ),
  inputSide: () => 224,
  build,
};

function build(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const names = SPELLINGS.find(({ stage, depthwise }) => tensors.has(`${stage(0)}.0.${depthwise}.weight`))!;
  const epsilon = epsilonOf(tensors, names);
  const [conv, norm] = names.stem;
  let x = layers.conv(layers.input(size, conv), conv, { taps: 4, stride: 4, pad: 0 });
  x = layers.layerNorm(x, norm, epsilon);
  for (let stage = 0; stage < 4; stage++) {
    const [norm, conv] = names.downsample(stage);
    if (stage > 0) x = downsample(layers, x, norm, conv, epsilon);
    const module = names.stage(stage);
    for (let i = 0; i < tensors.count(module); i++) x = block(layers, x, `${module}.${i}`, names, epsilon);
  }
  if (tensors.shape(`${names.lastNorm}.weight`)?.length !== 1 || tensors.has('head.pre_logits.fc.weight'))
    throw tensors.refused('but with a head of another kind');
  const features = layers.layerNorm(layers.mean(x, 'avgpool'), names.lastNorm, epsilon);
  return classifier(layers, features, { module: names.head, pooled: true });
}

/** 1e-6, but for the largest of timm's, which was trained otherwise. */
const epsilonOf = (tensors: StateDictionary, { stem }: Spelling): number =>
  stem[0] === 'stem.0' && tensors.shape('stem.0.weight')?.[0] === 384 ? 1e-5 : 1e-6;

/** Half the side and twice the channels, as in all published sizes; others have other functions too. */
function downsample(layers: Layers, x: NodeId, norm: string, conv: string, epsilon: number): NodeId {
  const y = layers.conv(layers.layerNorm(x, norm, epsilon), conv, { taps: 2, stride: 2, pad: 0 });
  if (layers.shape(y).c !== 2 * layers.shape(x).c)
    throw layers.tensors.notUnderstood(`${conv}.weight`, 'expected twice as many channels');
  return y;
}

function block(layers: Layers, x: NodeId, name: string, names: Spelling, epsilon: number): NodeId {
  const { tensors } = layers;
  const at = (part: string) => `${name}.${part}`;
  let y = layers.conv(x, at(names.depthwise), { taps: 7, grouped: true });
  y = layers.layerNorm(y, at(names.norm), epsilon);
  const [wide, narrow] = names.dense.map(at);
  y = layers.activation(layers.pointwise(y, wide), 'gelu');
  y = layers.pointwise(y, narrow);
  const [scale, dimensions] = names.scale;
  if (names === TORCHVISION || tensors.has(`${names.stage(0)}.0.${scale}`)) y = layers.scale(y, at(scale), dimensions);
  return layers.add(y, x, name);
}
