import type { NodeId } from '../../graph/graph.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import { classifier } from './head.js';
import type { Layers } from './layers.js';

/** DenseNet-BC as torchvision and timm have it (Huang et al. 2017): any growth, width and number of layers. */
export const densenet: Architecture = {
  family: 'a DenseNet',
  find: (file) =>
    ['denselayer1.norm1', 'denselayer1.norm.1'].flatMap((norm) =>
      placesOf(file, [
        [`features.denseblock1.${norm}.weight`, 1],
        ['features.conv0.weight', 4],
      ]).map(({ prefix }) => ({ prefix, rename: norm.endsWith('.1') ? withoutDot : undefined })),
    ),
  inputSide: () => 224,
  build,
};

/** The published files are older than the rule that module names have no dots. */
const withoutDot = (name: string): string => name.replace(/(denselayer\d+\.(?:norm|conv))\.([12])\./, '$1$2.');

function build(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  let x = layers.input(size, 'features.conv0');
  const stem = { conv: 'features.conv0', norm: 'features.norm0', activation: 'relu', as: 'features.relu0' } as const;
  x = layers.convNorm(x, { ...stem, taps: 7, stride: 2 });
  x = layers.maxPool(x, 'features.pool0', 3, 2, 1);
  for (let block = 1; tensors.has(`features.denseblock${block}.denselayer1.conv1.weight`); block++) {
    x = denseBlock(layers, x, `features.denseblock${block}`);
    const module = `features.transition${block}`;
    if (!tensors.has(`${module}.conv.weight`)) break;
    x = layers.activation(layers.norm(x, `${module}.norm`), 'relu', `${module}.relu`);
    x = layers.conv(x, `${module}.conv`, { taps: 1 });
    x = layers.pool(x, 'mean', `${module}.pool`, { size: [2, 2], stride: 2 });
  }
  x = layers.activation(layers.norm(x, 'features.norm5'), 'relu', 'relu');
  return classifier(layers, x, { module: 'classifier' });
}

/** Each layer reads everything before it in the block; so does what follows. */
function denseBlock(layers: Layers, x: NodeId, module: string): NodeId {
  const maps = [x];
  for (let i = 1; layers.tensors.has(`${module}.denselayer${i}.conv1.weight`); i++) {
    const name = `${module}.denselayer${i}`;
    const all = maps.length === 1 ? x : layers.concat(maps, `${name}.concat`);
    const before = layers.activation(layers.norm(all, `${name}.norm1`), 'relu', `${name}.relu1`);
    const narrow = layers.convNorm(before, {
      conv: `${name}.conv1`,
      norm: `${name}.norm2`,
      taps: 1,
      activation: 'relu',
      as: `${name}.relu2`,
    });
    maps.push(layers.conv(narrow, `${name}.conv2`, { taps: 3 }));
  }
  return layers.concat(maps, module);
}
