import { AtrousCamError } from '../../base/errors.js';
import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import { classifier } from './head.js';
import type { Layers } from './layers.js';

/** AlexNet as torchvision has it (Krizhevsky 2014), for pictures of 224 x 224. */
export const alexnet: Architecture = {
  family: 'an AlexNet',
  find: (file) =>
    placesOf(file, [['features.0.weight', 4]]).filter(
      ({ prefix }) => file.tensors.get(`${prefix}features.0.weight`)!.shape[3] === 11,
    ),
  inputSide: () => 224,
  build,
};

function build(layers: Layers, size: InputSize): NodeId {
  let x = layers.input(size, 'features.0');
  const conv = (number: number, taps: number) =>
    layers.activation(layers.conv(x, `features.${number}`, { taps }), 'relu', `features.${number + 1}`);
  x = layers.conv(x, 'features.0', { taps: 11, stride: 4, pad: 2 });
  x = layers.maxPool(layers.activation(x, 'relu', 'features.1'), 'features.2', 3, 2);
  x = layers.maxPool(conv(3, 5), 'features.5', 3, 2);
  for (const number of [6, 8, 10]) x = conv(number, 3);
  x = layers.maxPool(x, 'features.12', 3, 2);
  const { h, w } = layers.shape(x);
  if (h !== 6 || w !== 6)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `inputSize: expected 224, for which the dense layers were made, got ${size.join(' x ')}`,
    );
  return classifier(layers, x, {
    module: 'classifier',
    relus: { 'classifier.1': 2, 'classifier.4': 1 },
    flattens: true,
  });
}
