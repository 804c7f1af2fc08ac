import type { NodeId, NodeOf } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';

/**
 * The head of a layer that only the head reads, by way of one pool or mean, or as it is, where dense layers and activations alone
 * follow: then the score without a channel needs the channel's own rows of the first dense layer only.
 */
export interface Front {
  /** What makes the first dense layer's input of the layer's map; undefined where that is the map itself. */
  readonly pool?: NodeOf<'pool'> | NodeOf<'global'>;
  /** The first dense layer, and what follows. */
  readonly dense: NodeId;
  readonly rest: readonly NodeId[];
  /** Rows and columns of the first dense layer's input. */
  readonly h: number;
  readonly w: number;
}

/** The front of a layer, or undefined where its head is another one. */
export function frontOf({ graph, readers, placings, frontier }: Layout, layer: NodeId): Front | undefined {
  const { nodes, logits } = graph;
  if (frontier.length !== 1 || frontier[0] !== layer || readers[layer].length !== 1) return undefined;
  const [reader] = readers[layer];
  const first = nodes[reader];
  const pool = first.op === 'pool' || first.op === 'global' ? first : undefined;
  if (pool && readers[reader].length !== 1) return undefined;
  const dense = pool ? readers[reader][0] : reader;
  if (nodes[dense].op !== 'dense') return undefined;
  const rest: NodeId[] = [];
  for (let id = dense; id !== logits; id = rest[rest.length - 1]) {
    if (readers[id].length !== 1) return undefined;
    const [next] = readers[id];
    if (!placings[next].head || (nodes[next].op !== 'dense' && nodes[next].op !== 'activation')) return undefined;
    rest.push(next);
  }
  const { h, w } = nodes[nodes[dense].from[0]].shape;
  return { pool, dense, rest, h, w };
}
