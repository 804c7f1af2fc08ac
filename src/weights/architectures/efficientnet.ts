import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import type { StateDictionary } from './dictionary.js';
import { classifier } from './head.js';
import { type ConvNorm, invertedResidual } from './inverted-residual.js';
import type { Layers, SqueezeOptions } from './layers.js';

/** EfficientNet B0 to B7 and V2 S, M and L as torchvision has them (Tan and Le 2019, 2021). */
export const efficientnet: Architecture = {
  family: 'an EfficientNet',
  find: (file) =>
    placesOf(file, [
      ['features.1.0.block.0.0.weight', 4],
      ['features.0.0.weight', 4],
    ]),
  inputSide: (tensors) => variantOf(tensors).side,
  build,
};

/** What the dictionary does not tell of a variant. */
interface Variant {
  /** Blocks of each stage. */
  readonly blocks: readonly number[];
  readonly side: number;
  readonly epsilon: number;
}

/** Strides of the stages, of both versions. */
export const STRIDES = [1, 2, 2, 2, 1, 2, 1];
/** Taps of the depthwise convolutions of the first version; the second one has 3. */
export const TAPS = [3, 3, 5, 3, 5, 5, 3];

/** Of B2 too: they differ by their widths alone. */
const B1 = [2, 3, 3, 4, 4, 5, 2];
/** Input sides are of the published weights. */
const VARIANTS: Readonly<Record<string, Variant>> = {
  b0: { blocks: [1, 2, 2, 3, 3, 4, 1], side: 224, epsilon: 1e-5 },
  b1: { blocks: B1, side: 240, epsilon: 1e-5 },
  b2: { blocks: B1, side: 288, epsilon: 1e-5 },
  b3: { blocks: [2, 3, 3, 5, 5, 6, 2], side: 300, epsilon: 1e-5 },
  b4: { blocks: [2, 4, 4, 6, 6, 8, 2], side: 380, epsilon: 1e-5 },
  b5: { blocks: [3, 5, 5, 7, 7, 9, 3], side: 456, epsilon: 1e-3 },
  b6: { blocks: [3, 6, 6, 8, 8, 11, 3], side: 528, epsilon: 1e-3 },
  b7: { blocks: [4, 7, 7, 10, 10, 13, 4], side: 600, epsilon: 1e-3 },
};
const VARIANTS_V2: readonly Variant[] = [
  { blocks: [2, 4, 4, 6, 9, 15], side: 384, epsilon: 1e-3 },
  { blocks: [3, 5, 5, 7, 14, 18, 5], side: 480, epsilon: 1e-3 },
  { blocks: [4, 7, 7, 10, 19, 25, 7], side: 480, epsilon: 1e-3 },
];

/** Side of the picture that the published weights of the first version were made for, by the blocks of their stages and the last width. */
export function sideOf(blocks: readonly number[], width = 0): number {
  const found = Object.values(VARIANTS).filter((known) => known.blocks.join() === blocks.join());
  return (found.length > 1 && width > 1280 ? found[1] : found[0])?.side ?? 224;
}

const isV2 = (tensors: StateDictionary): boolean => !tensors.has('features.1.0.block.1.fc1.weight');

function variantOf(tensors: StateDictionary): Variant {
  const stages = tensors.count('features') - 2;
  const blocks = Array.from({ length: Math.max(0, stages) }, (_, i) => tensors.count(`features.${i + 1}`));
  const known = isV2(tensors) ? VARIANTS_V2 : Object.values(VARIANTS);
  const variant = known.find((one) => one.blocks.join() === blocks.join());
  if (!variant) throw tensors.refused(`but its stages of ${blocks.join(', ')} blocks are none of the published ones`);
  return isV2(tensors)
    ? variant
    : { ...variant, side: sideOf(blocks, tensors.shape(`features.${stages + 1}.0.weight`)?.[0]) };
}

function build(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const { blocks, epsilon } = variantOf(tensors);
  let x = layers.input(size, 'features.0.0');
  x = layers.convNorm(x, {
    conv: 'features.0.0',
    norm: 'features.0.1',
    taps: 3,
    stride: 2,
    epsilon,
    activation: 'silu',
  });
  for (const [stage, count] of blocks.entries())
    for (let i = 0; i < count; i++) {
      const stride = i === 0 ? STRIDES[stage] : 1;
      x = block(layers, x, `features.${stage + 1}.${i}`, { stage, stride, epsilon });
    }
  const last = `features.${blocks.length + 1}`;
  x = layers.convNorm(x, { conv: `${last}.0`, norm: `${last}.1`, taps: 1, epsilon, activation: 'silu' });
  return classifier(layers, x, { module: 'classifier' });
}

interface BlockPlace {
  stage: number;
  stride: number;
  epsilon: number;
}

function block(layers: Layers, x: NodeId, name: string, { stage, stride, epsilon }: BlockPlace): NodeId {
  const { tensors } = layers;
  const parts = tensors.children(`${name}.block`).map((k) => `${name}.block.${k}`);
  const squeezeAt = parts.findIndex((part) => tensors.has(`${part}.fc1.weight`));
  const layer = (k: number): ConvNorm | undefined => (parts[k] ? [`${parts[k]}.0`, `${parts[k]}.1`] : undefined);
  const taps = isV2(tensors) ? 3 : TAPS[stage];
  const common = { name, taps, stride, activation: 'silu', epsilon } as const;
  if (squeezeAt < 0) return invertedResidual(layers, x, { ...common, expand: layer(0), project: layer(1) });
  const depthwise = layer(squeezeAt - 1);
  if (squeezeAt > 2) throw tensors.refused(`but block "${name}" is none of EfficientNet's`);
  const module = parts[squeezeAt];
  const squeeze: SqueezeOptions = {
    module,
    layers: [`${module}.fc1`, `${module}.fc2`],
    activation: 'silu',
    gate: 'sigmoid',
  };
  const expand = squeezeAt === 2 ? layer(0) : undefined;
  return invertedResidual(layers, x, { ...common, expand, depthwise, squeeze, project: layer(squeezeAt + 1) });
}
