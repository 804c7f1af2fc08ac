import type { InspectOptions, NetworkInfo, PlanTable } from './api.js';
import { checkPrecision, MODES, oneOf, outputStrides } from './options.js';
import { planTable } from './plan-table.js';
import { readTopology, type Topology } from './topology.js';
import type { Mode, OutputStride, Precision, Preprocessing } from './types.js';
import type { NetworkWeights } from './weights/types.js';
import { openWeights, type WeightsSource } from './weights.js';

/**
 * Reads what a weight file says about its network without loading it: of a file of any size only the headers are read, and
 * nothing is kept open.
 *
 * @param source nothing: the embedded cat/dog network; else as for `load`
 * @throws AtrousCamError NOT_FOUND, BAD_WEIGHTS, BAD_ARGUMENT, ABORTED
 * @example
 * const vgg16 = await inspect('vgg16_weights_tf_dim_ordering_tf_kernels.h5');
 * vgg16.parameters; // 138357544
 * vgg16.plan('dilated').macs; // 738e9
 */
export async function inspect(source?: WeightsSource, options: InspectOptions = {}): Promise<NetworkInfo> {
  const { preprocessing, inputSize, signal } = options;
  const precision = checkPrecision(options.precision);
  const weights = await openWeights(source, { preprocessing, inputSize, signal });
  weights.close();
  return new WeightsInfo(weights, precision);
}

/** What is known of a network from the names and shapes in its file; the file may be closed. */
export class WeightsInfo implements NetworkInfo {
  readonly source: string;
  readonly parameters: number;
  readonly inputSize: number;
  readonly labels: readonly string[];
  readonly layers: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly #topology: Topology;
  readonly #precision: Precision;

  constructor(weights: NetworkWeights, precision: Precision) {
    this.#topology = readTopology(weights);
    this.#precision = precision;
    this.source = weights.source;
    this.parameters = weights.parameters;
    this.inputSize = weights.inputSize;
    this.labels = weights.labels;
    this.layers = weights.blocks.flat().map((layer) => layer.name);
    this.preprocessing = weights.preprocessing;
  }

  plan(mode: Mode, options: { outputStride?: OutputStride } = {}): PlanTable {
    const outputStride = oneOf('outputStride', options.outputStride ?? 1, outputStrides(this.#topology));
    return planTable(this.#topology, this.#precision, oneOf('mode', mode, MODES), outputStride as OutputStride);
  }
}
