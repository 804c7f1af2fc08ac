import type { RawLayer, RawNetwork } from './check-chain.js';
import { knownBlocks } from './family.js';
import type { Hdf5File } from './hdf5.js';
import { badWeights, quote } from './source.js';
import type { RawTensor } from './tensor.js';

/** One array of a Keras file, or a pool between two of them. */
type Item = { tensor: RawTensor; label: string } | 'pool';

/** What to do about weights alone of any other network. */
const saveWhole = "weights alone are read of VGG networks only, save the whole model with `model.save('model.keras')`";

/** VGG19 has 38 arrays and 5 pools; a hostile file may name one array for ever. */
const maxItems = 1000;

/**
 * Reads a Keras HDF5 file: the official layout and other `.h5` weights (`layer_names` on the root), whole models
 * (`/model_weights`), Keras 3 `.weights.h5` (`/layers`). Names of datasets are taken from `weight_names`, never guessed.
 */
export function readKerasNetwork(file: Hdf5File): RawNetwork {
  const root = ['/', '/model_weights'].find((path) => file.strings(path, 'layer_names'));
  const items = root ? legacyItems(file, root) : keras3Items(file);
  const { convs, dense } = readLayers(file.source, items);
  if (convs.length === 0) throw notVgg(file);
  return { source: file.source, layout: 'keras', blocks: intoBlocks(file.source, convs), dense, metadata: new Map() };
}

/** Layers in the model's order; those without weights matter only where they are pools. */
function legacyItems(file: Hdf5File, root: string): Item[] {
  const base = root === '/' ? '' : root;
  const items: Item[] = [];
  for (const layer of file.strings(root, 'layer_names')!) {
    const names = file.strings(`${base}/${layer}`, 'weight_names');
    if (!names) throw badWeights(file.source, `expected a group ${quote(layer)} with "weight_names", got none`);
    if (names.length === 0 && /pool/i.test(layer)) items.push('pool');
    for (const name of names) {
      const tensor = file.tensor(`${base}/${layer}/${name}`);
      if (!tensor) throw badWeights(file.source, `expected a dataset ${quote(`${layer}/${name}`)}, got none`);
      items.push({ tensor, label: `${layer}/${name}` });
      if (items.length > maxItems)
        throw badWeights(file.source, `expected at most ${maxItems} arrays, got more; not a VGG network`);
    }
  }
  return items;
}

/** Keras 3 names groups by class and counter (`conv2d`, `conv2d_1`, ... `conv2d_10`); the layer's own name is an attribute. */
function keras3Items(file: Hdf5File): Item[] {
  const order = (group: string) => [/^dense/.test(group) ? 1 : 0, Number(/_(\d+)$/.exec(group)?.[1] ?? 0)];
  const groups = file.members('/layers').sort((a, b) => order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1]);
  return groups.flatMap((group): Item[] => {
    const path = `/layers/${group}/vars`;
    const label = file.strings(path, 'name')?.[0] ?? group;
    const members = file.members(path).sort((a, b) => Number(a) - Number(b));
    return members.flatMap((name) => {
      const tensor = file.tensor(`${path}/${name}`);
      return tensor ? [{ tensor, label }] : [];
    });
  });
}

interface KerasConv extends RawLayer {
  label: string;
  /** Pools before it. */
  pools: number;
}

/** Pairs kernels (4 or 2 dimensions) with the bias that follows. */
function readLayers(source: string, items: Item[]): { convs: KerasConv[]; dense: RawLayer[] } {
  const convs: KerasConv[] = [];
  const dense: RawLayer[] = [];
  let pools = 0;
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (item === 'pool') {
      pools++;
      continue;
    }
    const { tensor: kernel, label } = item;
    const next = items[++i];
    const bias = typeof next === 'object' ? next.tensor : undefined;
    const dimensions = kernel.shape.length;
    if ((dimensions !== 4 && dimensions !== 2) || bias?.shape.length !== 1) {
      const then = bias ? `[${bias.shape.join(', ')}]` : 'nothing';
      const got = `${quote(kernel.name)} of shape [${kernel.shape.join(', ')}] then ${then}`;
      throw badWeights(
        source,
        `expected convolutions and dense layers, each a kernel and a bias, got ${got}; ${saveWhole}`,
      );
    }
    if (dimensions === 4 && dense.length === 0) convs.push({ kernel, bias, label, pools });
    else if (dimensions === 2) dense.push({ kernel, bias });
    else
      throw badWeights(
        source,
        `expected dense layers after the first dense layer, got ${quote(kernel.name)}; ${saveWhole}`,
      );
  }
  return { convs, dense };
}

/** Blocks by Keras' names (`block1_conv1`), else by the pools between, else by the number of convolutions. */
function intoBlocks(source: string, convs: KerasConv[]): RawLayer[][] {
  const named = convs.map(({ label }) => /block(\d+)_conv\d+/.exec(label)?.[1]);
  const counts = knownBlocks[convs.length]?.flatMap((count, block) => Array<string>(count).fill(`${block}`));
  const keys = named.every((name) => name !== undefined)
    ? named
    : convs.some(({ pools }) => pools > 0)
      ? convs.map(({ pools }) => `${pools}`)
      : counts;
  if (!keys)
    throw badWeights(
      source,
      `expected layers named block1_conv1 ..., or 8, 10, 13 or 16 convolutions, got ${convs.length} with other names; ${saveWhole}`,
    );
  const blocks: KerasConv[][] = [];
  convs.forEach((conv, i) => {
    if (i === 0 || keys[i] !== keys[i - 1]) blocks.push([]);
    blocks[blocks.length - 1].push(conv);
  });
  if (keys === named) refuseGaps(source, blocks);
  return blocks;
}

/** Without block3_conv2 the other layers may still chain, but they are another network than the one that was trained. */
function refuseGaps(source: string, blocks: readonly (readonly KerasConv[])[]): void {
  for (const block of blocks)
    for (const [i, { label }] of block.entries()) {
      const [found, name] = /(block\d+_conv)\d+/.exec(label)!;
      if (found !== `${name}${i + 1}`)
        throw badWeights(source, `expected a layer ${quote(`${name}${i + 1}`)}, got ${quote(found)} in its place`);
    }
}

function notVgg(file: Hdf5File): Error {
  const names = file.members('/');
  const found =
    names.length === 0
      ? 'an empty file'
      : `${names.slice(0, 4).map(quote).join(', ')}${names.length > 4 ? ', ...' : ''}`;
  return badWeights(
    file.source,
    `expected a VGG network as Keras saves it ("layer_names", "model_weights" or "layers"), got ${found}`,
  );
}
