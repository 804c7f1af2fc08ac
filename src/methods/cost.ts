import type { Heads, Mode } from '../base/types.js';
import { type ConvLayer, lastLayer, pooledStride, type Topology } from '../graph/topology.js';
import { type BackwardRequest, backwardMacs, planBackward } from '../plan/backward.js';
import { planMode, stepMacs, stepsUpTo } from '../plan/forward.js';

/** What a method is asked to explain. */
export interface Scope {
  readonly topology: Topology;
  readonly mode: Mode;
  readonly heads: Heads;
  readonly outputStride: number;
  readonly layers: readonly ConvLayer[];
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

/** One forward pass to the score: in `atrous` that of the network's own head is the pooled network's. */
function forwardMacs(scope: Scope): number {
  const { topology, mode, heads, outputStride } = scope;
  if (mode === 'atrous' && heads === 'mean') return backwardPlanMacs(scope, { layers: [], input: false });
  const dense = topology.dense.reduce((sum, layer) => sum + layer.in * layer.out, 0);
  return planMode(topology, mode === 'dilated' ? mode : 'pooled', outputStride).macs + dense;
}

function activationMacs({ topology, mode, outputStride, layers }: Scope): number {
  const steps = stepsUpTo(planMode(topology, mode, outputStride), Math.max(...layers.map((layer) => layer.block)));
  return steps.reduce((sum, step) => sum + stepMacs(step), 0);
}

/** One forward and backward pass; in `atrous` with one head the activations are computed apart. */
function gradientMacs(scope: Scope, input: boolean): number {
  const apart = !input && scope.mode === 'atrous' && scope.heads === 'one' ? activationMacs(scope) : 0;
  return apart + backwardPlanMacs(scope, { layers: input ? [] : scope.layers, input });
}

function backwardPlanMacs(scope: Scope, wanted: Pick<BackwardRequest, 'layers' | 'input'>): number {
  const { topology, mode, heads, outputStride } = scope;
  const plan = planBackward(topology, { mode, heads, outputStride, ...wanted, activations: false, weights: false });
  return plan.steps.reduce((sum, step) => sum + backwardMacs(topology, step), 0);
}

/** Ablation-CAM: at the last layer the dense layers again for each channel and head, before it the network behind the layer. */
export function ablationCost(scope: Scope): Cost {
  const { topology, mode, layers } = scope;
  const last = lastLayer(topology);
  const channels = layers.reduce((sum, { cout }) => sum + cout, 0);
  const activations = mode === 'atrous' ? 1 : 0;
  if (layers.some((layer) => layer !== last)) return { forward: 1 + channels, activations };
  const [first, ...others] = topology.dense;
  const once = (first.in / last.cout) * first.out + others.reduce((sum, layer) => sum + layer.in * layer.out, 0);
  return { forward: 1, activations, steps: channels, macs: channels * headsIn(scope) * once };
}

/** Heads whose scores a method takes apart: one, or one a phase. */
const headsIn = ({ topology, mode, heads, outputStride }: Scope): number =>
  mode === 'atrous' && heads !== 'one' ? (pooledStride(topology) / outputStride) ** 2 : 1;
