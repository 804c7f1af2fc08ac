import { type Graph, type NodeId, weightShapes } from '../../../src/graph/graph.js';
import { dilate } from './dilate.js';
import { ancestor, findLevels, type Levels } from './levels.js';
import { backward, forward } from './operations.js';
import type { Shift } from './types.js';
import {
  type NodeWeights,
  ORIGIN,
  type PlainGraph,
  type PlainMap,
  type PlainNode,
  type PlainWeights,
} from './types.js';

/** One node at one shift: a variable of the tape. */
interface Entry {
  readonly id: NodeId;
  readonly xs: readonly Entry[];
  readonly delay: Shift;
  readonly value: PlainMap;
}

/** Where the gradient of a score comes in. */
export interface Seed {
  readonly id: NodeId;
  readonly shift?: Shift;
  readonly gradient: ArrayLike<number>;
}

export interface BackwardOptions {
  /** Nothing before this node is of interest. */
  readonly until?: NodeId;
  /** Activations that pass only positive gradients (guided backpropagation). */
  readonly guided?: (node: PlainNode) => boolean;
  /** Whether the gradients of the weights are wanted. */
  readonly weights?: boolean;
}

/** Gradients of one score. */
export interface GradientsOfScore {
  /** At a node's map at a shift, as large as that; zeros where the score does not depend on it. */
  map(id: NodeId, shift?: Shift): Float64Array;
  /** By the names of the weights; empty if they were not wanted. */
  readonly weights: ReadonlyMap<string, Float64Array>;
}

/**
 * A graph on one input, in float64 and as plainly as can be: every map of every shift by itself, on the network's own sizes, computed
 * when it is first asked for and then kept.
 */
export class Evaluation {
  readonly #entries = new Map<string, Entry>();
  readonly #weights = new Map<string, NodeWeights>();

  /** @param levels of the atrous mode: without them there is only the shift (0, 0) */
  constructor(
    readonly graph: PlainGraph,
    weights: PlainWeights,
    readonly input: ArrayLike<number>,
    readonly levels?: Levels,
  ) {
    for (const node of graph.nodes) this.#weights.set(node.name, weightsOf(graph, node, weights));
    const { h, w, c } = graph.nodes[0].shape;
    if (input.length !== h * w * c) throw new Error(`input of ${input.length} numbers; expected ${h * w * c}`);
  }

  /** The map of a node. Its shift is one of its level. */
  map(id: NodeId, shift: Shift = ORIGIN): PlainMap {
    return this.#at(id, shift).value;
  }

  logits(shift: Shift = ORIGIN): Float64Array {
    return this.map(this.graph.logits, shift).data;
  }

  #at(id: NodeId, shift: Shift): Entry {
    const key = `${id}:${shift}`;
    const known = this.#entries.get(key);
    if (known) return known;
    const entry = this.#compute(id, shift);
    this.#entries.set(key, entry);
    return entry;
  }

  #compute(id: NodeId, shift: Shift): Entry {
    const { graph, levels } = this;
    const node = graph.nodes[id];
    if (shift.some((n) => n !== 0) && !levels) throw new Error('shifts are of the atrous mode');
    if (node.op === 'input')
      return { id, xs: [], delay: ORIGIN, value: { ...node.shape, data: Float64Array.from(this.input) } };
    const sources = node.from.map((x) => ({ x, at: this.#shiftOf(x, id, shift) }));
    const xs = sources.map(({ x, at }) => this.#at(x, at));
    const before = sources[0].at;
    const stride = levels?.strideOf[node.from[0]] ?? 1;
    const delay: Shift = [(shift[0] - before[0]) / stride, (shift[1] - before[1]) / stride];
    const weights = this.#weights.get(node.name)!;
    return { id, xs, delay, value: forward({ node, xs: xs.map(({ value }) => value), weights, delay }) };
  }

  /** The shift at which node `id`, at its own shift, reads node x. */
  #shiftOf(x: NodeId, id: NodeId, shift: Shift): Shift {
    const { levels } = this;
    return levels ? ancestor(levels, shift, levels.strideOf[id], levels.strideOf[x]) : ORIGIN;
  }

  /** Goes back over all that was computed so far, from where the score's gradient comes in. */
  backward(seeds: readonly Seed[], { until = 0, guided, weights = false }: BackwardOptions = {}): GradientsOfScore {
    const gradients = new Map<Entry, Float64Array>();
    const of = (entry: Entry): Float64Array => {
      const gradient = gradients.get(entry) ?? new Float64Array(entry.value.data.length);
      gradients.set(entry, gradient);
      return gradient;
    };
    for (const { id, shift = ORIGIN, gradient } of seeds) {
      const sum = of(this.#at(id, shift));
      for (let i = 0; i < sum.length; i++) sum[i] += gradient[i];
    }
    const dweights = weights ? zerosLike(this.#weights) : undefined;
    for (const entry of [...this.#entries.values()].reverse()) {
      const gradient = gradients.get(entry);
      const node = this.graph.nodes[entry.id];
      if (!gradient || (entry.id <= until && !weights)) continue;
      backward({
        node,
        xs: entry.xs.map(({ value }) => value),
        weights: this.#weights.get(node.name)!,
        delay: entry.delay,
        dy: { ...node.shape, data: gradient },
        dxs: entry.xs.map(of),
        dw: dweights?.get(node.name),
        guided: guided?.(node),
      });
    }
    const map = (id: NodeId, shift: Shift = ORIGIN): Float64Array => of(this.#at(id, shift));
    return { map, weights: named(dweights) };
  }
}

/** The network itself. */
export const pooled = (graph: Graph, weights: PlainWeights, input: ArrayLike<number>): Evaluation =>
  new Evaluation(graph, weights, input);

/** A map of each node for every shift of its level. */
export const atrous = (graph: Graph, weights: PlainWeights, input: ArrayLike<number>): Evaluation =>
  new Evaluation(graph, weights, input, findLevels(graph));

/** The dilated graph. */
export const dilated = (graph: Graph, weights: PlainWeights, input: ArrayLike<number>): Evaluation =>
  new Evaluation(dilate(graph), weights, input);

function weightsOf(graph: PlainGraph, node: PlainNode, weights: PlainWeights): NodeWeights {
  if (node.op === 'same') return {};
  const shapes = weightShapes(graph as Graph, node);
  return Object.fromEntries(
    Object.entries(shapes).map(([what, shape]) => {
      const data = weights.get(`${node.name}.${what}`);
      const inDilated = node.cells; // the shape of a dense layer's input is then another one
      const size = shape.reduce((product, n) => product * n, 1);
      if (!data || (data.length !== size && !inDilated)) throw new Error(`weights of ${node.name}.${what}`);
      return [what, Float64Array.from(data)];
    }),
  );
}

const zerosLike = (weights: ReadonlyMap<string, NodeWeights>): Map<string, NodeWeights> =>
  new Map(
    [...weights].map(([name, all]) => [
      name,
      Object.fromEntries(Object.entries(all).map(([what, data]) => [what, new Float64Array(data.length)])),
    ]),
  );

const named = (weights: ReadonlyMap<string, NodeWeights> = new Map()): Map<string, Float64Array> =>
  new Map([...weights].flatMap(([name, all]) => Object.entries(all).map(([what, data]) => [`${name}.${what}`, data])));
