import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import { classifier } from './head.js';
import { type ConvNorm, invertedResidual } from './inverted-residual.js';
import type { FunctionName, Layers, SqueezeOptions } from './layers.js';

/** MobileNetV2 as torchvision has it (Sandler et al. 2018): 17 blocks of any width. */
export const mobilenetV2: Architecture = {
  family: 'a MobileNetV2',
  find: (file) =>
    placesOf(file, [
      ['features.1.conv.0.0.weight', 4],
      ['features.0.0.weight', 4],
    ]),
  inputSide: () => 224,
  build: buildV2,
};

/** MobileNetV3, small or large, as torchvision has it (Howard et al. 2019): 11 or 15 blocks of any width. */
export const mobilenetV3: Architecture = {
  family: 'a MobileNetV3',
  find: (file) =>
    placesOf(file, [
      ['features.1.block.0.0.weight', 4],
      ['features.0.0.weight', 4],
    ]),
  inputSide: () => 224,
  build: buildV3,
};

/** Numbers of the blocks that have a stride, of 17. */
const V2_STRIDES = [2, 4, 7, 14];

function buildV2(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const count = tensors.count('features');
  if (count !== 19) throw tensors.refused(`but has ${count - 2} blocks instead of 17, whose strides are not known`);
  let x = layers.input(size, 'features.0.0');
  x = layers.convNorm(x, { conv: 'features.0.0', norm: 'features.0.1', taps: 3, stride: 2, activation: 'relu6' });
  for (let i = 1; i <= 17; i++) {
    const name = `features.${i}`;
    const isExpanded = tensors.has(`${name}.conv.3.weight`);
    const at = isExpanded ? 1 : 0;
    const part = (k: number): ConvNorm => [`${name}.conv.${k}.0`, `${name}.conv.${k}.1`];
    x = invertedResidual(layers, x, {
      name,
      expand: isExpanded ? part(0) : undefined,
      depthwise: part(at),
      project: [`${name}.conv.${at + 1}`, `${name}.conv.${at + 2}`],
      taps: 3,
      stride: V2_STRIDES.includes(i) ? 2 : 1,
      activation: 'relu6',
    });
  }
  x = layers.convNorm(x, { conv: 'features.18.0', norm: 'features.18.1', taps: 1, activation: 'relu6' });
  return classifier(layers, x, { module: 'classifier' });
}

/** What a block of MobileNetV3 has that its tensors do not tell. */
interface V3Block {
  readonly taps: number;
  readonly squeezed: boolean;
  readonly stride: number;
  readonly activation: FunctionName;
}

/** A block a word: taps, `s` with squeeze and excitation, `2` with stride, `h` with hard swish instead of ReLU. */
const v3Blocks = (text: string): V3Block[] =>
  text.split(' ').map((word) => ({
    taps: Number(word[0]),
    squeezed: word.includes('s'),
    stride: word.slice(1).includes('2') ? 2 : 1,
    activation: word.includes('h') ? 'hardswish' : 'relu',
  }));

export const V3_LARGE = v3Blocks('3 32 3 5s2 5s 5s 3h2 3h 3h 3h 3sh 3sh 5sh2 5sh 5sh');
export const V3_SMALL = v3Blocks('3s2 32 3 5sh2 5sh 5sh 5sh 5sh 5sh2 5sh 5sh');

function buildV3(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const count = tensors.count('features') - 2;
  const blocks = [V3_LARGE, V3_SMALL].find(({ length }) => length === count);
  if (!blocks) throw tensors.refused(`but has ${count} blocks instead of 11 or 15, whose strides are not known`);
  const epsilon = 1e-3;
  let x = layers.input(size, 'features.0.0');
  x = layers.convNorm(x, {
    conv: 'features.0.0',
    norm: 'features.0.1',
    taps: 3,
    stride: 2,
    epsilon,
    activation: 'hardswish',
  });
  for (const [i, block] of blocks.entries()) x = blockV3(layers, x, `features.${i + 1}`, block);
  const last = `features.${count + 1}`;
  x = layers.convNorm(x, { conv: `${last}.0`, norm: `${last}.1`, taps: 1, epsilon, activation: 'hardswish' });
  const outputs = blocks === V3_LARGE ? 1280 : 1024;
  return classifier(layers, x, { module: 'classifier', functions: { 'classifier.0': { outputs, is: 'hardswish' } } });
}

function blockV3(layers: Layers, x: NodeId, name: string, { taps, squeezed, stride, activation }: V3Block): NodeId {
  const { tensors } = layers;
  const parts = tensors.children(`${name}.block`).map((k) => `${name}.block.${k}`);
  const squeezes = parts.filter((part) => tensors.has(`${part}.fc1.weight`));
  const convolutions = parts
    .filter((part) => !squeezes.includes(part))
    .map((part): ConvNorm => [`${part}.0`, `${part}.1`]);
  const [project, depthwise, expand] = [...convolutions].reverse();
  if (convolutions.length < 2 || convolutions.length > 3 || squeezes.length !== Number(squeezed))
    throw tensors.refused(`but block "${name}" is none of MobileNetV3's`);
  const squeeze = squeezes.map(
    (module): SqueezeOptions => ({
      module,
      layers: [`${module}.fc1`, `${module}.fc2`],
      activation: 'relu',
      gate: 'hardsigmoid',
    }),
  )[0];
  return invertedResidual(layers, x, {
    name,
    expand,
    depthwise,
    squeeze,
    project,
    taps,
    stride,
    activation,
    epsilon: 1e-3,
  });
}
