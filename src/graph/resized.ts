import { AtrousCamError } from '../base/errors.js';
import type { Graph, Node, NodeId, Shape, Window } from './graph.js';

/** A network for another size of the input. */
export interface Resized {
  readonly graph: Graph;
  /** The node of the first graph whose weights a node has; undefined of the mean that was put in. */
  readonly from: readonly (NodeId | undefined)[];
  /** A dense layer on a map, now on the mean of the map, and how many cells it was made for. */
  readonly flattened?: { readonly node: NodeId; readonly cells: number };
}

/**
 * The same network for an input of h x w. Windows keep where they start, and what they may see beyond the far side: as much as at the
 * near side, within what the first sizes tell. A dense layer on a map becomes one on the mean of the map, which is the same if it weighs
 * all cells alike: the caller has to see to that.
 *
 * @throws AtrousCamError UNSUPPORTED where the network takes its own size only
 */
export function resizedGraph(graph: Graph, h: number, w: number): Resized {
  const [input] = graph.nodes;
  const nodes: Node[] = [];
  const from: (NodeId | undefined)[] = [];
  const place: NodeId[] = [];
  let flattened: Resized['flattened'];
  const refuse = (node: Node, why: string) =>
    new AtrousCamError(
      'UNSUPPORTED',
      `zoom: this network takes pictures of ${input.shape.h} x ${input.shape.w} only, because "${node.name}" ${why}; leave zoom out`,
    );
  const add = (node: Node, of: NodeId | undefined) => {
    from.push(of);
    return nodes.push(node) - 1;
  };
  for (const [id, node] of graph.nodes.entries()) {
    let inputs = node.from.map((at) => place[at]);
    const [x, y] = node.from.map((at, i) => ({ old: graph.nodes[at].shape, now: nodes[inputs[i]].shape }));
    let shape: Shape = id === 0 ? { h, w, c: node.shape.c } : { ...node.shape };
    if (node.op === 'conv' || node.op === 'pool') {
      shape = { h: along(node, 0, x.old, x.now), w: along(node, 1, x.old, x.now), c: shape.c };
      if (shape.h < 1 || shape.w < 1) throw refuse(node, 'sees more than there would be');
    } else if (node.op === 'dense' && Math.max(x.old.h * x.old.w, x.now.h * x.now.w) > 1) {
      if (flattened || id === graph.logits) throw refuse(node, 'looks at each place of its map by itself');
      const mean = { op: 'global', kind: 'mean', name: `${node.name} (mean)`, aliases: [] } as const;
      inputs = [add({ ...mean, from: inputs, shape: { h: 1, w: 1, c: x.old.c } }, undefined)];
      flattened = { node: nodes.length, cells: x.old.h * x.old.w };
    } else if (id > 0 && node.op !== 'global' && node.op !== 'dense') {
      shape = { ...x.now, c: shape.c };
      const isSpread = y && y.now.h === 1 && y.now.w === 1;
      const others = node.from.map((_, i) => nodes[inputs[i]].shape).slice(isSpread ? 2 : 1);
      if (others.some((other) => other.h !== shape.h || other.w !== shape.w))
        throw refuse(node, 'joins maps that would differ in size');
    }
    place.push(add({ ...node, from: inputs, shape }, id));
  }
  const logits = place[graph.logits];
  const last = nodes[logits];
  if (last.shape.h !== 1 || last.shape.w !== 1) throw refuse(last, 'would no longer be one number a class');
  return { graph: { ...graph, nodes, logits }, from, flattened };
}

/** Outputs along an axis. */
function along(node: Node & { readonly window: Window }, axis: 0 | 1, old: Shape, now: Shape): number {
  const { window } = node;
  const [taps, before] = axis === 0 ? [window.rows, window.top] : [window.columns, window.left];
  const [side, count, next] = axis === 0 ? [old.h, node.shape.h, now.h] : [old.w, node.shape.w, now.w];
  const reach = window.dilation * (taps - 1) + 1;
  const used = (count - 1) * window.stride + reach - before - side; // of the padding at the far side; there may be more
  const after = Math.min(Math.max(before, used), used + window.stride - 1);
  return Math.floor((next + before + after - reach) / window.stride) + 1;
}
