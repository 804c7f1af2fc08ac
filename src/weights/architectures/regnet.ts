import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import { classifier } from './head.js';
import type { ConvNorm } from './inverted-residual.js';
import type { Layers } from './layers.js';

/** Names of RegNet's layers: torchvision's and timm's. */
interface Spelling {
  /** A module of a convolution and its normalization. */
  readonly unit: (module: string) => ConvNorm;
  readonly block: (stage: number, i: number) => string;
  readonly parts: readonly [a: string, b: string, c: string];
  readonly squeeze: string;
  readonly shortcut: string;
  readonly head: string;
  /** Number of the first block. */
  readonly first: number;
}

const TORCHVISION: Spelling = {
  unit: (module) => [`${module}.0`, `${module}.1`],
  block: (stage, i) => `trunk_output.block${stage}.block${stage}-${i}`,
  parts: ['f.a', 'f.b', 'f.c'],
  squeeze: 'f.se',
  shortcut: 'proj',
  head: 'fc',
  first: 0,
};

const TIMM: Spelling = {
  unit: (module) => [`${module}.conv`, `${module}.bn`],
  block: (stage, i) => `s${stage}.b${i}`,
  parts: ['conv1', 'conv2', 'conv3'],
  squeeze: 'se',
  shortcut: 'downsample',
  head: 'head',
  first: 1,
};

/** RegNetX and RegNetY of any size (Radosavovic et al. 2020). */
export const regnet: Architecture = {
  family: 'a RegNet',
  find: (file) =>
    [TORCHVISION, TIMM].flatMap(({ unit, block, parts, first }) =>
      placesOf(file, [
        [`${unit(`${block(1, first)}.${parts[0]}`)[0]}.weight`, 4],
        [`${unit('stem')[0]}.weight`, 4],
      ]),
    ),
  inputSide: () => 224,
  build,
};

function build(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const names = tensors.has('stem.conv.weight') ? TIMM : TORCHVISION;
  const [conv, norm] = names.unit('stem');
  let x = layers.convNorm(layers.input(size, conv), { conv, norm, taps: 3, stride: 2, activation: 'relu' });
  for (let stage = 1; stage <= 4; stage++)
    for (let i = names.first; ; i++) {
      const name = names.block(stage, i);
      if (!tensors.has(`${names.unit(`${name}.${names.parts[0]}`)[0]}.weight`)) break;
      x = block(layers, x, name, names, i === names.first ? 2 : 1);
    }
  return classifier(layers, x, { module: names.head });
}

function block(layers: Layers, x: NodeId, name: string, names: Spelling, stride: number): NodeId {
  const { tensors } = layers;
  const unit = (part: string) => {
    const [conv, norm] = names.unit(`${name}.${part}`);
    return { conv, norm };
  };
  const [a, b, c] = names.parts;
  let y = layers.convNorm(x, { ...unit(a), taps: 1, activation: 'relu' });
  y = layers.convNorm(y, { ...unit(b), taps: 3, stride, grouped: true, activation: 'relu' });
  const module = `${name}.${names.squeeze}`;
  if (tensors.has(`${module}.fc1.weight`))
    y = layers.squeeze(y, {
      module,
      layers: [`${module}.fc1`, `${module}.fc2`],
      activation: 'relu',
      gate: 'sigmoid',
    });
  y = layers.convNorm(y, { ...unit(c), taps: 1 });
  const shortcut = unit(names.shortcut);
  const around = tensors.has(`${shortcut.conv}.weight`) ? layers.convNorm(x, { ...shortcut, taps: 1, stride }) : x;
  return layers.activation(layers.add(y, around, name), 'relu', `${name}.activation`);
}
