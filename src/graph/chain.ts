import { GraphBuilder } from './builder.js';
import type { Graph, NodeId } from './graph.js';
import { pooledStride, type Topology } from './topology.js';

/** The pool behind each block. */
const HALVE = { size: [2, 2], stride: 2 } as const;

/**
 * The graph of a network of VGG's family: blocks of 3x3 convolutions with ReLU, a 2x2 pool after each, then dense layers with ReLU between
 * them. With degridding layers it is the dilated network itself: no pools but one before the dense layers, and rates instead.
 */
export function chainGraph(topology: Topology): Graph {
  const { inputSize, blocks, degridding, dense } = topology;
  const builder = new GraphBuilder();
  let x = builder.input({ h: inputSize, w: inputSize, c: 3 }, { name: 'input' });
  const convolve = (name: string, cout: number, rate: number) => {
    const pad = [rate, rate, rate, rate] as const;
    x = builder.conv(x, cout, { size: [3, 3], dilation: rate, pad }, { name });
    x = builder.activation(x, { f: 'relu' }, { name: `${name}_relu` });
  };
  for (const [block, layers] of blocks.entries()) {
    for (const { name, cout } of layers) convolve(name, cout, degridding ? 2 ** block : 1);
    const isLast = block === blocks.length - 1;
    if (!degridding && (!isLast || dense.length > 0))
      x = builder.pool(x, 'max', HALVE, { name: `block${block + 1}_pool` });
  }
  for (const { name, cout, rate } of degridding ?? []) convolve(name, cout, rate);
  if (degridding && dense.length > 0) {
    const side = 2 * pooledStride(topology);
    x = builder.pool(x, 'max', { size: [side, side], stride: side }, { name: `max_pool_${side}` });
  }
  for (const [i, { name, out }] of dense.entries()) {
    x = builder.dense(x, out, { name });
    if (i < dense.length - 1) x = builder.activation(x, { f: 'relu' }, { name: `${name}_relu` });
  }
  return withMode(dense.length > 0 ? builder.finish(x, 'softmax') : headless(builder), degridding !== undefined);
}

/** No node is the answer of weights without dense layers. */
export const NO_LOGITS: NodeId = -1;

const headless = (builder: GraphBuilder): Graph => ({ nodes: builder.nodes, logits: NO_LOGITS, head: 'softmax' });

const withMode = (graph: Graph, dilated: boolean): Graph => (dilated ? { ...graph, only: 'dilated' } : graph);

/** Whether a graph is built as VGG's family is: 3x3 convolutions and 2x2 max pools one after the other, then dense layers on the last map. */
export function isPlainChain({ nodes }: Graph): boolean {
  return nodes.every((node, id) => {
    if (id > 0 && (node.from.length !== 1 || node.from[0] !== id - 1)) return false;
    if (node.op === 'conv') return node.window.rows === 3 && node.window.columns === 3 && node.window.stride === 1;
    if (node.op === 'pool') return node.kind === 'max' && node.window.rows === node.window.stride;
    return node.op === 'input' || node.op === 'activation' || node.op === 'dense';
  });
}
