import type { Precision } from '../base/types.js';
import type { Graph, Node } from '../graph/graph.js';
import type { Clip, Job, View, WindowCall } from '../wasm/job.js';
import type { ConvKernel, Workspace } from './convolution.js';

/** A node's weights in the wasm memory, in the order in which its kernels read them. */
export interface PackedNode {
  /** Of a convolution that is not depthwise: one kernel a group. */
  readonly convs?: readonly ConvKernel[];
  /** Addresses of plain arrays by name: `kernel`, `bias`, `scale`, `shift`, `slope`, `order`. */
  readonly at: Readonly<Record<string, number>>;
}

/** How one tensor of a weight file becomes a part of a packed node. */
export interface Load {
  /** `kernel`, `bias` ...: the tensor is called `${node.name}.${part}`. */
  readonly part: string;
  /** Where its numbers go as they are; absent where `jobs` bring them into order. */
  readonly to?: number;
  /** Jobs on the numbers at `source`, behind which `spare` bytes are free. */
  readonly jobs?: (source: number) => Job[];
  readonly spare?: number;
}

/** A node of a graph and its inputs' shapes. */
export interface Placed {
  readonly graph: Graph;
  readonly node: Node;
}

/** How a node's weights are packed. */
export interface Packing {
  readonly packed: PackedNode;
  readonly loads: readonly Load[];
  /** Constants that are in the graph itself, by the name of the array. */
  readonly constants?: Readonly<Record<string, readonly number[]>>;
}

/** One operation on views with absolute addresses. */
export interface Forward<N extends Node = Node> {
  readonly node: N;
  readonly x: readonly View[];
  readonly y: View;
  readonly window?: WindowCall;
  /** Phases: vectors are rate x rate maps. */
  readonly rate: number;
  readonly clip?: Clip;
  /** Whether convolutions of many channels take tiles of 6x6. */
  readonly wide?: boolean;
  readonly packed: PackedNode;
  readonly workspace: Workspace;
}

/** The gradient of an operation: dx = (or +=) what dy makes of it. */
export interface Backward<N extends Node = Node> {
  readonly node: N;
  /** What the gradient reads: inputs, or the output of an activation. */
  readonly x: readonly (View | undefined)[];
  readonly dy: View;
  readonly dx: readonly (View | undefined)[];
  readonly accumulate: readonly boolean[];
  readonly window?: WindowCall;
  readonly rate: number;
  /** Channels of its inputs, read or not. */
  readonly channels?: readonly number[];
  /** ReLUs pass positive gradients only. */
  readonly guided: boolean;
  readonly packed: PackedNode;
  /** Kernels of the input's gradient, one a group. */
  readonly adjoints?: readonly ConvKernel[];
  readonly precision: Precision;
  readonly workspace: Workspace;
}

/** Where the gradients of a node's weights are summed, by part. */
export type Sums = Readonly<Record<string, number>>;

/** All that the engine knows of an operation, forward and back side by side. */
export interface Operator<N extends Node = Node> {
  /** Packs the node's weights into memory from `alloc`. */
  pack?(of: { graph: Graph; node: N }, precision: Precision, alloc: (bytes: number) => number): Packing;
  forward(call: Forward<N>): Job[];
  /** Bytes of workspace that `forward` needs. */
  workspace?(call: Omit<Forward<N>, 'workspace'>): number;
  backward(call: Backward<N>): Job[];
  /** Bytes of workspace that `backward` and `weightGradient` need. */
  backwardWorkspace?(call: Omit<Backward<N>, 'workspace'>, weights: boolean): number;
  /** Jobs that add to, or without `accumulate` overwrite, the sums. */
  weightGradient?(call: Backward<N>, sums: Sums, accumulate: boolean): Job[];
}
