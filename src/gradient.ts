import type { HeadResult } from './head.js';
import type { PackedNetwork } from './network.js';
import type { Score } from './types.js';
import { denseInputGradientJob } from './wasm/ops/dense.js';
import type { Runtime } from './wasm/runtime.js';

/**
 * Gradient of the score with respect to the logits: a one for the class logit, or the row of the softmax's Jacobian,
 * dp_c/dz_j = p_c (delta_cj - p_j).
 */
export function logitGradient(probabilities: Float32Array, target: number, score: Score): Float32Array {
  const p = probabilities[target];
  return probabilities.map((q, j) => {
    const delta = j === target ? 1 : 0;
    return score === 'logit' ? delta : p * (delta - q);
  });
}

/** dy/dP: gradient of the score at the pooled map (cells, cells, channels), backwards through the dense layers. */
export async function pooledGradient(
  runtime: Runtime,
  network: PackedNetwork,
  head: HeadResult,
  logits: Float32Array,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { arena } = runtime;
  let dy = arena.alloc(4 * logits.length);
  arena.f32(dy, logits.length).set(logits);
  for (let i = network.dense.length - 1; i >= 0; i--) {
    const layer = network.dense[i];
    const dx = arena.alloc(4 * layer.in);
    const mask = i > 0 ? head.outputs[i - 1] : 0;
    await runtime.runAsync(
      denseInputGradientJob({ dy, w: layer.kernel, mask, dx, in: layer.in, out: layer.out }),
      signal,
    );
    dy = dx;
  }
  return arena.f32(dy, network.dense[0].in).slice();
}

/**
 * Grad-CAM's weights, alpha_k = the mean of dy/dA_k over the map (Selvaraju et al. 2017, eq. 1). A max pool passes its gradient
 * on whole, wherever the maxima lie, so the sum over the map is the sum over the pooled cells.
 *
 * @param gradient dy/dP (cells, cells, channels)
 * @param points number of points of the map that the mean is over
 */
export function channelMeans(gradient: Float32Array, channels: number, points: number): Float32Array {
  const alpha = new Float64Array(channels);
  for (let i = 0; i < gradient.length; i++) alpha[i % channels] += gradient[i];
  return Float32Array.from(alpha, (sum) => sum / points);
}
