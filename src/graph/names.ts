import type { Graph, Node, NodeId } from './graph.js';

/**
 * The node that a layer's name means, or nothing. Names come first, then aliases, then modules: `layer4` is the last node below it
 * (`layer4.2.conv3`, `layer4/block/add`). Where an activation is the only reader of what is found, the layer is that activation:
 * a layer's name means its output after the activation.
 */
export function findNode(graph: Graph, name: string): NodeId | undefined {
  const { nodes } = graph;
  const readers = readersOf(graph);
  // The last of several: a module that is used twice, such as one ReLU for a whole block, means its last use.
  const last = (matches: (node: Node) => boolean) => nodes.map(matches).lastIndexOf(true);
  const named = nodes.findIndex((node) => node.name === name);
  const id = named >= 0 ? named : last(({ aliases }) => aliases.includes(name));
  if (id >= 0) return toActivation(graph, id, readers);
  const inside = last((node) => namesOf(node).some((other) => isBelow(other, name)));
  return inside < 0 ? undefined : toActivation(graph, toEndOfModule(graph, inside, readers), readers);
}

/**
 * The layer that is explained where none is named: back from the logits through dense layers, global and other pools, activations and
 * whatever has no map, to the first other node; then forward to its activation.
 */
export function defaultLayer(graph: Graph): NodeId {
  const { nodes, logits } = graph;
  let id = logits;
  while (id > 0 && (!hasMap(nodes[id]) || ['dense', 'global', 'pool', 'activation'].includes(nodes[id].op)))
    [id] = nodes[id].from;
  return toActivation(graph, id, readersOf(graph));
}

/** What layers can be called: the names of all nodes that have a map, but for the input, pools, and the activations that are meant by others' names. */
export function layerNames(graph: Graph): string[] {
  const readers = readersOf(graph);
  const taken = new Set<NodeId>();
  const names: string[] = [];
  for (const [id, node] of graph.nodes.entries()) {
    if (node.op === 'input' || node.op === 'pool' || !hasMap(node) || taken.has(id)) continue;
    names.push(node.name);
    for (let at = id; ; ) {
      const next = activationOf(graph, at, readers);
      if (next === undefined) break;
      taken.add(next);
      at = next;
    }
  }
  return names;
}

/** What a layer is called: by the node whose activation it is, as `layerNames` has it. */
export function layerName(graph: Graph, id: NodeId): string {
  let at = id;
  while (graph.nodes[at].op === 'activation') [at] = graph.nodes[at].from;
  return layerNames(graph).includes(graph.nodes[at].name) && toActivation(graph, at, readersOf(graph)) === id
    ? graph.nodes[at].name
    : graph.nodes[id].name;
}

/** The readers of each node. */
export function readersOf({ nodes }: Pick<Graph, 'nodes'>): NodeId[][] {
  const readers: NodeId[][] = nodes.map(() => []);
  for (const [id, { from }] of nodes.entries()) for (const x of new Set(from)) readers[x].push(id);
  return readers;
}

const hasMap = ({ shape }: Node): boolean => shape.h > 1 || shape.w > 1;

const namesOf = ({ name, aliases }: Node): readonly string[] => [name, ...aliases];

const isBelow = (name: string, module: string): boolean =>
  module !== '' && (name.startsWith(`${module}.`) || name.startsWith(`${module}/`));

/** The activation that is the only reader of a node. */
function activationOf({ nodes, logits }: Graph, id: NodeId, readers: readonly NodeId[][]): NodeId | undefined {
  const [reader] = readers[id];
  return readers[id].length === 1 && id !== logits && nodes[reader].op === 'activation' ? reader : undefined;
}

function toActivation(graph: Graph, id: NodeId, readers: readonly NodeId[][]): NodeId {
  for (let at = id; ; ) {
    const next = activationOf(graph, at, readers);
    if (next === undefined) return at;
    at = next;
  }
}

/**
 * Older files name modules by their weights alone, so that the sum at the end of a residual block has none: what has no module of its
 * own belongs to the one before it.
 */
function toEndOfModule({ nodes, logits }: Graph, id: NodeId, readers: readonly NodeId[][]): NodeId {
  for (let at = id; ; ) {
    const [reader] = readers[at];
    const ends = at === logits || readers[at].length !== 1;
    if (ends || !['add', 'multiply', 'activation'].includes(nodes[reader].op)) return at;
    if (namesOf(nodes[reader]).some((name) => /[./]/.test(name))) return at;
    at = reader;
  }
}
