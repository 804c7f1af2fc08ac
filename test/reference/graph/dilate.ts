import type { Graph, Node, Shape, Window } from '../../../src/graph/graph.js';
import { findLevels, isMove, isWholeMean } from './levels.js';
import type { PlainGraph, PlainNode } from './types.js';

/**
 * The dilated graph: every window centred and 'same', of stride 1, with its dilation times the strides before; pools of stride > 1, pads and
 * crops left out; all maps of the input's size. A mean over the whole map becomes a global mean, and a dense layer that reads a map takes
 * the largest of each of its cells. Nodes keep their numbers.
 */
export function dilate(graph: Graph): PlainGraph {
  const { spacingOf } = findLevels(graph);
  const { h, w } = graph.nodes[0].shape;
  const isVector: boolean[] = [];
  const nodes = graph.nodes.map((node, id): PlainNode => {
    isVector.push(becomesVector(graph, node, isVector));
    const shape: Shape = isVector[id] ? { ...node.shape, h: 1, w: 1 } : { h, w, c: node.shape.c };
    const before = node.from.length > 0 ? spacingOf[node.from[0]] : 1;
    return { ...dilatedNode(graph, node, before, isVector), shape };
  });
  return { nodes, logits: graph.logits, head: graph.head };
}

function dilatedNode(graph: Graph, node: Node, before: number, isVector: readonly boolean[]): PlainNode {
  switch (node.op) {
    case 'conv':
      return { ...node, window: centred(node.window, before) };
    case 'pool': {
      const { name, aliases, from, shape } = node;
      if (isWholeMean(graph, node)) return { op: 'global', kind: 'mean', name, aliases, from, shape };
      if (node.window.stride > 1 || isMove(node)) return { op: 'same', name, aliases, from, shape };
      return { ...node, window: centred(node.window, before) };
    }
    case 'dense': {
      const { h, w } = graph.nodes[node.from[0]].shape;
      return isVector[node.from[0]] ? node : { ...node, cells: { h, w } };
    }
    default:
      return node;
  }
}

/** A window with an even number of taps has one more after its centre than before it. */
function centred({ rows, columns, dilation }: Window, before: number): Window {
  const d = dilation * before;
  const [top, left] = [d * Math.floor((rows - 1) / 2), d * Math.floor((columns - 1) / 2)];
  return { rows, columns, stride: 1, dilation: d, top, left };
}

/** Whether a node of the dilated graph is a vector: what is global or dense is, and what reads nothing but vectors. */
function becomesVector(graph: Graph, node: Node, isVector: readonly boolean[]): boolean {
  if (node.op === 'global' || node.op === 'dense' || isWholeMean(graph, node)) return true;
  return node.from.length > 0 && node.from.every((x) => isVector[x]);
}
