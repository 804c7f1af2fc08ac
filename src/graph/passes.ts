import type { Graph, Node, NodeId, NodeOf, Shape } from './graph.js';
import { readersOf } from './names.js';

/**
 * A graph on its way from a file, with the vectors of its nodes' weights. `factors` and `vectors` are by node name; kernels stay in the
 * file, and are multiplied by the factor of each output when they are read.
 */
export interface Draft {
  readonly graph: Graph;
  readonly vectors: ReadonlyMap<string, Vectors>;
}

/** Vectors of a node's weights, one number a channel of its output; what it has none of is not there. */
export interface Vectors {
  /** Of a convolution or dense layer: what its kernel is multiplied by, 1 where there is none. */
  readonly factor?: Float64Array;
  readonly bias?: Float64Array;
  readonly scale?: Float64Array;
  readonly shift?: Float64Array;
  readonly slope?: Float64Array;
}

/** What every file's graph goes through: what is not needed goes, batch normalizations and paddings go into the nodes beside them. */
export const simplify = (draft: Draft): Draft => withoutUnused(padsIntoWindows(affinesBackwards(withoutUnused(draft))));

/** Leaves out the nodes that the logits do not depend on. */
export function withoutUnused({ graph, vectors }: Draft): Draft {
  const { nodes, logits } = graph;
  const used = new Set<NodeId>([0, logits]);
  for (let id = logits; id > 0; id--) if (used.has(id)) for (const from of nodes[id].from) used.add(from);
  const ids = [...used].sort((a, b) => a - b);
  const places = new Map(ids.map((id, place) => [id, place]));
  const kept = ids.map((id) => ({ ...nodes[id], from: nodes[id].from.map((from) => places.get(from)!) }));
  const named = new Map(kept.flatMap(({ name }) => (vectors.has(name) ? [[name, vectors.get(name)!] as const] : [])));
  return { graph: { ...graph, nodes: kept, logits: places.get(logits)! }, vectors: named };
}

/**
 * Scales and shifts of channels, such as batch normalization, go into the convolution, dense layer, normalization or other scale before
 * them where nothing else reads that. Only backwards: behind a padding the result would be another.
 */
export function affinesBackwards({ graph, vectors }: Draft): Draft {
  const readers = readersOf(graph);
  const made = new Map(vectors);
  const nodes: Node[] = [...graph.nodes];
  const instead = graph.nodes.map((_, id) => id);
  for (const [id, original] of graph.nodes.entries()) {
    const node = { ...original, from: original.from.map((from) => instead[from]) };
    nodes[id] = node;
    if (node.op !== 'affine') continue;
    const [before] = original.from;
    const target = nodes[instead[before]];
    if (readers[before].length !== 1 || before === graph.logits) continue;
    const folded = composed(target, made.get(target.name), made.get(node.name)!);
    if (!folded) continue;
    instead[id] = instead[before];
    nodes[instead[before]] = { ...target, aliases: [...target.aliases, node.name, ...node.aliases] };
    made.set(target.name, folded);
  }
  return { graph: { ...graph, nodes, logits: instead[graph.logits] }, vectors: made };
}

/** The vectors of a node with a scale and a shift behind it, or nothing where it has no place for them. */
function composed(node: Node, of: Vectors = {}, { scale, shift }: Vectors): Vectors | undefined {
  if (!scale || !shift) return undefined;
  const times = (vector: Float64Array | undefined) => vector?.map((value, i) => value * scale[i]) ?? scale;
  const after = (vector: Float64Array | undefined) => shift.map((value, i) => (vector?.[i] ?? 0) * scale[i] + value);
  if (node.op === 'affine' || node.op === 'layer-norm') return { scale: times(of.scale), shift: after(of.shift) };
  if (node.op !== 'conv' && node.op !== 'dense') return undefined;
  const isOne = scale.every((value) => value === 1);
  return { bias: after(of.bias), ...((of.factor || !isOne) && { factor: times(of.factor) }) };
}

/**
 * A padding or cropping that is a node of its own goes into the windows that read it, where all of them then see the same: a convolution
 * sees zeros beyond its map anyway; a pool gets `beyond: 'zero'`, if it does not look beyond the padded map.
 */
export function padsIntoWindows(draft: Draft): Draft {
  const { graph } = draft;
  const readers = readersOf(graph);
  const nodes: Node[] = [...graph.nodes];
  for (const [id, pad] of graph.nodes.entries()) {
    if (!isPad(pad) || id === graph.logits) continue;
    const [x] = nodes[id].from;
    const moved = readers[id].map((reader) => intoWindow(nodes[reader], nodes[id] as NodeOf<'pool'>, nodes[x].shape));
    if (moved.some((node) => !node)) continue;
    for (const [i, reader] of readers[id].entries()) nodes[reader] = { ...moved[i]!, from: [x] };
  }
  return { ...draft, graph: { ...graph, nodes } };
}

const isPad = (node: Node): node is NodeOf<'pool'> =>
  node.op === 'pool' && node.window.rows === 1 && node.window.columns === 1 && node.window.stride === 1;

/** How far a side of one map lies outside another one; positive is outside. */
interface Overhang {
  top: number;
  left: number;
  bottom: number;
  right: number;
}

const sides = ['top', 'left', 'bottom', 'right'] as const;

/** The node that reads `x` by a window which does what the node's own window does behind the padding, or nothing. */
function intoWindow(node: Node, pad: NodeOf<'pool'>, x: Shape): Node | undefined {
  if (node.op !== 'conv' && node.op !== 'pool') return undefined;
  const { top, left } = pad.window;
  const padding = { top, left, bottom: pad.shape.h - x.h - top, right: pad.shape.w - x.w - left };
  const overhang = overhangOf(node, pad.shape);
  const window = { ...node.window, top: node.window.top + top, left: node.window.left + left };
  const looksBeyond = sides.some((side) => overhang[side] > 0);
  // Beyond what is cropped it would see the map again.
  if (sides.some((side) => overhang[side] > 0 && padding[side] < 0)) return undefined;
  if (node.op === 'conv') return { ...node, window };
  if (node.beyond === 'zero') return { ...node, window };
  if (looksBeyond) return undefined;
  return { ...node, window, beyond: sides.some((side) => padding[side] > 0) ? 'zero' : 'nothing' };
}

/** How far a node's windows look beyond a map on each side. */
function overhangOf({ window, shape }: NodeOf<'conv' | 'pool'>, { h, w }: Shape): Overhang {
  const { rows, columns, stride, dilation, top, left } = window;
  return {
    top,
    left,
    bottom: (shape.h - 1) * stride + dilation * (rows - 1) + 1 - top - h,
    right: (shape.w - 1) * stride + dilation * (columns - 1) + 1 - left - w,
  };
}
