import type { Graph, Node, NodeId } from './graph.js';

/**
 * The graph without some nodes: `into` says what their readers read instead. `changed` are nodes that take another's place, with the
 * numbers that nodes had before.
 */
export function withoutNodes(
  graph: Graph,
  into: ReadonlyMap<NodeId, NodeId>,
  changed: ReadonlyMap<NodeId, Node> = new Map(),
): Graph {
  const numbers = new Map<NodeId, NodeId>();
  const nodes: Node[] = [];
  const numberOf = (id: NodeId) => numbers.get(replacement(into, id))!;
  for (const [id, old] of graph.nodes.entries()) {
    if (into.has(id)) continue;
    const node = changed.get(id) ?? old;
    nodes.push({ ...node, from: node.from.map(numberOf) });
    numbers.set(id, nodes.length - 1);
  }
  return { ...graph, nodes, logits: numberOf(graph.logits) };
}

/** What stands in a node's place, over however many steps. */
export function replacement(into: ReadonlyMap<NodeId, NodeId>, id: NodeId): NodeId {
  let at = id;
  for (let next = into.get(at); next !== undefined; next = into.get(at)) at = next;
  return at;
}
