import type { Graph, Node, NodeId } from '../graph/graph.js';
import type { Clip, View, WindowCall } from '../wasm/job.js';
import type { Lattice } from './lattice.js';

/**
 * What a run does, in order, before anything runs: pure data that can be printed, tested and drawn. Addresses are bytes from the start of
 * the block of memory that the run gets. Gradient maps are called d + the name of the map.
 */
export type Step = ComputeStep | HeadStep | FoldStep | RefinedStep | TakeStep | GradientStep | CopyStep;

/** How an operation reads its inputs. */
export interface Call {
  /** Of convolutions and pools. */
  readonly window?: WindowCall;
  /** Phases of the output's lattice: vectors are rate x rate maps, spread over the others by row and column modulo rate. */
  readonly rate: number;
  /** As `ForwardRequest.wide`. */
  readonly wide?: boolean;
}

/** y = the node's operation on x. */
export interface ComputeStep {
  readonly op: 'compute';
  readonly node: NodeId;
  readonly x: readonly View[];
  readonly y: View;
  readonly call: Call;
  /** The activation behind it, where it is done in passing. */
  readonly clip?: Clip;
  readonly at: Lattice;
}

/** The gradient at a node's inputs, and at its weights, from that at its output. */
export interface GradientStep {
  readonly op: 'gradient';
  readonly node: NodeId;
  /** Its inputs as far as its gradient reads them; an activation that its output determines has that instead. */
  readonly x: readonly (View | undefined)[];
  readonly dy: View;
  /** Where the gradient goes; absent where none is wanted. May be dy itself. */
  readonly dx: readonly (View | undefined)[];
  /** Whether something is there already, which is added to. */
  readonly accumulate: readonly boolean[];
  readonly call: Call;
  /** Whether the gradients of its weights are summed. */
  readonly weights: boolean;
  readonly at: Lattice;
}

/** y = (or, with `accumulate`, +=) x; without x: zeros. */
export interface CopyStep {
  readonly op: 'copy';
  readonly x?: View;
  readonly y: View;
  readonly accumulate: boolean;
}

/** The head of each phase of the maps in front of it, and the gradient of the score at them. */
export interface HeadStep {
  readonly op: 'head';
  /** By node of the frontier. */
  readonly x: ReadonlyMap<NodeId, View>;
  /** Absent where no gradient is wanted. */
  readonly dx?: ReadonlyMap<NodeId, View>;
  /** The maps' phases are so many pixels of them apart. */
  readonly rate: number;
  readonly at: Lattice;
}

/** The points of a view of the explained activation become points of the raw map: y = sum_k alpha_k x_k. */
export interface FoldStep {
  readonly op: 'fold';
  readonly x: View;
  readonly y: View;
}

/** All points of the map at this output stride are there. */
export interface RefinedStep {
  readonly op: 'refined';
  readonly outputStride: number;
}

/** These points of a node's activation, or of the gradient at it, belong to the result. */
export interface TakeStep {
  readonly op: 'take';
  readonly what: 'activation' | 'gradient';
  readonly node: NodeId;
  readonly x: View;
  readonly at: Lattice;
}

/** Multiply-accumulates of a node for so many points of its output: those of products with weights. */
export function nodeMacs({ nodes }: Graph, node: Node, points: number): number {
  if (node.op !== 'conv' && node.op !== 'dense') return 0;
  const x = nodes[node.from[0]].shape;
  if (node.op === 'dense') return points * x.h * x.w * x.c * node.shape.c;
  const { rows, columns } = node.window;
  return (points * rows * columns * x.c * node.shape.c) / node.groups;
}

/** Multiply-accumulates of a step. */
export function stepMacs(graph: Graph, step: Step): number {
  if (step.op === 'compute') return nodeMacs(graph, graph.nodes[step.node], step.y.h * step.y.w);
  if (step.op !== 'gradient') return 0;
  const once = nodeMacs(graph, graph.nodes[step.node], step.dy.h * step.dy.w);
  return once * ((step.dx.some((dx) => dx) ? 1 : 0) + (step.weights ? 1 : 0));
}

/** Multiply-accumulates of the head of one phase. */
export const headMacs = (graph: Graph, isHead: (id: NodeId) => boolean): number =>
  graph.nodes.reduce((sum, node, id) => (isHead(id) ? sum + nodeMacs(graph, node, 1) : sum), 0);
