import { afterAll } from 'vitest';
import type { Network } from '../../src/api.js';
import { packNetworkWeights } from '../../src/calls/packing.js';
import { type Graph, weightShapes } from '../../src/graph/graph.js';
import { load } from '../../src/index.js';
import type { Tensor } from '../../src/weights/types.js';

/** A network of a graph and plain weights, as its packed file. */
export async function packSketch(
  graph: Graph,
  weights: ReadonlyMap<string, Float32Array>,
): Promise<Uint8Array<ArrayBuffer>> {
  const tensors = new Map<string, Tensor>();
  for (const node of graph.nodes)
    for (const [part, shape] of Object.entries(weightShapes(graph, node))) {
      const name = `${node.name}.${part}`;
      tensors.set(name, { name, shape, copyInto: async (target) => target.set(weights.get(name)!) });
    }
  const labels = Array.from({ length: graph.nodes[graph.logits].shape.c }, (_, i) => `class ${i}`);
  const preprocessing = { normalization: 'unit', resize: 'bilinear', fit: 'squash' } as const;
  const parameters = [...weights.values()].reduce((sum, { length }) => sum + length, 0);
  const network = { source: 'sketch', graph, tensors, labels, preprocessing, parameters, close: () => {} };
  const pieces: Uint8Array[] = [];
  for await (const piece of packNetworkWeights(network, { dtype: 'float32' })) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

/** The same, loaded. */
export async function loadSketch({
  graph,
  weights,
}: {
  graph: Graph;
  weights: ReadonlyMap<string, Float32Array>;
}): Promise<Network> {
  return load((await packSketch(graph, weights)).buffer, { threads: 1, precision: 'exact' });
}

/** `loadSketch` for the tests of a file, at whose end all of its networks are disposed of. */
export function sketchLoader(): typeof loadSketch {
  const open: Network[] = [];
  afterAll(() => {
    for (const net of open) net.dispose();
  });
  return async (sketch) => {
    const net = await loadSketch(sketch);
    open.push(net);
    return net;
  };
}
