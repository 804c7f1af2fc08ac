import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import { classifier } from './head.js';
import type { Layers } from './layers.js';

/** ShuffleNetV2 of any width as torchvision has it (Ma et al. 2018). */
export const shufflenet: Architecture = {
  family: 'a ShuffleNetV2',
  find: (file) =>
    placesOf(file, [
      ['stage2.0.branch1.0.weight', 4],
      ['conv1.0.weight', 4],
    ]),
  inputSide: () => 224,
  build,
};

function build(layers: Layers, size: InputSize): NodeId {
  const stem = { conv: 'conv1.0', norm: 'conv1.1', activation: 'relu', as: 'conv1.2' } as const;
  let x = layers.convNorm(layers.input(size, 'conv1.0'), { ...stem, taps: 3, stride: 2 });
  x = layers.maxPool(x, 'maxpool', 3, 2, 1);
  for (const stage of [2, 3, 4])
    for (let i = 0; i < layers.tensors.count(`stage${stage}`); i++) x = unit(layers, x, `stage${stage}.${i}`, i === 0);
  x = layers.convNorm(x, { conv: 'conv5.0', norm: 'conv5.1', taps: 1, activation: 'relu', as: 'conv5.2' });
  return classifier(layers, x, { module: 'fc' });
}

/** The first unit of a stage halves the map in both branches; in the others one half of the channels stays as it is. */
function unit(layers: Layers, x: NodeId, name: string, isFirst: boolean): NodeId {
  const stride = isFirst ? 2 : 1;
  const { c } = layers.shape(x);
  if (!isFirst && c % 2 !== 0) throw layers.tensors.refused(`but "${name}" reads ${c} channels, which have no halves`);
  const half = (from: number, part: string) => {
    const order = Array.from({ length: c / 2 }, (_, i) => from + i);
    return layers.builder.channels(x, order, layers.names(`${name}.${part}`));
  };
  const depthwise = (y: NodeId, branch: string, k: number) =>
    layers.convNorm(y, { conv: `${branch}.${k}`, norm: `${branch}.${k + 1}`, taps: 3, stride, grouped: true });
  const pointwise = (y: NodeId, branch: string, k: number) =>
    layers.convNorm(y, {
      conv: `${branch}.${k}`,
      norm: `${branch}.${k + 1}`,
      taps: 1,
      activation: 'relu',
      as: `${branch}.${k + 2}`,
    });
  const [one, two] = [`${name}.branch1`, `${name}.branch2`];
  const left = isFirst ? pointwise(depthwise(x, one, 0), one, 2) : half(0, 'first');
  const right = pointwise(depthwise(pointwise(isFirst ? x : half(c / 2, 'second'), two, 0), two, 3), two, 5);
  const both = layers.concat([left, right], `${name}.concat`);
  const width = layers.shape(left).c;
  if (width !== layers.shape(right).c) throw layers.tensors.refused(`but the branches of "${name}" differ in width`);
  // Channels of the two halves take turns.
  const order = Array.from({ length: 2 * width }, (_, i) => (i % 2) * width + Math.floor(i / 2));
  return layers.builder.channels(both, order, layers.names(name));
}
