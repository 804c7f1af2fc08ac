import type { NodeId } from '../../graph/graph.js';
import { quote } from '../source.js';
import type { StateDictionary } from './dictionary.js';
import type { FunctionName, Layers } from './layers.js';

/** What is known of a family's own head. */
export interface KnownHead {
  /** Its module: `fc`. */
  readonly module: string;
  /** Functions behind layers of that name and with so many outputs. */
  readonly functions?: Readonly<Record<string, { readonly outputs: number; readonly is: FunctionName }>>;
  /** Layers behind which the family has ReLU, by how many modules without tensors follow there. */
  readonly relus?: Readonly<Record<string, number>>;
  /** Whether the features are the mean already, or what was made of it. */
  readonly pooled?: boolean;
  /** Whether a map may also be flattened, instead of its mean. */
  readonly flattens?: boolean;
}

/** A layer of a head. */
interface HeadLayer {
  readonly name: string;
  readonly kind: 'linear' | 'norm';
  readonly inputs: number;
  readonly outputs: number;
}

/**
 * The classifier behind a network's features: whatever tensors are not understood yet, which have to be dense layers and batch
 * normalizations in one row, under whatever names. A map's mean stands before them. ReLU stands between dense layers; where that is not known
 * of the family it is said in `assumptions`.
 */
export function classifier(layers: Layers, features: NodeId, known: KnownHead): NodeId {
  const { tensors } = layers;
  const { h, w, c } = layers.shape(features);
  const head = inOrder(headLayers(tensors, tensors.unused()), tensors, known.flattens ? [c, h * w * c] : [c]);
  const [first] = head;
  const takesMean = !known.pooled && first.inputs === c;
  if (takesMean && ((first.name !== known.module && !first.name.startsWith(`${known.module}.`)) || known.flattens))
    layers.assumptions.push(
      `The mean of the features was assumed in front of ${quote(first.name)}: a dictionary of tensors does not say what stands there`,
    );
  let x = takesMean ? layers.mean(features, 'avgpool') : features;
  for (const [i, layer] of head.entries()) {
    x = layer.kind === 'linear' ? layers.linear(x, layer.name) : layers.norm(x, layer.name);
    const then = i === head.length - 1 ? undefined : functionBehind(layers, head, i, known);
    if (then) x = layers.activation(x, then);
  }
  return x;
}

/** The layers that the rest of the dictionary means, by the names of their modules in natural order. */
function headLayers(tensors: StateDictionary, names: readonly string[]): HeadLayer[] {
  const modules = new Map<string, Set<string>>();
  for (const name of names) {
    const dot = name.lastIndexOf('.');
    const [module, what] = [name.slice(0, Math.max(dot, 0)), name.slice(dot + 1)];
    modules.set(module, (modules.get(module) ?? new Set()).add(what));
  }
  if (modules.size === 0) throw tensors.refused('but without a classifier');
  const layers: HeadLayer[] = [];
  for (const [name, parts] of modules) {
    const weight = tensors.shape(`${name}.weight`);
    const mean = tensors.shape(`${name}.running_mean`);
    const stray = [...parts].find((part) => !(mean ? NORM_PARTS : ['weight', 'bias']).includes(part));
    const [first] = parts;
    if (stray !== undefined || name === '' || !(mean ?? weight))
      throw tensors.notUnderstood(name === '' ? (stray ?? first) : `${name}.${stray ?? first}`);
    if (mean) layers.push({ name, kind: 'norm', inputs: mean[0], outputs: mean[0] });
    else if (weight!.length === 2 || (weight!.length === 4 && weight![2] === 1 && weight![3] === 1))
      layers.push({ name, kind: 'linear', inputs: weight![1], outputs: weight![0] });
    else throw tensors.notUnderstood(`${name}.weight`);
  }
  return layers.sort((a, b) => naturalOrder(a.name, b.name));
}

/** Inputs of the head's first layer, of a head that these names are all of. */
export const headInputs = (tensors: StateDictionary, names: readonly string[]): number =>
  headLayers(tensors, names)[0].inputs;

const NORM_PARTS = ['weight', 'bias', 'running_mean', 'running_var'];

/** Layers in computing order: that of their numbers or, where names have none, the only one that their sizes allow. */
function inOrder(layers: HeadLayer[], tensors: StateDictionary, inputs: readonly number[]): HeadLayer[] {
  const numbered = layers.every((layer, i) => i === 0 || numbersOf(layers[i - 1].name, layer.name) !== undefined);
  const left = [...layers];
  const row: HeadLayer[] = [];
  for (let sizes = inputs; left.length > 0; sizes = [row[row.length - 1].outputs]) {
    const fitting = left.filter((layer) => sizes.includes(layer.inputs));
    const next = numbered ? fitting.find((layer) => layer === left[0]) : fitting[0];
    if (!next)
      throw tensors.notUnderstood(weightOf(left[0]), `expected a classifier's layer with ${sizes.join(' or ')} inputs`);
    if (!numbered && fitting.length > 1)
      throw tensors.notUnderstood(weightOf(fitting[1]), `the names do not say whether ${quote(next.name)} comes first`);
    left.splice(left.indexOf(next), 1);
    row.push(next);
  }
  return row;
}

const weightOf = ({ name, kind }: HeadLayer): string => `${name}.${kind === 'norm' ? 'running_mean' : 'weight'}`;

/** What stands between a layer and the next one. */
function functionBehind(
  { assumptions }: Layers,
  head: readonly HeadLayer[],
  i: number,
  { functions = {}, relus = {} }: KnownHead,
): FunctionName | undefined {
  const [layer, next] = [head[i], head[i + 1]];
  const known = functions[layer.name];
  if (known && layer.kind === 'linear' && layer.outputs === known.outputs) return known.is;
  const isDense = head.map(({ kind }) => kind === 'linear');
  if (i < isDense.indexOf(true) || i >= isDense.lastIndexOf(true)) return undefined; // only normalizations before or behind
  const room = between(layer.name, next.name);
  if (room === 0) return undefined;
  // One function for each pair of dense layers: behind the first module that leaves room for it.
  const dense = isDense.lastIndexOf(true, i);
  for (let before = dense; before < i; before++)
    if (between(head[before].name, head[before + 1].name) !== 0) return undefined;
  if (room === undefined || relus[layer.name] !== room)
    assumptions.push(
      `ReLU was assumed between ${quote(layer.name)} and ${quote(next.name)}: a dictionary of tensors does not say what stands there`,
    );
  return 'relu';
}

/** How many modules without tensors stand between two of a Sequential; nothing where the names do not say. */
function between(a: string, b: string): number | undefined {
  const numbers = numbersOf(a, b);
  if (!numbers?.modules) return undefined;
  const inside = numbers.rest.reduce((sum, number) => sum + number, 0);
  return numbers.b - numbers.a - 1 + inside;
}

interface Numbered {
  readonly a: number;
  readonly b: number;
  /** Whether the numbers are modules of one Sequential, so that those that miss are modules without tensors. */
  readonly modules: boolean;
  /** Numbers of the second name within that: `6.2` is the third module of the seventh. */
  readonly rest: readonly number[];
}

/** The numbers by which one name comes before another; nothing where they differ in more than that. */
function numbersOf(first: string, second: string): Numbered | undefined {
  const [p, q] = [first.split('.'), second.split('.')];
  const at = p.findIndex((part, i) => part !== q[i]);
  if (at < 0 || q[at] === undefined) return undefined;
  const [u, v] = [splitNumber(p[at]), splitNumber(q[at])];
  if (u.text !== v.text || u.number === undefined || v.number === undefined || u.number === v.number) return undefined;
  const rest = q.slice(at + 1).map(Number);
  const modules = u.text === '' && p.length === at + 1 && rest.every(Number.isInteger);
  return { a: u.number, b: v.number, modules, rest: modules ? rest : [] };
}

function splitNumber(part: string): { text: string; number?: number } {
  const [, text, digits] = /^(.*?)(\d{0,6})$/.exec(part)!;
  return { text, number: digits === '' ? undefined : Number(digits) };
}

/** By letters, and numbers by their size: `fc.2` before `fc.10`. */
function naturalOrder(a: string, b: string): number {
  const [p, q] = [a, b].map((name) => name.match(/\d{1,9}|\D+/g) ?? []);
  for (let i = 0; i < Math.min(p.length, q.length); i++) {
    if (p[i] === q[i]) continue;
    const [u, v] = [Number(p[i]), Number(q[i])];
    return Number.isNaN(u) || Number.isNaN(v) ? (p[i] < q[i] ? -1 : 1) : u - v;
  }
  return p.length - q.length;
}
