import type { Graph, Node, NodeId, NodeOf } from './graph.js';
import { readersOf } from './names.js';
import { withoutNodes } from './rewrite.js';

/**
 * Paddings and crops become part of the window behind them, where that gives the same numbers: zeros before a convolution always do, a
 * pool must not see beyond the padded map, and nothing may see beyond a cropped one.
 */
export function foldPads(graph: Graph): Graph {
  const readers = readersOf(graph);
  const into = new Map<NodeId, NodeId>();
  const changed = new Map<NodeId, Node>();
  for (const [id, node] of graph.nodes.entries()) {
    if (node.op !== 'conv' && node.op !== 'pool') continue;
    let folded: Node = node;
    for (let x = node.from[0]; isPad(graph.nodes[x]) && readers[x].length === 1 && x !== graph.logits; ) {
      const next = withPad(graph, folded as typeof node, graph.nodes[x] as NodeOf<'pool'>);
      if (!next) break;
      folded = next;
      into.set(x, graph.nodes[x].from[0]);
      x = graph.nodes[x].from[0];
    }
    if (folded !== node) changed.set(id, folded);
  }
  return withoutNodes(graph, into, changed);
}

/** A window of one tap that only pads with zeros and crops. */
const isPad = (node: Node): node is NodeOf<'pool'> =>
  node.op === 'pool' &&
  node.beyond === 'zero' &&
  [node.window.rows, node.window.columns, node.window.stride].every((n) => n === 1);

/** The window read directly from what is before the pad. */
function withPad(
  { nodes }: Graph,
  node: NodeOf<'conv'> | NodeOf<'pool'>,
  pad: NodeOf<'pool'>,
): NodeOf<'conv'> | NodeOf<'pool'> | undefined {
  const { window, shape } = node;
  const { top, left } = pad.window;
  const before = nodes[pad.from[0]].shape;
  const reach = (taps: number, count: number) => (count - 1) * window.stride + (taps - 1) * window.dilation + 1;
  const inside =
    window.top <= 0 &&
    window.left <= 0 &&
    reach(window.rows, shape.h) - window.top <= pad.shape.h &&
    reach(window.columns, shape.w) - window.left <= pad.shape.w;
  const sides = [top, left, pad.shape.h - before.h - top, pad.shape.w - before.w - left];
  const crops = sides.some((side) => side < 0);
  if (!inside && (crops || (node.op === 'pool' && node.beyond === 'nothing'))) return undefined;
  const moved = { ...node, window: { ...window, top: window.top + top, left: window.left + left }, from: pad.from };
  return moved.op === 'pool' && sides.some((side) => side > 0) ? { ...moved, beyond: 'zero' } : moved;
}
