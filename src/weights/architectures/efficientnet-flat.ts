import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import type { StateDictionary } from './dictionary.js';
import { STRIDES, sideOf, TAPS } from './efficientnet.js';
import { classifier } from './head.js';
import { invertedResidual } from './inverted-residual.js';
import type { Layers } from './layers.js';

/** EfficientNet by the names of the package efficientnet-pytorch: all blocks in one row, with TensorFlow's padding. */
export const efficientnetFlat: Architecture = {
  family: 'an EfficientNet of efficientnet-pytorch',
  find: (file) =>
    placesOf(file, [
      ['_blocks.0._depthwise_conv.weight', 4],
      ['_conv_stem.weight', 4],
    ]),
  inputSide: (tensors) => sideOf(blocksOf(tensors), tensors.shape('_conv_head.weight')?.[0]),
  build,
};

const epsilon = 1e-3;
const pad = 'same';

/** Blocks of each stage: those with as many outputs. */
function blocksOf(tensors: StateDictionary): number[] {
  const stages: number[] = [];
  let before: number | undefined;
  for (let i = 0; i < tensors.count('_blocks'); i++) {
    const outputs = tensors.shape(`_blocks.${i}._project_conv.weight`)?.[0];
    if (outputs === before) stages[stages.length - 1]++;
    else stages.push(1);
    before = outputs;
  }
  return stages;
}

function build(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const stages = blocksOf(tensors);
  if (stages.length !== STRIDES.length) throw tensors.refused(`but has ${stages.length} stages instead of 7`);
  let x = layers.input(size, '_conv_stem');
  x = layers.convNorm(x, { conv: '_conv_stem', norm: '_bn0', taps: 3, stride: 2, pad, epsilon, activation: 'silu' });
  let at = 0;
  for (const [stage, count] of stages.entries())
    for (let i = 0; i < count; i++, at++)
      x = block(layers, x, `_blocks.${at}`, i === 0 ? STRIDES[stage] : 1, TAPS[stage]);
  x = layers.convNorm(x, { conv: '_conv_head', norm: '_bn1', taps: 1, epsilon, activation: 'silu' });
  return classifier(layers, x, { module: '_fc' });
}

function block(layers: Layers, x: NodeId, name: string, stride: number, taps: number): NodeId {
  const { tensors } = layers;
  return invertedResidual(layers, x, {
    name,
    expand: tensors.has(`${name}._expand_conv.weight`) ? [`${name}._expand_conv`, `${name}._bn0`] : undefined,
    depthwise: [`${name}._depthwise_conv`, `${name}._bn1`],
    squeeze: {
      module: `${name}._se`,
      layers: [`${name}._se_reduce`, `${name}._se_expand`],
      activation: 'silu',
      gate: 'sigmoid',
    },
    project: [`${name}._project_conv`, `${name}._bn2`],
    taps,
    stride,
    activation: 'silu',
    epsilon,
    pad,
  });
}
