import type { Precision } from '../../src/base/types.js';
import { type Graph, weightShapes } from '../../src/graph/graph.js';
import type { Loaded } from '../../src/run/loaded.js';
import { packNetwork } from '../../src/run/packed-network.js';
import type { Runtime } from '../../src/wasm/runtime.js';
import type { Tensor } from '../../src/weights/types.js';

/** A graph of test/fixtures/graphs as files are read: a mean of the whole map is a global one, and a convolution on a vector a dense layer. */
export function asRead(graph: Graph): Graph {
  const nodes = graph.nodes.map((node) => {
    const x = node.from.length > 0 ? graph.nodes[node.from[0]].shape : node.shape;
    const { name, aliases, from, shape } = node;
    const isVector = x.h === 1 && x.w === 1;
    const isWhole =
      node.op === 'pool' && node.kind === 'mean' && node.window.rows === x.h && node.window.columns === x.w;
    if (isWhole) return { op: 'global' as const, kind: 'mean' as const, name, aliases, from, shape };
    return node.op === 'conv' && isVector ? { op: 'dense' as const, name, aliases, from, shape } : node;
  });
  return { ...graph, nodes };
}

/** A graph and its weights in the memory of a runtime, as `load` would have it. */
export async function loadGraph(
  runtime: Runtime,
  graph: Graph,
  weights: ReadonlyMap<string, Float32Array>,
  precision: Precision = 'exact',
): Promise<Loaded> {
  const tensors = new Map<string, Tensor>();
  for (const node of graph.nodes)
    for (const [part, shape] of Object.entries(weightShapes(graph, node))) {
      const name = `${node.name}.${part}`;
      tensors.set(name, { name, shape, copyInto: async (target) => target.set(weights.get(name)!) });
    }
  const network = await packNetwork(runtime, { graph, tensors, parameters: 1 }, precision);
  const outputs = graph.nodes[graph.logits].shape.c;
  const labels = Array.from({ length: outputs === 1 ? 2 : outputs }, (_, i) => `class ${i}`);
  return {
    runtime,
    network,
    labels,
    preprocessing: { normalization: 'torch', fit: 'squash', resize: 'bilinear' },
    evidence: new Map(),
  };
}
