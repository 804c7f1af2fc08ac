import { PickledTensor, type PickleValue } from './pickle.js';
import { badWeights, quote } from './source.js';

type Dictionary = Map<PickleValue, PickleValue>;

/** What is of use in what `torch.save` wrote. */
export interface Checkpoint {
  readonly tensors: readonly (readonly [name: string, tensor: PickledTensor])[];
  /** Names of the classes in order. */
  readonly labels?: readonly string[];
}

/** Levels below the file's own dictionary that are searched. */
const deepest = 2;
const maxTensors = 10_000;
const maxDictionaries = 1000;

/**
 * The state dictionary of a file: the dictionary itself, or one inside a checkpoint, under whatever key. Of several the largest is meant, if it
 * has a usual name or is more than twice as large as any other.
 */
export function readCheckpoint(source: string, object: PickleValue): Checkpoint {
  if (!(object instanceof Map)) throw badWeights(source, '.pth: expected a dictionary of tensors');
  const all = dictionariesOf(object);
  const found = all
    .map(({ path, dictionary }) => ({ path, tensors: tensorsOf(dictionary) }))
    .filter(({ tensors }) => tensors.length > 0)
    .sort((a, b) => b.tensors.length - a.tensors.length);
  const [largest, next] = found;
  const usual = ['', 'state_dict', 'model', 'model_state_dict'];
  if (next) {
    const [size, second] = [largest.tensors.length, next.tensors.length];
    if (size === second || (size <= 2 * second && !usual.includes(largest.path)))
      throw badWeights(
        source,
        `.pth: expected one state dictionary, got ${quote(largest.path)} of ${size} and ${quote(next.path)} of ${second} tensors; save the one that is meant: torch.save(checkpoint[...], ...)`,
      );
  }
  const tensors = largest?.tensors ?? [];
  if (tensors.length > maxTensors)
    throw badWeights(source, `.pth: expected at most ${maxTensors} tensors, got ${tensors.length}`);
  const labels = all.map(({ dictionary }) => labelsOf(dictionary)).find((names) => names !== undefined);
  return { tensors, ...(labels && { labels }) };
}

/** A dictionary and those inside it, each once, by the keys that lead there. */
function dictionariesOf(object: Dictionary): { path: string; dictionary: Dictionary }[] {
  const found = [{ path: '', dictionary: object, level: 0 }];
  const seen = new Set([object]);
  for (const { path, dictionary, level } of found) {
    if (level === deepest) continue;
    for (const [key, value] of dictionary) {
      if (!(value instanceof Map) || seen.has(value) || found.length >= maxDictionaries) continue;
      seen.add(value);
      found.push({ path: path === '' ? String(key) : `${path}.${key}`, dictionary: value, level: level + 1 });
    }
  }
  return found;
}

const tensorsOf = (dictionary: Dictionary): [string, PickledTensor][] =>
  [...dictionary].filter(
    (entry): entry is [string, PickledTensor] => typeof entry[0] === 'string' && entry[1] instanceof PickledTensor,
  );

/** `class_to_idx` of torchvision's datasets, the other way round, or a list of the classes. */
function labelsOf(dictionary: Dictionary): string[] | undefined {
  const [toIndex, toClass] = ['class_to_idx', 'idx_to_class'].map((key) => dictionary.get(key));
  if (toIndex instanceof Map) return inOrder([...toIndex].map(([name, index]) => [index, name]));
  if (toClass instanceof Map) return inOrder([...toClass]);
  const list = ['classes', 'class_names'].map((key) => dictionary.get(key)).find(Array.isArray);
  return list?.length && list.every((name) => typeof name === 'string') ? list : undefined;
}

/** The names, where the indices are 0, 1, ... in any order. */
function inOrder(entries: readonly (readonly [PickleValue, PickleValue])[]): string[] | undefined {
  const names: string[] = [];
  for (const [index, name] of entries) {
    const at = Number(index);
    if (
      typeof name !== 'string' ||
      !(at >= 0 && at < entries.length) ||
      !Number.isInteger(at) ||
      names[at] !== undefined
    )
      return undefined;
    names[at] = name;
  }
  return names.length > 0 ? names : undefined;
}
