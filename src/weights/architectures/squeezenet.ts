import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import type { Layers } from './layers.js';

/** SqueezeNet 1.0 and 1.1 as torchvision has them (Iandola et al. 2016); where the pools are, the modules' numbers tell. */
export const squeezenet: Architecture = {
  family: 'a SqueezeNet',
  find: (file) =>
    placesOf(file, [
      ['features.3.squeeze.weight', 4],
      ['features.0.weight', 4],
    ]),
  inputSide: () => 224,
  build,
};

/** Numbers of the fire modules in `features`. */
const FIRES = [
  { taps: 7, fires: [3, 4, 5, 7, 8, 9, 10, 12] },
  { taps: 3, fires: [3, 4, 6, 7, 9, 10, 11, 12] },
];

function build(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const numbers = tensors.children('features').filter((number) => number > 0);
  const version = FIRES.find(({ fires }) => fires.join() === numbers.join());
  if (!version) throw tensors.refused(`but its modules ${numbers.join(', ')} are those of neither version`);
  let x = layers.conv(layers.input(size, 'features.0'), 'features.0', { taps: version.taps, stride: 2, pad: 0 });
  x = layers.activation(x, 'relu', 'features.1');
  for (let at = 2; at <= 12; at++)
    x = version.fires.includes(at)
      ? fire(layers, x, `features.${at}`)
      : layers.maxPool(x, `features.${at}`, 3, 2, 0, true);
  x = layers.activation(layers.conv(x, 'classifier.1', { taps: 1 }), 'relu', 'classifier.2');
  return layers.mean(x, 'classifier.3');
}

function fire(layers: Layers, x: NodeId, name: string): NodeId {
  const part = (from: NodeId, what: string, taps: number) =>
    layers.activation(layers.conv(from, `${name}.${what}`, { taps }), 'relu', `${name}.${what}_activation`);
  const squeezed = part(x, 'squeeze', 1);
  return layers.concat([part(squeezed, 'expand1x1', 1), part(squeezed, 'expand3x3', 3)], name);
}
