import { AtrousCamError } from '../base/errors.js';
import { type Graph, weightShapes } from '../graph/graph.js';
import { readGraph } from '../graph/read-graph.js';
import { readEvidence } from './evidence.js';
import type { GraphFile } from './graph-network.js';
import { badWeights, quote } from './source.js';
import { plainTensor } from './tensor.js';
import type { TensorFile } from './tensor-file.js';
import type { Tensor } from './types.js';

/** Reads a file that `pack` wrote of a network of any family: the graph is JSON in the metadata, the tensors have its nodes' names. */
export function readPackedGraph(
  { source, tensors, metadata }: TensorFile,
  inputSize?: number | readonly [number, number],
): GraphFile {
  const graph = parseGraph(source, metadata.get('graph')!);
  const { h, w } = graph.nodes[0].shape;
  const [height, width] = typeof inputSize === 'object' ? inputSize : [inputSize ?? h, inputSize ?? w];
  if (height !== h || width !== w)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `inputSize: this packed file is for ${h} x ${w}, got ${height} x ${width}`,
    );
  const made = new Map<string, Tensor>();
  for (const node of graph.nodes)
    for (const [part, shape] of Object.entries(weightShapes(graph, node))) {
      const name = `${node.name}.${part}`;
      const raw = tensors.get(name);
      if (!raw || `${raw.shape}` !== `${shape}`)
        throw badWeights(
          source,
          `expected a tensor ${quote(name)} of shape [${shape}], got ${raw ? `[${raw.shape}]` : 'none'}`,
        );
      made.set(name, plainTensor(source, raw));
    }
  const stray = [...tensors.keys()].find((name) => !made.has(name));
  if (stray !== undefined) throw badWeights(source, `tensor ${quote(stray)} belongs to no node of the graph`);
  const evidence = readEvidence(metadata.get('evidence'), graph, source);
  const family = metadata
    .get('family')
    ?.slice(0, 100)
    .replace(/\p{Cc}/gu, ' ');
  return { source, graph, tensors: made, metadata, evidence, layout: 'torch', family, assumptions: [] };
}

function parseGraph(source: string, json: string): Graph {
  try {
    return readGraph(JSON.parse(json));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw badWeights(source, `metadata "graph": ${reason}`);
  }
}
