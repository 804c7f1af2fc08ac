import type { Shape } from '../../../src/graph/graph.js';
import { curveOf } from './activations.js';
import {
  combine,
  combineBackward,
  dense,
  denseBackward,
  gather,
  gatherBackward,
  global,
  globalBackward,
  layerNorm,
  layerNormBackward,
} from './points.js';
import type { NodeWeights, PlainMap, PlainNode, Shift } from './types.js';
import { cellWinners, conv, convBackward, pool, poolBackward } from './windows.js';

/** A node on its inputs; its window, if it has one, begins `delay` later than its own start. */
export interface Call<N extends PlainNode = PlainNode> {
  readonly node: N;
  readonly xs: readonly PlainMap[];
  readonly weights: NodeWeights;
  readonly delay: Shift;
}

export interface BackwardCall<N extends PlainNode = PlainNode> extends Call<N> {
  readonly dy: PlainMap;
  /** Gradients of the inputs, to which the node adds. */
  readonly dxs: readonly Float64Array[];
  /** Gradients of the weights, to which the node adds, if they are wanted. */
  readonly dw?: NodeWeights;
  /** Only positive gradients pass (guided backpropagation), if this is an activation. */
  readonly guided?: boolean;
}

type NodeOf<Op extends PlainNode['op']> = Extract<PlainNode, { op: Op }>;

/** An operation, forward and back. */
interface Rule<N extends PlainNode> {
  forward(call: Call<N>): Float64Array;
  backward(call: BackwardCall<N>): void;
}

/** The map of a node, (h, w, c) of its shape. */
export const forward = (call: Call): PlainMap => ({ ...call.node.shape, data: ruleOf(call.node).forward(call) });

/** Adds a node's gradients, from dy, to those of its inputs and weights. */
export const backward = (call: BackwardCall): void => ruleOf(call.node).backward(call);

const ruleOf = ({ op }: PlainNode): Rule<PlainNode> => RULES[op] as Rule<PlainNode>;

const RULES: { readonly [Op in PlainNode['op']]: Rule<NodeOf<Op>> } = {
  input: {
    forward: () => {
      throw new Error('the input is given, not computed');
    },
    backward: () => {},
  },
  same: {
    forward: ({ xs: [x] }) => x.data,
    backward: ({ dy, dxs: [dx] }) => addTo(dx, dy.data),
  },
  conv: {
    forward: ({ node, xs: [x], weights, delay }) =>
      conv(x, kernelOf(weights), node.shape, { window: node.window, delay }, node.groups),
    backward: ({ node, xs: [x], weights, delay, dy, dxs: [dx], dw }) =>
      convBackward(x, kernelOf(weights), dy, { window: node.window, delay }, node.groups, dx, dw && kernelOf(dw)),
  },
  pool: {
    forward: ({ node, xs: [x], delay }) => pool(x, node.shape, { ...node, delay }),
    backward: ({ node, xs: [x], delay, dy, dxs: [dx] }) => poolBackward(x, dy, { ...node, delay }, dx),
  },
  global: {
    forward: ({ node, xs: [x] }) => global(x, node.kind),
    backward: ({ node, xs: [x], dy, dxs: [dx] }) => globalBackward(x, dy.data, node.kind, dx),
  },
  dense: {
    forward: ({ node, xs: [x], weights }) => dense(flat(node, x), weights.kernel, weights.bias),
    backward: denseGradients,
  },
  affine: {
    forward: ({ xs: [x], weights }) =>
      x.data.map((value, at) => value * weights.scale[at % x.c] + weights.shift[at % x.c]),
    backward: ({ xs: [x], weights, dy, dxs: [dx], dw }) => {
      for (const [at, d] of dy.data.entries()) {
        const k = at % x.c;
        dx[at] += d * weights.scale[k];
        if (dw) dw.scale[k] += d * x.data[at];
        if (dw) dw.shift[k] += d;
      }
    },
  },
  'layer-norm': {
    forward: ({ node, xs: [x], weights }) => layerNorm(x.data, affineOf(weights), node.epsilon),
    backward: ({ node, xs: [x], weights, dy, dxs: [dx], dw }) =>
      layerNormBackward(x.data, affineOf(weights), node.epsilon, dy.data, dx, dw && affineOf(dw)),
  },
  activation: {
    forward: ({ node, xs: [x], weights }) => {
      const curves = curvesOf(node, x, weights);
      return x.data.map((value, at) => curves[at % x.c].value(value));
    },
    backward: ({ node, xs: [x], weights, dy, dxs: [dx], dw, guided }) => {
      const curves = curvesOf(node, x, weights);
      for (const [at, d] of dy.data.entries()) {
        if (!guided || d > 0) dx[at] += d * curves[at % x.c].slope(x.data[at]);
        if (dw?.slope) dw.slope[at % x.c] += d * Math.min(x.data[at], 0);
      }
    },
  },
  add: combination('add'),
  multiply: combination('multiply'),
  concat: {
    forward: ({ node, xs }) => gather(xs, inOrder(node.shape)),
    backward: ({ node, xs, dy, dxs }) => gatherBackward(xs, inOrder(node.shape), dy.data, dxs),
  },
  channels: {
    forward: ({ node, xs }) => gather(xs, node.order),
    backward: ({ node, xs, dy, dxs }) => gatherBackward(xs, node.order, dy.data, dxs),
  },
};

function combination(op: 'add' | 'multiply'): Rule<NodeOf<'add' | 'multiply'>> {
  return {
    forward: ({ node, xs: [a, b] }) => combine(op, a, b, node.shape),
    backward: ({ xs: [a, b], dy, dxs: [da, db] }) => combineBackward(op, a, b, dy, da, db),
  };
}

/** What a dense layer multiplies: its input flattened, in `dilated` the largest of each cell of it. */
const flat = ({ cells }: NodeOf<'dense'>, x: PlainMap): Float64Array =>
  cells ? Float64Array.from(cellWinners(x, cells), (at) => x.data[at]) : x.data;

function denseGradients({ node, xs: [x], weights, dy, dxs: [dx], dw }: BackwardCall<NodeOf<'dense'>>): void {
  const winners = node.cells && cellWinners(x, node.cells);
  const dflat = new Float64Array(winners?.length ?? dx.length);
  denseBackward(flat(node, x), weights.kernel, dy.data, dflat, dw && kernelOf(dw));
  if (winners) for (const [i, at] of winners.entries()) dx[at] += dflat[i];
  else addTo(dx, dflat);
}

function addTo(sum: Float64Array, data: Float64Array): void {
  for (let i = 0; i < data.length; i++) sum[i] += data[i];
}

const kernelOf = ({ kernel, bias }: NodeWeights) => ({ kernel, bias });
const affineOf = ({ scale, shift }: NodeWeights) => ({ scale, shift });

/** An activation's curve of each channel. */
const curvesOf = ({ activation }: NodeOf<'activation'>, { c }: Shape, weights: NodeWeights) =>
  Array.from({ length: c }, (_, k) => curveOf(activation, weights.slope?.[k]));

const inOrder = ({ c }: Shape): number[] => Array.from({ length: c }, (_, k) => k);
