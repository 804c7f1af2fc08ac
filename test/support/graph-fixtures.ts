import { readFileSync } from 'node:fs';
import type { Graph, NodeId } from '../../src/graph/graph.js';
import { readReferences } from './references.js';

/** A small network of test/fixtures/graphs, and what PyTorch makes of it in float64. `make_graphs.py` says what each tensor is. */
export interface GraphFixture {
  name: string;
  graph: Graph;
  weights: Map<string, Float32Array>;
  input: Float32Array;
  /** The layer that is explained, and an earlier one. */
  layer: NodeId;
  inner: NodeId;
  /** The class that is explained, and the output stride of the atrous maps. */
  target: number;
  outputStride: number;
  /** Of the levels behind the input's: rows, columns. */
  levels: { stride: number; first: [number, number] }[];
  /** Shifts of the layer at the output stride, of rows and columns. */
  shifts: [number[], number[]];
  /** Input coordinate of point 0 of the layer's own phase. */
  origin: [number, number];
  /** Fails if there is none of the name. */
  reference(name: string): Float32Array;
  /** PyTorch's gradients of the loss at the weights, by the weights' names. */
  gradients: Map<string, Float32Array>;
}

const NAMES = ['residual', 'resnet-d', 'pre-activation', 'inverted', 'same', 'valid', 'patches', 'branches'];
const folder = new URL('../fixtures/graphs/', import.meta.url).pathname;

/** All networks of the folder. */
export const graphFixtures = (): GraphFixture[] => NAMES.map(read);

function read(name: string): GraphFixture {
  const { facts, graph } = JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8'));
  const tensors = new Map(
    [...readReferences(`${folder}${name}.safetensors`)].map(([key, { data }]) => [key, data as Float32Array]),
  );
  const below = (prefix: string) =>
    new Map([...tensors].flatMap(([key, data]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), data]] : [])));
  const reference = (key: string): Float32Array => {
    const data = tensors.get(key);
    if (!data) throw new Error(`${name}: there is no reference ${key}`);
    return data;
  };
  const weights = below('weights/') as Map<string, Float32Array>;
  const gradients = below('gradients/') as Map<string, Float32Array>;
  return { name, graph, ...facts, weights, gradients, input: reference('x'), reference };
}
