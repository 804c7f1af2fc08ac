import type { Graph, Node, NodeId, NodeOf, Window } from '../../../src/graph/graph.js';
import { ORIGIN, type Shift } from './types.js';

/** All nodes of one stride, as seen from the level before. */
export interface Level {
  /** Input pixels between two neighbouring points. */
  readonly stride: number;
  /** How many points of the level before make one here. */
  readonly factor: number;
  /** The smallest of the children's numbers, of rows and columns: they run over first .. first + factor - 1. */
  readonly first: Shift;
}

/** Where the maps of a graph lie. */
export interface Levels {
  /** From the input's, of stride 1 (which has no `first`), to the deepest. */
  readonly all: readonly Level[];
  /** The stride of each node's level. */
  readonly strideOf: readonly number[];
  /** Input pixels between two points of each node's map: in the head, behind a pool, more than its level's stride. */
  readonly spacingOf: readonly number[];
  /** Input coordinate of the centre of what point 0 of each node's map sees; of vectors, what it is means nothing. */
  readonly originOf: readonly Shift[];
}

/**
 * The levels of a graph. A node of stride s that reads level S is at level s S, but for pools that belong to the head. `first` of a level
 * and axis is the smallest one that any node has that enters it, where a node's own is 0 if its window's centre lies at most (s - 1) / 2
 * behind its start, and else 1 - s. What one-tap windows without stride move before a window counts as its own start.
 */
export function findLevels(graph: Graph): Levels {
  const isHead = headPools(graph);
  const strideOf: number[] = [];
  const spacingOf: number[] = [];
  const originOf: Shift[] = [];
  const entries: { from: number; stride: number; first: Shift }[] = [];
  for (const [id, node] of graph.nodes.entries()) {
    const from = Math.max(1, ...node.from.map((x) => strideOf[x]));
    const spacing = Math.max(1, ...node.from.map((x) => spacingOf[x]));
    const window = windowOf(node);
    const factor = window?.stride ?? 1;
    const enters = factor > 1 && !isHead[id];
    strideOf.push(enters ? from * factor : from);
    spacingOf.push(spacing * factor);
    originOf.push(originOfNode(graph, id, spacing, originOf));
    if (!enters || !window) continue;
    const [before, beside] = movedBefore(graph, node.from[0]);
    const first = (taps: number, start: number) =>
      (window.dilation * (taps - 1)) / 2 - start <= (factor - 1) / 2 ? 0 : 1 - factor;
    const own: Shift = [first(window.rows, window.top + before), first(window.columns, window.left + beside)];
    entries.push({ from, stride: from * factor, first: own });
  }
  return { all: levelsOf(entries), strideOf, spacingOf, originOf };
}

function levelsOf(entries: readonly { from: number; stride: number; first: Shift }[]): Level[] {
  const all: Level[] = [{ stride: 1, factor: 1, first: ORIGIN }];
  for (const stride of [...new Set(entries.map((entry) => entry.stride))].sort((a, b) => a - b)) {
    const entering = entries.filter((entry) => entry.stride === stride);
    const before = all[all.length - 1].stride;
    if (entering.some((entry) => entry.from !== before))
      throw new Error(`level ${stride} is entered from another level than ${before}`);
    const least = (axis: 0 | 1) => Math.min(...entering.map(({ first }) => first[axis]));
    all.push({ stride, factor: stride / before, first: [least(0), least(1)] });
  }
  return all;
}

/** Whether a mean is one over the whole map: then it is a global mean, not a level. */
export const isWholeMean = (graph: Graph, node: Node): boolean => {
  if (node.op !== 'pool' || node.kind !== 'mean') return false;
  const x = graph.nodes[node.from[0]].shape;
  const { rows, columns, dilation, top, left } = node.window;
  const fits = rows === x.h && columns === x.w && dilation === 1 && top === 0 && left === 0;
  return fits && node.shape.h === 1 && node.shape.w === 1;
};

/**
 * Which pools belong to the head: those of the whole map, and those from which every way leads through pools and activations alone into a
 * dense layer, a global mean or maximum, or the logits.
 */
function headPools(graph: Graph): boolean[] {
  const readers: NodeId[][] = graph.nodes.map(() => []);
  for (const [id, node] of graph.nodes.entries()) for (const x of node.from) readers[x].push(id);
  const leadsToHead: boolean[] = [];
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    leadsToHead[id] = readers[id].every((reader) => {
      const { op } = graph.nodes[reader];
      return op === 'dense' || op === 'global' || ((op === 'pool' || op === 'activation') && leadsToHead[reader]);
    });
  }
  return graph.nodes.map((node, id) => node.op === 'pool' && (leadsToHead[id] || isWholeMean(graph, node)));
}

const windowOf = (node: Node): Window | undefined =>
  node.op === 'conv' || node.op === 'pool' ? node.window : undefined;

/** How far the one-tap windows without stride that end in a node move the map: rows and columns before it, negative where they crop. */
function movedBefore(graph: Graph, id: NodeId): Shift {
  const node = graph.nodes[id];
  if (node.op !== 'pool' || !isMove(node)) return ORIGIN;
  const [rows, columns] = movedBefore(graph, node.from[0]);
  return [rows + node.window.top, columns + node.window.left];
}

/** A pad or a crop: a window of one tap without stride. */
export const isMove = ({ window }: NodeOf<'pool'>): boolean =>
  window.rows === 1 && window.columns === 1 && window.stride === 1;

/** The mean of the origins of the maps that a node reads, and from there the centre of its window. */
function originOfNode(graph: Graph, id: NodeId, spacing: number, originOf: readonly Shift[]): Shift {
  const node = graph.nodes[id];
  if (node.from.length === 0) return ORIGIN;
  const isSpread = (x: NodeId) =>
    node.shape.h * node.shape.w > 1 && graph.nodes[x].shape.h * graph.nodes[x].shape.w === 1;
  const maps = node.from.filter((x) => !isSpread(x));
  const mean = (axis: 0 | 1) => maps.reduce((sum, x) => sum + originOf[x][axis], 0) / maps.length;
  const window = windowOf(node);
  if (!window) return [mean(0), mean(1)];
  const centre = (taps: number, start: number) => spacing * ((window.dilation * (taps - 1)) / 2 - start);
  return [mean(0) + centre(window.rows, window.top), mean(1) + centre(window.columns, window.left)];
}

/** The smallest and largest shifts of a level, `low + stride` exclusive, are those of all before it together: `low`. */
export function lowestShift({ all }: Levels, stride: number): Shift {
  const sum = (axis: 0 | 1) =>
    all.reduce(
      (low, level) => low + (level.stride <= stride ? (level.stride / level.factor) * level.first[axis] : 0),
      0,
    );
  return [sum(0), sum(1)];
}

/** The shift, at a level of stride `to`, from which the shift `at` of a level of stride `from` descends. */
export function ancestor({ all }: Levels, at: Shift, from: number, to: number): Shift {
  const along = (axis: 0 | 1): number => {
    let rest = at[axis];
    let below = 0;
    for (const { stride, factor, first } of all) {
      if (stride > from) break;
      const unit = stride / factor; // the stride of the level before
      const modulo = (((rest / unit - first[axis]) % factor) + factor) % factor;
      const step = unit * (modulo + first[axis]);
      rest -= step;
      if (stride <= to) below += step;
    }
    if (rest !== 0) throw new Error(`there is no shift ${at} at stride ${from}`);
    return below;
  };
  return [along(0), along(1)];
}

/** The shifts of a level that are multiples of the output stride, in order, for rows and columns; and which of them is 0. */
export function lattice(
  levels: Levels,
  stride: number,
  outputStride: number,
): { shifts: readonly [number[], number[]]; own: Shift } {
  const spacing = Math.min(stride, outputStride);
  if (stride % spacing !== 0) throw new Error(`output stride ${outputStride} does not divide ${stride}`);
  const low = lowestShift(levels, stride);
  const along = (axis: 0 | 1) =>
    Array.from({ length: stride }, (_, i) => low[axis] + i).filter((shift) => shift % spacing === 0);
  const shifts: [number[], number[]] = [along(0), along(1)];
  return { shifts, own: [shifts[0].indexOf(0), shifts[1].indexOf(0)] };
}
