import { sizeFrom } from '../base/shape.js';
import type { Normalization } from '../base/types.js';
import { classesOf, type Graph } from '../graph/graph.js';
import { asChain } from './chain-of-graph.js';
import { vggName } from './family.js';
import { namesOfClasses } from './labels.js';
import { preprocessingFor } from './preprocessing.js';
import type { NetworkWeights, ReaderOptions, Tensor } from './types.js';

/** What a reader of graphs found in a file. */
export interface GraphFile {
  readonly source: string;
  readonly graph: Graph;
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Whose resizing goes with such files. */
  readonly layout: 'torch' | 'keras';
  /** What the file says of the numbers that its input expects; undefined where it says nothing. */
  readonly normalization?: Normalization;
  /** Whether that is an assumption, made from a name; `assumptions` says so. */
  readonly isAssumed?: boolean;
  /** Names of the classes, where the file has them. */
  readonly labels?: readonly string[];
  /** Text of the package's own files: `labels` and `preprocessing` as JSON. */
  readonly metadata?: ReadonlyMap<string, string>;
  /** See `NetworkWeights`; of packed files. */
  readonly evidence?: NetworkWeights['evidence'];
  /** What the network is called, where names tell. */
  readonly family?: string;
  /** What was assumed, in whole sentences. */
  readonly assumptions: readonly string[];
}

/** A network of any family from what its reader found. */
export async function graphNetwork(
  file: GraphFile,
  options: ReaderOptions,
  close: () => void,
): Promise<NetworkWeights> {
  const { source, layout, metadata, evidence } = file;
  const usual = asChain(file);
  const { graph, tensors } = usual ?? file;
  const { preprocessing, assumption } = preprocessingFor(
    {
      source,
      layout,
      channels: graph.nodes[0].shape.c,
      json: metadata?.get('preprocessing'),
      normalization: file.normalization,
      published: options.published,
    },
    options.preprocessing,
  );
  const labels = await namesOfClasses(classesOf(file.graph), {
    given: options.labels,
    own: file.labels,
    json: metadata?.get('labels'),
    source,
  });
  const parameters = [...tensors.values()].reduce((sum, { shape }) => sum + sizeFrom(shape), 0);
  const assumptions = [...file.assumptions, ...(assumption === undefined ? [] : [assumption])];
  return {
    source,
    graph,
    tensors,
    chain: usual?.chain,
    evidence,
    family: usual ? vggName(usual.chain) : file.family,
    labels,
    preprocessing,
    preprocessingAssumed: assumption !== undefined || file.isAssumed === true,
    parameters,
    assumptions,
    close,
  };
}
