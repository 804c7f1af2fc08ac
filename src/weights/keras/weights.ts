import { AtrousCamError } from '../../base/errors.js';
import { badWeights, quote } from '../source.js';
import type { RawTensor } from '../tensor.js';
import type { KerasLayer, KerasModel } from './config.js';
import type { KerasArray, KerasContents, KerasGroup } from './contents.js';

type Group = KerasGroup<RawTensor>;
type Arrays = KerasArray<RawTensor>[];

/** A weight of a layer: what files call it, in the order of files. */
export type WeightName =
  | 'kernel'
  | 'depthwise_kernel'
  | 'pointwise_kernel'
  | 'bias'
  | 'gamma'
  | 'beta'
  | OtherWeightName;
type OtherWeightName = 'moving_mean' | 'moving_variance' | 'alpha' | 'mean' | 'variance' | 'count';

/** Finds the arrays of layers, whatever the layout of the file, and knows in the end which have not been asked for. */
export class KerasWeights {
  /** Arrays that nobody has asked for yet. */
  readonly #left = new Set<KerasArray<RawTensor>>();
  readonly #find: (path: readonly string[]) => Arrays;

  constructor(
    readonly source: string,
    contents: KerasContents<RawTensor>,
    model: KerasModel,
  ) {
    for (const array of arraysOf(contents.groups)) this.#left.add(array);
    this.#find = contents.layout !== 'counted' ? namedArrays(contents) : countedArrays(source, contents.groups, model);
  }

  /**
   * The arrays of a layer, one for each of `names`, where nothing stands for those that the file may lack at the end (a count). `path`:
   * the models that it is in, then its name.
   */
  take(path: readonly string[], names: readonly WeightName[], optional: readonly WeightName[] = []): RawTensor[] {
    const arrays = this.#find(path);
    const layer = quote(path[path.length - 1]);
    const wanted = [...names, ...optional];
    if (arrays.length < names.length || arrays.length > wanted.length)
      throw badWeights(
        this.source,
        `expected ${names.length} arrays for layer ${layer} (${names.join(', ')}), got ${arrays.length}; the file is damaged, or of a layer of another kind`,
      );
    for (const [i, array] of arrays.entries()) {
      if (!isCalled(array.name, wanted[i]))
        throw badWeights(this.source, `expected an array "${wanted[i]}" of layer ${layer}, got ${quote(array.name)}`);
      if (!this.#left.delete(array)) throw this.#usedTwice(layer);
    }
    return names.map((name, i) => {
      const { tensor } = arrays[i];
      if (tensor) return tensor;
      throw badWeights(
        this.source,
        `"${name}" of layer ${layer}: expected floating-point numbers, got others; quantized models are not read, save the model before it is quantized`,
      );
    });
  }

  #usedTwice(layer: string): Error {
    return new AtrousCamError(
      'UNSUPPORTED',
      `weights ${quote(this.source)}: layer ${layer}, which has weights, is used more than once, which is not supported; make the model of one such layer for each use`,
    );
  }

  /** Throws where an array has not been asked for. */
  finish(): void {
    for (const { name, tensor } of this.#left)
      throw badWeights(
        this.source,
        `array ${quote(tensor?.name ?? name)} belongs to no layer of the model; save the model anew`,
      );
  }
}

function* arraysOf(groups: readonly Group[]): Generator<KerasArray<RawTensor>> {
  for (const { arrays, groups: inner } of groups) {
    yield* arrays;
    yield* arraysOf(inner);
  }
}

/** Names of weights that are not the same in all versions. */
const synonyms: Partial<Record<WeightName, string>> = { depthwise_kernel: 'kernel', gamma: 'variable' };

/** Whether an array's name ends in a weight's; arrays that are only counted have their place alone. */
function isCalled(array: string, weight: WeightName): boolean {
  const name = plainName(array);
  return /^\d+$/.test(array) || name === weight || name === synonyms[weight];
}

/** `a/kernel_1:0` is a `kernel`. */
const plainName = (array: string): string => array.replace(/^.*\//, '').replace(/:\d+$/, '').replace(/_\d+$/, '');

/** Layers by their names; those of models in models by the names of their arrays. */
function namedArrays({ layout, groups }: KerasContents<RawTensor>): (path: readonly string[]) => Arrays {
  const byName = new Map(groups.map((group) => [group.name, group]));
  return (path) => {
    const arrays = [...((layout === 'flat' ? groups[0] : byName.get(path[0]))?.arrays ?? [])];
    if (layout === 'named' && path.length === 1) return arrays;
    const [layer, whole] = [path[path.length - 1], path.join('/')];
    const ways: ((owner: string) => boolean)[] = [
      (owner) => owner === whole,
      (owner) => owner === layer,
      // Two layers of one name in two models: the one whose model is named too.
      (owner) => isBelow(owner, path.slice(-2).join('/')),
      (owner) => isBelow(owner, layer),
      // TensorFlow 1 added a counter where a name was taken.
      (owner) => isBelow(owner.replace(/_\d+$/, ''), layer),
    ];
    for (const isOwner of ways) {
      const found = arrays.filter(({ name }) => isOwner(ownerOf(name)));
      if (found.length > 0) return sameOwner(found);
    }
    return [];
  };
}

const ownerOf = (array: string): string => array.replace(/\/?[^/]*$/, '');

const isBelow = (owner: string, layer: string): boolean => owner === layer || owner.endsWith(`/${layer}`);

/** Arrays of one layer; of several, which cannot be told apart, none. */
const sameOwner = (arrays: Arrays): Arrays => (new Set(arrays.map(({ name }) => ownerOf(name))).size > 1 ? [] : arrays);

/** The n-th layer of a class that has weights is the n-th group of that class that has any. */
function countedArrays(
  source: string,
  groups: readonly Group[],
  model: KerasModel,
): (path: readonly string[]) => Arrays {
  const found = new Map<string, Arrays>();
  const visit = ({ layers }: KerasModel, groups: readonly Group[], path: readonly string[]) => {
    const classes = new Map<string, Group[]>();
    for (const group of [...groups].sort((a, b) => counterOf(a) - counterOf(b))) {
      if (arraysOf([group]).next().done) continue;
      const name = group.name.replace(/_\d+$/, '');
      classes.set(name, [...(classes.get(name) ?? []), group]);
    }
    for (const layer of layers.values()) {
      const name = snakeCase(layer.className);
      const group = hasWeights(layer) ? takeGroup(classes.get(name), layer.name) : undefined;
      if (!group) continue;
      if (group.label !== undefined && group.label !== layer.name)
        throw badWeights(source, `expected weights of layer ${quote(layer.name)}, got those of ${quote(group.label)}`);
      const inner = [...path, layer.name];
      found.set(inner.join('\0'), [...group.arrays]);
      if (layer.model) visit(layer.model, group.groups, inner);
    }
  };
  visit(model, groups, []);
  return (path) => found.get(path.join('\0')) ?? [];
}

/** The next group, or the one that says that it is the layer's. */
function takeGroup(groups: Group[] | undefined, layer: string): Group | undefined {
  if (!groups) return undefined;
  const labelled = groups.findIndex(({ label }) => label === layer);
  return labelled >= 0 ? groups.splice(labelled, 1)[0] : groups.shift();
}

const counterOf = ({ name }: Group): number => Number(/_(\d+)$/.exec(name)?.[1] ?? 0);

/** Normalizations may have nothing to learn; then they have no arrays, though others of their class do. */
function hasWeights({ className, config }: KerasLayer): boolean {
  if (className === 'Normalization') return config.mean === null || config.mean === undefined;
  return className !== 'LayerNormalization' || config.scale !== false || config.center !== false;
}

/** As Keras does it: `BatchNormalization` is `batch_normalization`, `PReLU` is `p_re_lu`, `Conv2D` is `conv2d`. */
export const snakeCase = (name: string): string =>
  name
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
