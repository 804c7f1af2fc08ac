import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import type { StateDictionary } from './dictionary.js';
import { sideOf } from './efficientnet.js';
import { classifier } from './head.js';
import { type ConvNorm, invertedResidual } from './inverted-residual.js';
import type { FunctionName, Layers, SqueezeOptions } from './layers.js';

/** A stage: taps of its depthwise convolutions, `s` with squeeze and excitation, `c` for a 1x1 convolution instead of blocks. */
type StageCode = string;

/** What tells a family, and what its tensors do not tell. */
interface Family {
  readonly name: string;
  readonly stages: readonly StageCode[];
  readonly strides: readonly number[];
  /** Of each stage and of what comes before and behind; the last one where a stage has none. */
  readonly activations: readonly FunctionName[];
  readonly stem: FunctionName;
  readonly squeeze?: readonly [FunctionName, FunctionName];
  /** Whether the first stage adds nothing. */
  readonly noSkip?: boolean;
  /** Whether there are weights of the same names from TensorFlow. */
  readonly hasTensorFlow?: boolean;
}

const STRIDES = [1, 2, 2, 2, 1, 2, 1];
const SIGMOIDS = ['relu', 'hardsigmoid'] as const;

const FAMILIES: readonly Family[] = [
  {
    name: 'EfficientNet',
    stages: ['3s', '3s', '5s', '3s', '5s', '5s', '3s'],
    strides: STRIDES,
    activations: ['silu'],
    stem: 'silu',
    squeeze: ['silu', 'sigmoid'],
    hasTensorFlow: true,
  },
  {
    name: 'EfficientNet-Lite',
    stages: ['3', '3', '5', '3', '5', '5', '3'],
    strides: STRIDES,
    activations: ['relu6'],
    stem: 'relu6',
    hasTensorFlow: true,
  },
  {
    name: 'MobileNetV2',
    stages: ['3', '3', '3', '3', '3', '3', '3'],
    strides: STRIDES,
    activations: ['relu6'],
    stem: 'relu6',
  },
  {
    name: 'MNASNet',
    stages: ['3', '3', '5', '5', '3', '5', '3'],
    strides: STRIDES,
    activations: ['relu'],
    stem: 'relu',
    noSkip: true,
  },
  {
    name: 'MNASNet with squeeze and excitation',
    stages: ['3', '3', '5s', '3', '3s', '5s', '3'],
    strides: STRIDES,
    activations: ['relu'],
    stem: 'relu',
    squeeze: ['relu', 'sigmoid'],
    noSkip: true,
  },
  {
    name: 'MobileNetV3',
    stages: ['3', '3', '5s', '3', '3s', '5s', 'c'],
    strides: STRIDES,
    activations: ['relu', 'relu', 'relu', 'hardswish'],
    stem: 'hardswish',
    squeeze: SIGMOIDS,
    hasTensorFlow: true,
  },
  {
    name: 'MobileNetV3',
    stages: ['3s', '3', '5s', '5s', '5s', 'c'],
    strides: [2, 2, 2, 1, 2, 1],
    activations: ['relu', 'relu', 'hardswish'],
    stem: 'hardswish',
    squeeze: SIGMOIDS,
    hasTensorFlow: true,
  },
];

/** EfficientNet, its Lite kind, MobileNetV2 and V3, and MNASNet by timm's names. */
export const mobileTimm: Architecture = {
  family: 'a network of timm (EfficientNet, MobileNet or MNASNet)',
  find: (file) =>
    placesOf(file, [
      ['blocks.0.0.conv_dw.weight', 4],
      ['conv_stem.weight', 4],
    ]),
  inputSide: (tensors) =>
    familyOf(tensors).name === 'EfficientNet'
      ? sideOf(
          stagesOf(tensors).map((_, stage) => tensors.count(`blocks.${stage}`)),
          tensors.shape('conv_head.weight')?.[0],
        )
      : 224,
  build,
};

function familyOf(tensors: StateDictionary): Family {
  const stages = stagesOf(tensors).join(' ');
  const family = FAMILIES.find((known) => known.stages.join(' ') === stages);
  if (!family) throw tensors.refused(`but its stages (${stages}) are those of none that is known`);
  if (tensors.has('bn2.running_mean') === (family.name === 'MobileNetV3'))
    throw tensors.refused(`but what follows its stages is not as ${family.name} has it`);
  return family;
}

const stagesOf = (tensors: StateDictionary): StageCode[] =>
  Array.from({ length: tensors.count('blocks') }, (_, stage) => {
    const codes = Array.from({ length: tensors.count(`blocks.${stage}`) }, (_, i) => {
      const block = `blocks.${stage}.${i}`;
      const taps = tensors.shape(`${block}.conv_dw.weight`)?.[3];
      const code = taps === undefined ? (tensors.has(`${block}.conv.weight`) ? 'c' : '?') : String(taps);
      return code + (tensors.has(`${block}.se.conv_reduce.weight`) ? 's' : '');
    });
    return [...new Set(codes)].join('/');
  });

function build(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const family = familyOf(tensors);
  const window = family.hasTensorFlow ? paddingOf(layers, family) : {};
  const { epsilon } = window;
  let x = layers.input(size, 'conv_stem');
  x = layers.convNorm(x, { conv: 'conv_stem', norm: 'bn1', taps: 3, stride: 2, ...window, activation: family.stem });
  for (const [stage, code] of family.stages.entries()) {
    const activation = family.activations[Math.min(stage, family.activations.length - 1)];
    for (let i = 0; i < tensors.count(`blocks.${stage}`); i++) {
      const name = `blocks.${stage}.${i}`;
      if (code === 'c')
        x = layers.convNorm(x, { conv: `${name}.conv`, norm: `${name}.bn1`, taps: 1, epsilon, activation });
      else {
        const stride = i === 0 ? family.strides[stage] : 1;
        const skip = stage > 0 || !family.noSkip;
        x = invertedResidual(layers, x, {
          ...partsOf(tensors, name, family),
          taps: Number(code[0]),
          stride,
          activation,
          skip,
          ...window,
        });
      }
    }
  }
  const last = family.activations[family.activations.length - 1];
  if (family.name !== 'MobileNetV3')
    return classifier(
      layers,
      layers.convNorm(x, { conv: 'conv_head', norm: 'bn2', taps: 1, epsilon, activation: last }),
      {
        module: 'classifier',
      },
    );
  if (!tensors.has('conv_head.bias')) throw tensors.refused('but its "conv_head" has no bias');
  const features = layers.activation(layers.linear(layers.mean(x, 'global_pool'), 'conv_head'), last);
  return classifier(layers, features, { module: 'classifier', pooled: true });
}

/** timm's own networks pad as PyTorch does; those from TensorFlow, with the same names and shapes, as TensorFlow does. */
function paddingOf({ tensors, assumptions }: Layers, { name }: Family): { pad?: 'same'; epsilon?: number } {
  const file = tensors.source.split(/[\\/]/).pop()!;
  const isTensorFlow = /(^|[^a-z])tf_/.test(file);
  assumptions.push(
    isTensorFlow
      ? `The file's name begins with "tf_", so ${name} was taken for one of timm's networks from TensorFlow, with SAME padding`
      : `${name} was taken for timm's own, without blurring, and not for one from TensorFlow ("tf_..."), whose padding differs; name such a file "tf_..."`,
  );
  return isTensorFlow ? { pad: 'same', epsilon: 1e-3 } : {};
}

/** A block's layers: expansion, depthwise convolution and projection or, in the first stage, the last two. */
function partsOf(tensors: StateDictionary, name: string, { squeeze: functions }: Family) {
  const part = (conv: string, norm: string): ConvNorm => [`${name}.${conv}`, `${name}.${norm}`];
  const squeeze: SqueezeOptions | undefined = tensors.has(`${name}.se.conv_reduce.weight`)
    ? {
        module: `${name}.se`,
        layers: [`${name}.se.conv_reduce`, `${name}.se.conv_expand`],
        activation: functions![0],
        gate: functions![1],
      }
    : undefined;
  return tensors.has(`${name}.conv_pwl.weight`)
    ? {
        name,
        expand: part('conv_pw', 'bn1'),
        depthwise: part('conv_dw', 'bn2'),
        squeeze,
        project: part('conv_pwl', 'bn3'),
      }
    : { name, depthwise: part('conv_dw', 'bn1'), squeeze, project: part('conv_pw', 'bn2') };
}
