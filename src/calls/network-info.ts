import type { Estimate, ExplainOptions, NetworkInfo, PlanTable } from '../api.js';
import { checkOptions, MODES, oneOf } from '../base/options.js';
import type { Mode, Precision, Preprocessing } from '../base/types.js';
import type { Graph, HeadKind } from '../graph/graph.js';
import { type Layout, layoutOf } from '../graph/levels.js';
import { defaultLayer, layerName, layerNames } from '../graph/names.js';
import { planTable } from '../plan/table.js';
import { plannedWorkspace } from '../run/executor.js';
import type { NetworkWeights } from '../weights/types.js';
import { estimateCost, Pace } from './estimate.js';
import { readOutputStride } from './request.js';

/** What the names and shapes in a weight file say of its network, as plain data that can be posted to another thread. */
export interface Description {
  readonly source: string;
  readonly parameters: number;
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly assumptions: readonly string[];
  readonly preprocessingAssumed: boolean;
  readonly format: string;
  readonly family: string | undefined;
  readonly graph: Graph;
  readonly precision: Precision;
}

export function describe(weights: NetworkWeights, precision: Precision): Description {
  const { source, parameters, labels, preprocessing, assumptions = [], graph, family } = weights;
  const { preprocessingAssumed = false, format = '' } = weights;
  const file = { source, parameters, format, family, labels, assumptions };
  return { ...file, preprocessing, preprocessingAssumed, graph, precision };
}

/** What is known of a network from its description; the file may be closed. */
export class DescribedNetwork implements NetworkInfo {
  readonly source: string;
  readonly parameters: number;
  readonly inputSize: number;
  readonly inputShape: readonly [number, number, number];
  readonly labels: readonly string[];
  readonly layers: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly preprocessingAssumed: boolean;
  readonly assumptions: readonly string[];
  readonly format: string;
  readonly family: string | undefined;
  readonly head: HeadKind | undefined;
  readonly defaultLayer: string;
  /** @internal */
  readonly description: Description;

  /** @internal */
  protected readonly layout: Layout;
  /** How fast it was; a network that is only described runs with one thread, for all that is known. */
  protected readonly pace: Pace;

  constructor(description: Description, threads = 1) {
    this.pace = new Pace(threads);
    const { graph } = description;
    const { h, w, c } = graph.nodes[0].shape;
    this.layout = layoutOf(graph);
    this.description = description;
    this.source = description.source;
    this.parameters = description.parameters;
    this.inputSize = Math.max(h, w);
    this.inputShape = [h, w, c];
    this.labels = description.labels;
    this.layers = layerNames(graph);
    this.preprocessing = description.preprocessing;
    this.preprocessingAssumed = description.preprocessingAssumed;
    this.assumptions = description.assumptions;
    this.format = description.format;
    this.family = description.family;
    this.head = description.labels.length === 0 ? undefined : graph.head;
    this.defaultLayer = this.head ? layerName(graph, defaultLayer(graph)) : this.layers[this.layers.length - 1];
  }

  plan(mode: Mode, options: { outputStride?: number } = {}): PlanTable {
    checkOptions('plan', options, { outputStride: 1 });
    const { precision } = this.description;
    const outputStride = readOutputStride(this.layout, options.outputStride);
    return planTable(this.layout, oneOf('mode', mode, MODES), outputStride, precision, (plan) =>
      plannedWorkspace(this.layout, plan.steps, precision),
    );
  }

  estimate(options: ExplainOptions = {}): Estimate {
    const cost = estimateCost(this.layout, options);
    return { ...cost, seconds: this.pace.secondsFor(cost.macs) };
  }
}
