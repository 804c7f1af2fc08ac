import type { Graph, Node, NodeId, Window } from './graph.js';
import { readersOf } from './names.js';

/** All body nodes of one stride. */
export interface Level {
  /** Input pixels between two neighbouring points of its maps. */
  readonly stride: number;
  /**
   * The children of a shift of the level before lie at shift + (that level's stride) * d with d = first .. first + (ratio of the strides) - 1,
   * rows and columns apart.
   */
  readonly first: readonly [number, number];
  /** In computing order. */
  readonly nodes: readonly NodeId[];
}

/** What a node is in the three modes; found once a graph. */
export interface Placing {
  /** Index of its level. */
  readonly level: number;
  /** Whether it is one vector a shift: a global mean, a dense layer, or what is made of them. */
  readonly vector: boolean;
  /** Whether only the logits see it: dense layers, what lies between them, and the means and pools in front of them. */
  readonly head: boolean;
  /** Input coordinates (row, column) of the centre of what point (0, 0) of its map sees. */
  readonly origin: readonly [number, number];
}

export interface Layout {
  readonly graph: Graph;
  readonly placings: readonly Placing[];
  readonly levels: readonly Level[];
  /** Nodes that read each node. */
  readonly readers: readonly (readonly NodeId[])[];
  /** Body nodes that the head reads. */
  readonly frontier: readonly NodeId[];
  /** The first node by which `atrous` is not defined, and why. */
  readonly refused?: { readonly node: NodeId; readonly why: string };
}

/** Levels, strides and origins of a graph's nodes. */
export function layoutOf(graph: Graph): Layout {
  const { nodes } = graph;
  const readers = readersOf(graph);
  const vector = nodes.map(() => false);
  for (const [id, node] of nodes.entries())
    vector[id] =
      node.op === 'global' || node.op === 'dense' || (node.from.length > 0 && node.from.every((from) => vector[from]));
  const head = headNodes(graph, readers, vector);
  const strides: number[] = [];
  const origins: (readonly [number, number])[] = [];
  let refused: Layout['refused'];
  for (const [id, node] of nodes.entries()) {
    const maps = node.from.filter((from) => !vector[from]);
    const before = (maps.length > 0 ? maps : node.from).map((from) => strides[from]);
    const stride = Math.max(1, ...before);
    if (maps.some((from) => strides[from] !== stride))
      refused ??= {
        node: id,
        why: `joins maps with a point for every ${Math.min(...before)} and every ${stride} pixels`,
      };
    if (!head[id] && node.op === 'dense' && !vector[node.from[0]])
      refused ??= { node: id, why: 'flattens a map in the middle of the network' };
    strides.push(stride * (head[id] ? 1 : strideOf(node)));
    origins.push(
      originOf(
        node,
        stride,
        (maps.length > 0 ? maps : node.from).map((from) => origins[from]),
      ),
    );
  }
  const levels = levelsOf(graph, strides, head);
  const uneven = levels.findIndex(({ stride }, k) => k > 0 && stride % levels[k - 1].stride !== 0);
  if (uneven > 0) {
    const [node] = levels[uneven].nodes;
    const why = `has a point for every ${levels[uneven].stride} pixels, beside others with one for every ${levels[uneven - 1].stride}`;
    refused ??= { node, why };
  }
  const levelAt = (id: NodeId) => levels.findIndex(({ stride }) => stride === strides[id]);
  return {
    graph,
    placings: nodes.map((_, id) => ({ level: levelAt(id), vector: vector[id], head: head[id], origin: origins[id] })),
    levels,
    readers,
    frontier: nodes.map((_, id) => id).filter((id) => !head[id] && readers[id].some((reader) => head[reader])),
    refused,
  };
}

/** The window of a convolution or pool; undefined for other operations. */
export const windowOf = (node: Node): Window | undefined =>
  node.op === 'conv' || node.op === 'pool' ? node.window : undefined;

const strideOf = (node: Node): number => windowOf(node)?.stride ?? 1;

/** Operations that may stand between the last convolution and the dense layers, or the mean, and belong to the head if they begin with a pool. */
const BETWEEN: readonly Node['op'][] = ['pool', 'activation'];

function headNodes({ nodes }: Graph, readers: readonly NodeId[][], vector: readonly boolean[]): boolean[] {
  /** Whether all that reads a map are vectors, perhaps by way of pools and the like. */
  const leads = nodes.map(() => false);
  /** Whether all that follows are vectors, so that a vector belongs to the head. */
  const last = nodes.map(() => false);
  for (let id = nodes.length - 1; id >= 0; id--) {
    leads[id] = readers[id].every((r) => vector[r] || (BETWEEN.includes(nodes[r].op) && leads[r]));
    last[id] = vector[id] && readers[id].every((r) => last[r]);
  }
  const head: boolean[] = [];
  for (const [id, node] of nodes.entries()) {
    const behind = node.from.length > 0 && node.from.every((from) => head[from]);
    const pools = !vector[id] && leads[id] && BETWEEN.includes(node.op) && (node.op === 'pool' || behind);
    head[id] = last[id] || (pools && vectorsAreLast(id, readers, vector, last));
  }
  return head;
}

/** Whether the vectors that a map leads to belong to the head: those of squeeze-and-excite do not. */
function vectorsAreLast(
  id: NodeId,
  readers: readonly NodeId[][],
  vector: readonly boolean[],
  last: readonly boolean[],
): boolean {
  return readers[id].every((r) => (vector[r] ? last[r] : vectorsAreLast(r, readers, vector, last)));
}

/** origin + stride (dilation (taps - 1) / 2 - top); where branches join, the mean of theirs. */
function originOf(
  node: Node,
  stride: number,
  inputs: readonly (readonly [number, number])[],
): readonly [number, number] {
  if (inputs.length === 0) return [0, 0];
  const mean = (axis: 0 | 1) => inputs.reduce((sum, origin) => sum + origin[axis], 0) / inputs.length;
  const from = [mean(0), mean(1)] as const;
  const window = windowOf(node);
  if (!window) return from;
  const { rows, columns, dilation, top, left } = window;
  return [
    from[0] + stride * ((dilation * (rows - 1)) / 2 - top),
    from[1] + stride * ((dilation * (columns - 1)) / 2 - left),
  ];
}

function levelsOf({ nodes }: Graph, strides: readonly number[], head: readonly boolean[]): Level[] {
  const body = nodes.map((_, id) => id).filter((id) => !head[id]);
  const all = [...new Set(body.map((id) => strides[id]))].sort((a, b) => a - b);
  return all.map((stride, k) => {
    const ids = body.filter((id) => strides[id] === stride);
    const ratio = k === 0 ? 1 : stride / all[k - 1];
    const entering = ids.map((id) => nodes[id]).filter((node) => strideOf(node) > 1);
    const first = (axis: 0 | 1) => Math.min(0, ...entering.map((node) => firstOf(nodes, node, axis, ratio)));
    return { stride, first: [first(0), first(1)], nodes: ids };
  });
}

/**
 * A node's first child along an axis: 0 where its window's centre lies at most (stride - 1) / 2 behind its start, else 1 - stride, so
 * that the points between have the pixels at the upper and left border too.
 */
function firstOf(nodes: readonly Node[], node: Node, axis: 0 | 1, ratio: number): number {
  const { rows, columns, dilation } = windowOf(node)!;
  const taps = axis === 0 ? rows : columns;
  let before = 0;
  for (let at = node; ; at = nodes[at.from[0]]) {
    const { top, left } = windowOf(at)!;
    before += axis === 0 ? top : left;
    if (!isMargin(nodes[at.from[0]])) break;
  }
  return (dilation * (taps - 1)) / 2 - before <= (ratio - 1) / 2 ? 0 : 1 - ratio;
}

/** Whether a node pads or crops and does nothing else: that counts to the window behind it. */
function isMargin(node: Node): boolean {
  const window = node.op === 'pool' ? node.window : undefined;
  return window !== undefined && window.rows === 1 && window.columns === 1 && window.stride === 1;
}
