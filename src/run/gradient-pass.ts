import type { Heads, Mode, Precision } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import { planBackward } from '../plan/backward.js';
import { planForward } from '../plan/forward.js';
import { gridOf } from '../plan/modes.js';
import type { Runtime } from '../wasm/runtime.js';
import { adjointKernels } from './adjoint.js';
import { adjointNodes, BackwardRun, reserveMemory } from './backward-run.js';
import { runPlan } from './engine.js';
import { inFreeMemory, type Watch } from './executor.js';
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
  /** Nodes at whose output the gradient is wanted. */
  layers?: readonly NodeId[];
  /** Whether their activations are wanted too, at all points of the mode; default false. */
  activations?: boolean;
  /** Whether the gradient at the input is wanted. */
  input?: boolean;
  /** Whether the gradients of all weights are wanted. */
  weights?: boolean;
  /** Maps up to which size a subtree of the phase tree is computed at once; by default `SUBTREE_BYTES`. */
  subtreeBytes?: number;
}

/** A layer's whole map, interleaved: (height, width, channels). */
export interface LayerGradient {
  height: number;
  width: number;
  channels: number;
  gradient: Float32Array;
  activation?: Float32Array;
}

export interface GradientResult {
  /** The score; with heads `mean` their mean, with `each` that of phase (0,0). */
  score: number;
  /** Of each head, in the row order of the phases: (stride of the last maps / outputStride)^2 of them with `each` and `mean`, else one. */
  scores: Float32Array;
  /** The network's: those of phase (0,0). */
  logits: Float32Array;
  probabilities: Float32Array;
  layers: Map<NodeId, LayerGradient>;
  /** (rows, columns, channels) */
  input?: Float32Array;
  /** By layer, dense ones included, and part: kernel and bias, scale and shift ... */
  weights?: Map<string, WeightGradient>;
  peakBytes: number;
}

/**
 * Gradients of a score with respect to the input, layers' outputs and weights.
 *
 * @param input the network's input (rows, columns, channels); the network must have a head
 * @throws AtrousCamError OUT_OF_MEMORY before anything is computed, ABORTED
 * @example
 * const { input } = await gradientsOf(loaded, x, { mode: 'atrous', heads: 'mean', score: classScore('logit', 242), input: true });
 */
export async function gradientsOf(
  { runtime, network }: { runtime: Runtime; network: PackedNetwork },
  input: Float32Array,
  request: GradientRequest,
): Promise<GradientResult> {
  const { layout } = network;
  const { mode, heads = 'one', precision = network.precision, guided = false, score, signal } = request;
  const { activations = false, input: wantsInput = false, weights = false, layers = [] } = request;
  const outputStride = frontStride(layout, mode, request.outputStride);
  // With the head of the own phase alone the gradient takes the pooled path, but the activations are wanted at all points.
  const apart = activations && mode === 'atrous' && heads === 'one';
  const plan = planBackward(layout, {
    mode,
    heads,
    outputStride,
    layers,
    weights,
    activations: activations && !apart,
    input: wantsInput,
    subtreeBytes: request.subtreeBytes,
  });
  const spacing = request.outputStride ?? 1;
  const forward = apart ? planForward(layout, { mode, outputStride: spacing, take: layers }) : undefined;
  const progress = sharedProgress([plan.macs, forward?.macs ?? 0], request.onProgress);

  reserveMemory(runtime, network, plan, { precision, weights });
  const make = () => new Map(layers.map((id) => [id, new LayerMap(layout, mode, id, spacing)]));
  const maps: LayerMaps = { gradient: make(), activation: activations ? make() : new Map() };
  const adjoints = await adjointKernels(runtime, network, adjointNodes(plan), precision, signal);
  const low =
    layout.frontier.length > 0 ? gridOf(layout, mode, layout.frontier[0], outputStride).low : ([0, 0] as const);
  const options = { mode, heads, outputStride, precision, guided, score, weights, maps, signal, low };
  const result = await inFreeMemory(runtime, (mark) =>
    new BackwardRun(runtime, network, plan, adjoints, { ...options, onProgress: progress[0] }).run(input, mark),
  );
  if (forward)
    await runPlan(runtime, network, forward, input, {
      signal,
      onProgress: progress[1],
      onTake: (id, x, at) => maps.activation.get(id)!.put(runtime.arena, x, at),
    });
  return { ...result, layers: new Map(layers.map((id) => [id, layerGradient(id, maps)])) };
}

/** Spacing of the points of the maps in front of the head. */
function frontStride({ levels, placings, frontier }: Layout, mode: Mode, outputStride = 1): number {
  if (mode === 'dilated') return 1;
  const last = Math.max(0, ...frontier.map((id) => placings[id].level));
  const { stride } = levels[last];
  return mode === 'pooled' ? stride : Math.min(outputStride, stride);
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

function layerGradient(id: NodeId, { gradient, activation }: LayerMaps): LayerGradient {
  const { shape, data } = gradient.get(id)!;
  return {
    height: shape[1],
    width: shape[2],
    channels: shape[3],
    gradient: data,
    activation: activation.get(id)?.data,
  };
}
