import type { Estimate, ExplainOptions, NetworkInfo, PlanTable } from '../api.js';
import { MODES, oneOf, outputStrides } from '../base/options.js';
import type { Mode, Precision, Preprocessing } from '../base/types.js';
import { convLayers, readTopology, type Topology } from '../graph/topology.js';
import { planTable } from '../plan/table.js';
import type { NetworkWeights } from '../weights/types.js';
import { estimateMacs, Pace } from './estimate.js';

/** What the names and shapes in a weight file say of its network, as plain data that can be posted to another thread. */
export interface Description {
  readonly source: string;
  readonly parameters: number;
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly topology: Topology;
  readonly precision: Precision;
}

export function describe(weights: NetworkWeights, precision: Precision): Description {
  const { source, parameters, labels, preprocessing } = weights;
  return { source, parameters, labels, preprocessing, topology: readTopology(weights), precision };
}

/** What is known of a network from its description; the file may be closed. */
export class DescribedNetwork implements NetworkInfo {
  readonly source: string;
  readonly parameters: number;
  readonly inputSize: number;
  readonly labels: readonly string[];
  readonly layers: readonly string[];
  readonly preprocessing: Preprocessing;
  /** @internal */
  readonly description: Description;

  /** How fast it was; a network that is only described runs with one thread, for all that is known. */
  protected readonly pace: Pace;

  constructor(description: Description, threads = 1) {
    this.pace = new Pace(threads);
    const { topology } = description;
    this.description = description;
    this.source = description.source;
    this.parameters = description.parameters;
    this.inputSize = topology.inputSize;
    this.labels = description.labels;
    this.layers = convLayers(topology).map((layer) => layer.name);
    this.preprocessing = description.preprocessing;
  }

  plan(mode: Mode, options: { outputStride?: number } = {}): PlanTable {
    const { topology, precision } = this.description;
    const outputStride = oneOf('outputStride', options.outputStride ?? 1, outputStrides(topology));
    return planTable(topology, precision, oneOf('mode', mode, MODES), outputStride);
  }

  estimate(options: ExplainOptions = {}): Estimate {
    const macs = estimateMacs(this.description.topology, options);
    return { macs, seconds: this.pace.secondsFor(macs) };
  }
}
