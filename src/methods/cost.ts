import type { Heads, Mode } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import { type BackwardRequest, planBackward } from '../plan/backward.js';
import { planForward } from '../plan/forward.js';
import { gridOf, lastLevel } from '../plan/modes.js';
import { headMacs, nodeMacs } from '../plan/steps.js';
import { fittedAlong } from './fitted-points.js';
import { frontOf } from './front.js';

/** What a method is asked to explain. */
export interface Scope {
  readonly layout: Layout;
  readonly mode: Mode;
  readonly heads: Heads;
  readonly outputStride: number;
  readonly layers: readonly NodeId[];
}

/** What a method computes. */
export interface Cost {
  /** Forward passes to the score. */
  readonly forward?: number;
  /** Forward passes to the layers, at all points of the mode. */
  readonly activations?: number;
  /** Forward and backward passes. */
  readonly gradient?: number;
  /** Other work that is counted in steps, and its multiply-accumulates. */
  readonly steps?: number;
  readonly macs?: number;
}

/** Passes and steps, for the progress. */
export const passesOf = ({ forward = 0, activations = 0, gradient = 0, steps = 0 }: Cost): number =>
  forward + activations + gradient + steps;

/** Channels of all layers together. */
export const channelsOf = ({ graph }: Layout, layers: readonly NodeId[]): number =>
  layers.reduce((sum, id) => sum + graph.nodes[id].shape.c, 0);

/** Multiply-accumulates, from the plans of the passes. `input`: the gradient goes back to the input. */
export function macsOf(cost: Cost, scope: Scope, input: boolean): number {
  const { forward = 0, activations = 0, gradient = 0, macs = 0 } = cost;
  return (
    macs +
    (forward && forward * forwardMacs(scope)) +
    (activations && activations * activationMacs(scope)) +
    (gradient && gradient * gradientMacs(scope, input))
  );
}

const headOf = ({ graph, placings }: Layout): number => headMacs(graph, (id) => placings[id].head);

/** One forward pass to the score: in `atrous` that of the network's own head is the pooled network's. */
function forwardMacs(scope: Scope): number {
  const { layout, mode, heads } = scope;
  if (mode === 'atrous' && heads === 'mean') return backwardPlanMacs(scope, { layers: [], input: false });
  return planForward(layout, { mode: mode === 'dilated' ? mode : 'pooled', head: true }).macs + headOf(layout);
}

const activationMacs = ({ layout, mode, outputStride, layers }: Scope): number =>
  planForward(layout, { mode, outputStride, take: layers }).macs;

/** One forward and backward pass; in `atrous` with one head the activations are computed apart. */
function gradientMacs(scope: Scope, input: boolean): number {
  const apart = !input && scope.mode === 'atrous' && scope.heads === 'one' ? activationMacs(scope) : 0;
  return apart + backwardPlanMacs(scope, { layers: input ? [] : scope.layers, input });
}

function backwardPlanMacs(scope: Scope, wanted: Pick<BackwardRequest, 'layers' | 'input'>): number {
  const { layout, mode, heads, outputStride } = scope;
  return planBackward(layout, { mode, heads, outputStride, ...wanted, activations: false, weights: false }).macs;
}

/** Ablation-CAM: in front of the head the dense layers again for each channel and head, before it the network behind the layer. */
export function ablationCost(scope: Scope): Cost {
  const { layout, mode, layers } = scope;
  const channels = channelsOf(layout, layers);
  const activations = mode === 'atrous' ? 1 : 0;
  const front = layers.length === 1 ? frontOf(layout, layers[0]) : undefined;
  if (!front) return { forward: 1 + channels, activations };
  const { nodes } = layout.graph;
  const once = headOf(layout) - nodeMacs(layout.graph, nodes[front.dense], 1) * (1 - 1 / nodes[layers[0]].shape.c);
  return { forward: 1, activations, steps: channels, macs: channels * headsIn(scope) * once };
}

/** Heads whose scores a method takes apart: one, or one a phase. */
const headsIn = ({ layout, mode, heads, outputStride }: Scope): number =>
  mode === 'atrous' && heads !== 'one' ? (layout.levels[lastLevel(layout)].stride / outputStride) ** 2 : 1;

/** KPCA-CAM: the products of all points with those that its component is fitted to. */
export function kernelMacs({ layout, mode, outputStride, layers }: Scope): number {
  return layers.reduce((sum, id) => {
    const grid = gridOf(layout, mode, id, outputStride);
    const { rows, columns } = fittedAlong({ width: grid.w, height: grid.h }, grid);
    return (
      sum +
      (grid.h * grid.w + rows.length * columns.length) * rows.length * columns.length * layout.graph.nodes[id].shape.c
    );
  }, 0);
}
