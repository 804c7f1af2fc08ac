import { sizeFrom } from '../base/shape.js';
import type { Normalization, Preprocessing } from '../base/types.js';
import type { Graph } from '../graph/graph.js';
import { asChain } from './chain-of-graph.js';
import { classLabels, outputLabels } from './labels.js';
import { preprocessingFor } from './preprocessing.js';
import type { NetworkWeights, Tensor } from './types.js';

/** What a reader of graphs found in a file. */
export interface GraphFile {
  readonly source: string;
  readonly graph: Graph;
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Whose resizing goes with such files. */
  readonly layout: 'torch' | 'keras';
  /** What the file says of the numbers that its input expects; undefined where it says nothing. */
  readonly normalization?: Normalization;
  /** Names of the classes, where the file has them. */
  readonly labels?: readonly string[];
  /** Text of the package's own files: `labels` and `preprocessing` as JSON. */
  readonly metadata?: ReadonlyMap<string, string>;
  /** See `NetworkWeights`; of packed files. */
  readonly evidence?: NetworkWeights['evidence'];
  /** What was assumed, in whole sentences. */
  readonly assumptions: readonly string[];
}

/** A network of any family from what its reader found. */
export async function graphNetwork(
  file: GraphFile,
  options: { preprocessing?: Partial<Preprocessing> },
  close: () => void,
): Promise<NetworkWeights> {
  const { source, layout, metadata, evidence } = file;
  const { c } = file.graph.nodes[file.graph.logits].shape;
  const classes = file.graph.head === 'sigmoid' && c === 1 ? 2 : c;
  const usual = asChain(file);
  const { graph, tensors } = usual ?? file;
  const stored = metadata?.get('preprocessing');
  const preprocessing = preprocessingFor(layout, stored, source, options.preprocessing, file.normalization);
  const isGiven = options.preprocessing?.normalization !== undefined || stored !== undefined;
  const labels = file.labels
    ? outputLabels(file.labels, classes)
    : await classLabels(classes, metadata?.get('labels'), source);
  const parameters = [...tensors.values()].reduce((sum, { shape }) => sum + sizeFrom(shape), 0);
  const assumed = isGiven || file.normalization || usual ? [] : [assumption(preprocessing.normalization)];
  const assumptions = [...file.assumptions, ...assumed];
  return {
    source,
    graph,
    tensors,
    chain: usual?.chain,
    evidence,
    labels,
    preprocessing,
    parameters,
    assumptions,
    close,
  };
}

const RANGES = {
  caffe: 'BGR less the means of ImageNet',
  torch: 'RGB as 0..1, less the mean of ImageNet, over its standard deviation',
  tf: 'RGB as -1..1',
  unit: 'RGB as 0..1',
  raw: 'RGB as 0..255',
};

const assumption = (normalization: Normalization): string =>
  typeof normalization === 'string'
    ? `The file does not say what numbers its input expects; '${normalization}' is assumed (${RANGES[normalization]}). Another is set by --preprocess, or preprocessing.normalization.`
    : '';
