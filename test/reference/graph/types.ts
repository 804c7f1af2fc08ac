import type { Graph, Node, NodeBase, NodeId } from '../../../src/graph/graph.js';
import type { Map3 } from '../map.js';

/** How far the picture is moved, or a window is begun later: rows and columns. */
export type Shift = readonly [number, number];

export const ORIGIN: Shift = [0, 0];

/** A dense (h, w, c) map in float64. */
export interface PlainMap extends Map3 {
  readonly data: Float64Array;
}

/**
 * A node of a graph, or of the dilated graph made from one: there `same` stands where a pool was, and a dense layer that reads a map
 * first takes the largest of each of `cells`.
 */
export type PlainNode =
  | (Node & { readonly cells?: { readonly h: number; readonly w: number } })
  | ({ readonly op: 'same' } & NodeBase);

/** A graph, or what becomes of it in `dilated`: node for node the same, so a node keeps its number. */
export interface PlainGraph {
  readonly nodes: readonly PlainNode[];
  readonly logits: NodeId;
  readonly head: Graph['head'];
}

/** Weights by name, `${node.name}.kernel` and so on. */
export type PlainWeights = ReadonlyMap<string, Float64Array | Float32Array>;

/** The weights of one node by what they are: `kernel`, `bias`, `scale`, `shift`, `slope`. Gradients likewise. */
export type NodeWeights = Readonly<Record<string, Float64Array>>;
