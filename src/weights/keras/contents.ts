import type { Hdf5File } from '../hdf5.js';
import { badWeights } from '../source.js';
import type { RawTensor } from '../tensor.js';

/** What a Keras file in HDF5 holds, whatever its layout; nothing of it is understood yet. */
export interface KerasContents<Tensor> {
  /** The model as JSON, where the file has it. A `.keras` archive has it in a member of its own. */
  readonly config?: string;
  /** Of the Keras that wrote the file. */
  readonly version?: string;
  /**
   * `named`: groups are called after their layers, arrays after their weights (`block1_conv1/kernel:0`), those of a nested model are in
   * its group. `flat`: one group of all arrays, called so. `counted`: groups are called after classes, with counters (`conv2d_10`), arrays are `0`, `1`, ..., nested models nest.
   */
  readonly layout: 'named' | 'flat' | 'counted';
  readonly groups: readonly KerasGroup<Tensor>[];
}

export interface KerasGroup<Tensor> {
  readonly name: string;
  /** The layer's own name, which newer files have beside the class. */
  readonly label?: string;
  readonly arrays: readonly KerasArray<Tensor>[];
  readonly groups: readonly KerasGroup<Tensor>[];
}

export interface KerasArray<Tensor> {
  readonly name: string;
  /** Absent where there are no floating-point numbers. */
  readonly tensor?: Tensor;
}

const limits = { arrays: 50_000, depth: 16 };

/** Lists the layers and arrays of a model's file, but not the optimizer's; undefined where it is no such file. */
export function readKerasContents(file: Hdf5File): KerasContents<RawTensor> | undefined {
  const text = (key: string) => file.strings('/', key)?.[0];
  const config = text('model_config');
  const version = text('keras_version');
  const about = { ...(config !== undefined && { config }), ...(version !== undefined && { version }) };
  if (file.strings('/model_weights', 'layer_names'))
    return { ...about, layout: 'named', groups: namedGroups(file, '/model_weights') };
  if (file.strings('/', 'layer_names')) return { ...about, layout: 'named', groups: namedGroups(file, '/') };
  const groups = new CountedGroups(file).below('', 0);
  return groups.length > 0 ? { ...about, layout: 'counted', groups } : undefined;
}

/** Layers in the model's order. */
function namedGroups(file: Hdf5File, root: string): KerasGroup<RawTensor>[] {
  const base = root === '/' ? '' : root;
  let arrays = 0;
  return file.strings(root, 'layer_names')!.map((layer) => {
    const names = file.strings(`${base}/${layer}`, 'weight_names') ?? [];
    arrays += names.length;
    if (arrays > limits.arrays) throw tooMany(file);
    return { name: layer, arrays: names.map((name) => arrayAt(file, `${base}/${layer}/${name}`, name)), groups: [] };
  });
}

/** What models call their layers: Keras 3 and TensorFlow since 2.14, and before. */
const containers = ['layers', '_layer_checkpoint_dependencies'];

class CountedGroups {
  #arrays = 0;

  constructor(private readonly file: Hdf5File) {}

  /** The layers below a model's group. */
  below(path: string, depth: number): KerasGroup<RawTensor>[] {
    if (depth > limits.depth)
      throw badWeights(this.file.source, `expected models in models ${limits.depth} deep at most`);
    const members = this.file.members(path === '' ? '/' : path);
    // On Windows, older versions wrote `_layer_checkpoint_dependencies\conv2d`.
    const joined = members.filter((name) => containers.some((container) => name.startsWith(`${container}\\`)));
    const inside = containers
      .filter((container) => members.includes(container))
      .flatMap((container) => this.file.members(`${path}/${container}`).map((name) => `${container}/${name}`));
    return [...inside, ...joined].map((name) => this.#group(`${path}/${name}`, name, depth));
  }

  #group(path: string, name: string, depth: number): KerasGroup<RawTensor> {
    const label = this.file.strings(`${path}/vars`, 'name')?.[0];
    const arrays = this.file
      .members(`${path}/vars`)
      .sort((a, b) => Number(a) - Number(b))
      .map((array) => arrayAt(this.file, `${path}/vars/${array}`, array));
    this.#arrays += arrays.length + 1;
    if (this.#arrays > limits.arrays) throw tooMany(this.file);
    const groups = this.below(path, depth + 1);
    return { name: name.replace(/^.*[/\\]/, ''), ...(label !== undefined && { label }), arrays, groups };
  }
}

function arrayAt(file: Hdf5File, path: string, name: string): KerasArray<RawTensor> {
  return file.holdsFloats(path) ? { name, tensor: file.tensor(path)! } : { name };
}

const tooMany = (file: Hdf5File) => badWeights(file.source, `expected at most ${limits.arrays} arrays, got more`);

/** The same contents with something else for their tensors. */
export function mapContents<From, To>(contents: KerasContents<From>, change: (tensor: From) => To): KerasContents<To> {
  const group = ({ arrays, groups, ...about }: KerasGroup<From>): KerasGroup<To> => ({
    ...about,
    arrays: arrays.map(({ name, tensor }) => ({ name, ...(tensor !== undefined && { tensor: change(tensor) }) })),
    groups: groups.map(group),
  });
  return { ...contents, groups: contents.groups.map(group) };
}
