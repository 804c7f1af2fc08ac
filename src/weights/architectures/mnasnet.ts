import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import { classifier } from './head.js';
import { type ConvNorm, invertedResidual } from './inverted-residual.js';
import type { Layers } from './layers.js';

/** MNASNet of any width as torchvision has it (Tan et al. 2019, B1). */
export const mnasnet: Architecture = {
  family: 'an MNASNet',
  find: (file) =>
    placesOf(file, [
      ['layers.8.0.layers.0.weight', 4],
      ['layers.0.weight', 4],
    ]),
  inputSide: () => 224,
  build,
};

/** Stacks 8 to 13 of `layers`: taps, stride and number of blocks. */
const STACKS = [
  [3, 2, 3],
  [5, 2, 3],
  [5, 2, 3],
  [3, 1, 2],
  [5, 2, 4],
  [3, 1, 1],
] as const;

function build(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const part = (module: string, k: number): ConvNorm => [`${module}.${k}`, `${module}.${k + 1}`];
  const unit = (k: number) => {
    const [conv, norm] = part('layers', k);
    return { conv, norm };
  };
  let x = layers.input(size, 'layers.0');
  x = layers.convNorm(x, { ...unit(0), taps: 3, stride: 2, activation: 'relu', as: 'layers.2' });
  x = layers.convNorm(x, { ...unit(3), taps: 3, grouped: true, activation: 'relu', as: 'layers.5' });
  x = layers.convNorm(x, { ...unit(6), taps: 1 });
  for (const [at, [taps, stride, count]] of STACKS.entries()) {
    const stack = `layers.${8 + at}`;
    if (tensors.count(stack) !== count)
      throw tensors.refused(`but has ${tensors.count(stack)} blocks in "${stack}" instead of ${count}`);
    for (let i = 0; i < count; i++) {
      const name = `${stack}.${i}`;
      const module = `${name}.layers`;
      x = invertedResidual(layers, x, {
        name,
        expand: part(module, 0),
        depthwise: part(module, 3),
        project: part(module, 6),
        taps,
        stride: i === 0 ? stride : 1,
        activation: 'relu',
      });
    }
  }
  x = layers.convNorm(x, { ...unit(14), taps: 1, activation: 'relu', as: 'layers.16' });
  return classifier(layers, x, { module: 'classifier' });
}
