import type { Heads, Mode, Precision } from '../base/types.js';
import { convLayers, pooledStride, type Topology } from '../graph/topology.js';
import { adjointLayers, backwardMacs, planBackward } from '../plan/backward.js';
import { type ConvStep, planMode, stepMacs, stepsUpTo } from '../plan/forward.js';
import type { View } from '../wasm/job.js';
import type { Runtime } from '../wasm/runtime.js';
import { adjointKernels } from './adjoint.js';
import { BackwardRun, reserveMemory } from './backward-engine.js';
import { inFreeMemory, runSteps, type Watch } from './engine.js';
import { LayerMap, type LayerMaps } from './layer-map.js';
import type { PackedNetwork } from './packed-network.js';
import type { ScoreFunction } from './score.js';
import type { WeightGradient } from './weight-sums.js';

/** What is differentiated, and where its gradient is wanted. */
export interface GradientRequest extends Watch {
  mode: Mode;
  /**
   * Whose score in `atrous`. `one` (the default): the network's own, that of phase (0,0); its gradients are the pooled network's, and
   * zero at the points between. `mean`: the mean over the heads of all phases (the dense score). `each`: at every point of the
   * last layer, the gradient of its own phase's score; there is no such thing at layers before, where phases share points.
   */
  heads?: Heads;
  /** `atrous`: spacing of the last map's points, hence which phases have a head; default 1. */
  outputStride?: number;
  /** Called with the logits of each head in turn, that of phase (0,0) first. */
  score: ScoreFunction;
  /** ReLU's backward passes positive gradients only (guided backpropagation). */
  guided?: boolean;
  /** Of the backward pass, by default the network's own. `fast` goes with a network loaded as `exact`, not the other way round. */
  precision?: Precision;
  /** Names of convolutions at whose output, after ReLU, the gradient is wanted. */
  layers?: readonly string[];
  /** Whether their activations are wanted too, at all points of the mode; default false. */
  activations?: boolean;
  /** Whether the gradient at the input is wanted. */
  input?: boolean;
  /** Whether the gradients of all weights are wanted. */
  weights?: boolean;
  /** Maps up to which size a subtree of the phase tree is computed at once; by default `SUBTREE_BYTES`. */
  subtreeBytes?: number;
}

/** A layer's whole map, interleaved: (side, side, channels), point (i, j) at pixel (spacing i, spacing j) of the input. */
export interface LayerGradient {
  side: number;
  channels: number;
  spacing: number;
  gradient: Float32Array;
  activation?: Float32Array;
}

export interface GradientResult {
  /** The score; with heads `mean` their mean, with `each` that of phase (0,0). */
  score: number;
  /** Of each head, in the row order of the phases: (16 / outputStride)^2 of them with `each` and `mean`, else one. */
  scores: Float32Array;
  /** The network's: those of phase (0,0). */
  logits: Float32Array;
  probabilities: Float32Array;
  layers: Map<string, LayerGradient>;
  /** (inputSize, inputSize, 3) */
  input?: Float32Array;
  /** By layer, dense ones included: kernel (3, 3, cin, cout) or (in, out), bias. */
  weights?: Map<string, WeightGradient>;
  peakBytes: number;
}

/**
 * Gradients of a score with respect to the input, layers' outputs and weights.
 *
 * @param input the network's input (inputSize, inputSize, 3); the network must have dense layers
 * @throws AtrousCamError OUT_OF_MEMORY before anything is computed, ABORTED
 * @example
 * const { input } = await gradientsOf(loaded, x, { mode: 'atrous', heads: 'mean', score: classScore('logit', 242), input: true });
 */
export async function gradientsOf(
  { runtime, network }: { runtime: Runtime; network: PackedNetwork },
  input: Float32Array,
  request: GradientRequest,
): Promise<GradientResult> {
  const { topology } = network;
  const { mode, heads = 'one', precision = network.precision, guided = false, score, signal } = request;
  const { activations = false, input: wantsInput = false, weights = false } = request;
  const outputStride = strideOf(topology, mode, request.outputStride);
  const layers = convLayers(topology).filter((layer) => request.layers?.includes(layer.name));
  // With the head of phase (0,0) alone the gradient takes the pooled path, but the activations are wanted at all points.
  const apart = activations && mode === 'atrous' && heads === 'one';
  const plan = planBackward(topology, {
    mode,
    heads,
    outputStride,
    layers,
    weights,
    activations: activations && !apart,
    input: wantsInput,
    subtreeBytes: request.subtreeBytes,
  });
  const forward = apart ? planMode(topology, mode, outputStride) : undefined;
  const steps = forward ? stepsUpTo(forward, Math.max(-1, ...layers.map((layer) => layer.block))) : [];
  const progress = sharedProgress(
    [
      plan.steps.reduce((sum, step) => sum + backwardMacs(topology, step), 0),
      steps.reduce((sum, step) => sum + stepMacs(step), 0),
    ],
    request.onProgress,
  );

  reserveMemory(runtime, network, plan, { precision, weights });
  const make = () => new Map(layers.map((layer) => [layer.name, new LayerMap(topology, mode, layer, outputStride)]));
  const maps: LayerMaps = { gradient: make(), activation: activations ? make() : new Map() };
  const adjoints = await adjointKernels(runtime, network, adjointLayers(plan), precision, signal);
  const result = await inFreeMemory(runtime, (mark) =>
    new BackwardRun(runtime, network, plan, adjoints, {
      heads,
      outputStride,
      precision,
      guided,
      score,
      weights,
      maps,
      signal,
      onProgress: progress[0],
    }).run(input, mark),
  );
  if (forward) {
    const put = ({ layer, at }: ConvStep, y: View) => maps.activation.get(layer.name)?.put(runtime.arena, y, at);
    await runSteps(runtime, network, forward, steps, input, put, { signal, onProgress: progress[1] });
  }
  return { ...result, layers: new Map(layers.map(({ name }) => [name, layerGradient(name, maps)])) };
}

/** Spacing of the last map's points. */
function strideOf(topology: Topology, mode: Mode, outputStride = 1): number {
  if (mode === 'atrous') return outputStride;
  return mode === 'pooled' ? pooledStride(topology) : 1;
}

/** Progress of runs that follow one another as one, by their costs. */
function sharedProgress(costs: readonly number[], onProgress: Watch['onProgress']): ((done: number) => void)[] {
  const total = costs.reduce((sum, cost) => sum + cost, 0);
  let from = 0;
  return costs.map((cost) => {
    const start = from;
    from += cost;
    return (done) => onProgress?.((start + done * cost) / total);
  });
}

function layerGradient(name: string, { gradient, activation }: LayerMaps): LayerGradient {
  const { shape, spacing, data } = gradient.get(name)!;
  return { side: shape[1], channels: shape[3], spacing, gradient: data, activation: activation.get(name)?.data };
}
