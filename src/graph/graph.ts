import type { Mode } from '../base/types.js';

/**
 * A convolutional classifier as plain data: a list of operations in computing order, for one input size. It can be printed, posted to a
 * worker and kept as JSON in a packed file. The numbers of the weights are elsewhere, by name.
 */
export interface Graph {
  /** `nodes[0]` is the input; a node reads earlier ones only. */
  readonly nodes: readonly Node[];
  /** The node whose output, a vector, is the network's answer before `head`. */
  readonly logits: NodeId;
  readonly head: HeadKind;
  /** The only mode that there is, for networks that were trained in it. */
  readonly only?: Mode;
}

/**
 * How logits become probabilities. `softmax`: of all classes together. `sigmoid`: each class by itself; a single output z means two
 * classes with the probabilities 1 - p and p and the scores -z and z.
 */
export type HeadKind = 'softmax' | 'sigmoid';

/** Index in `Graph.nodes`. */
export type NodeId = number;

/** Rows, columns and channels of a node's own map; a vector is 1 x 1. */
export interface Shape {
  readonly h: number;
  readonly w: number;
  readonly c: number;
}

/** One operation and the map that it makes. */
export type Node = Operation & NodeBase;

export interface NodeBase {
  /** Unique in the graph. The weights of the node are called after it: `${name}.kernel`. */
  readonly name: string;
  /** Other names by which users know it: the file's names of the node, of its output, of its module. */
  readonly aliases: readonly string[];
  readonly from: readonly NodeId[];
  readonly shape: Shape;
}

/** A node of one kind of operation. */
export type NodeOf<Op extends Operation['op']> = Extract<Operation, { op: Op }> & NodeBase;

export type Operation =
  | { readonly op: 'input' }
  /** Weights `.kernel` (rows, columns, cin / groups, cout) and `.bias` (cout). Depthwise where `groups` is the number of input channels. */
  | { readonly op: 'conv'; readonly window: Window; readonly groups: number }
  /**
   * The largest or the mean of a window, for each channel. `beyond`: what a window sees outside the map: `nothing`, which a mean does not
   * count, or `zero`. A window that sees nothing at all gives 0. A window of one tap crops, pads with zeros (`beyond: 'zero'`) or
   * takes every stride-th point.
   */
  | { readonly op: 'pool'; readonly kind: PoolKind; readonly window: Window; readonly beyond: 'nothing' | 'zero' }
  /** The largest or the mean of the whole map, for each channel: a vector. */
  | { readonly op: 'global'; readonly kind: PoolKind }
  /** A dense layer on a vector, or on a map flattened in (row, column, channel) order. Weights `.kernel` (in, out) and `.bias` (out). */
  | { readonly op: 'dense' }
  /** x * scale + shift, for each channel. Weights `.scale` (c) and `.shift` (c). */
  | { readonly op: 'affine' }
  /** Each point less the mean of its channels, over their standard deviation; then `.scale` (c) and `.shift` (c). */
  | { readonly op: 'layer-norm'; readonly epsilon: number }
  /** PReLU has weights: `.slope` (c). */
  | { readonly op: 'activation'; readonly activation: Activation }
  /** Sum and product of two inputs of one shape, or of a map and a vector, which is spread over the map. */
  | { readonly op: 'add' | 'multiply' }
  /** All channels of the inputs, one after the other. */
  | { readonly op: 'concat' }
  /** Output channel i is input channel `order[i]`, or 0 where that is -1: shuffles, splits and zero padding of channels. */
  | { readonly op: 'channels'; readonly order: readonly number[] };

export type PoolKind = 'max' | 'mean';

/**
 * Output (i, j) sees the rows stride i + dilation a - top, a = 0 .. rows - 1, and the columns likewise. Padding at the far sides, SAME and
 * ceil_mode are in the output's shape; a negative `top` crops.
 */
export interface Window {
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
  readonly dilation: number;
  readonly top: number;
  readonly left: number;
}

/** A function of each element by itself. */
export type Activation =
  | { readonly f: 'relu' | 'selu' | 'sigmoid' | 'tanh' | 'silu' | 'hard-swish' | 'softplus' }
  /** min(max(x, low), high); ReLU6 is 0 .. 6. */
  | { readonly f: 'clip'; readonly low: number; readonly high: number }
  | { readonly f: 'leaky-relu'; readonly slope: number }
  /** Slopes by channel, which are weights. */
  | { readonly f: 'prelu' }
  | { readonly f: 'elu'; readonly alpha: number }
  /** min(max(slope x + offset, 0), 1) */
  | { readonly f: 'hard-sigmoid'; readonly slope: number; readonly offset: number }
  /** By the error function, or by tanh where `approximate`. */
  | { readonly f: 'gelu'; readonly approximate: boolean };

/** Names and shapes of a node's weights. */
export function weightShapes(graph: Graph, node: Node): Record<string, readonly number[]> {
  const { c } = node.shape;
  const x = node.from.length > 0 ? graph.nodes[node.from[0]].shape : node.shape;
  switch (node.op) {
    case 'conv':
      return { kernel: [node.window.rows, node.window.columns, x.c / node.groups, c], bias: [c] };
    case 'dense':
      return { kernel: [x.h * x.w * x.c, c], bias: [c] };
    case 'affine':
    case 'layer-norm':
      return { scale: [c], shift: [c] };
    case 'activation':
      return node.activation.f === 'prelu' ? { slope: [c] } : {};
    default:
      return {};
  }
}

/** Classes of a network: outputs, or two where there is a single sigmoid. */
export function classesOf({ nodes, logits, head }: Graph): number {
  const { c } = nodes[logits].shape;
  return head === 'sigmoid' && c === 1 ? 2 : c;
}
