import type { GradientScore } from '../base/types.js';

/** What is differentiated: a function of one head's logits. */
export type ScoreFunction = (logits: Float32Array, probabilities: Float32Array) => ScoreValue;

export interface ScoreValue {
  value: number;
  /** dscore/dlogits, one a class. */
  gradient: Float32Array;
}

/**
 * The score of one class: its logit; its probability, whose gradient is the row of the softmax's Jacobian,
 * dp_c/dz_j = p_c (delta_cj - p_j); or the loss, softmax cross-entropy -log p_c with the gradient p_j - delta_cj.
 */
export function classScore(kind: GradientScore, target: number): ScoreFunction {
  return (logits, probabilities) => {
    const p = probabilities[target];
    const delta = (j: number) => (j === target ? 1 : 0);
    switch (kind) {
      case 'logit':
        return { value: logits[target], gradient: probabilities.map((_, j) => delta(j)) };
      case 'probability':
        return { value: p, gradient: probabilities.map((q, j) => p * (delta(j) - q)) };
      case 'loss':
        return { value: logSumExp(logits) - logits[target], gradient: probabilities.map((q, j) => q - delta(j)) };
    }
  };
}

/** log(sum of e^z), in float64 and without overflow. */
function logSumExp(logits: Float32Array): number {
  const most = logits.reduce((a, b) => Math.max(a, b));
  return most + Math.log(logits.reduce((sum, z) => sum + Math.exp(z - most), 0));
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
