import type { GradientScore } from '../base/types.js';
import type { HeadKind } from '../graph/graph.js';

/** What is differentiated: a function of one head's logits. */
export type ScoreFunction = (logits: Float32Array, probabilities: Float32Array) => ScoreValue;

export interface ScoreValue {
  value: number;
  /** dscore/dlogits, one a class. */
  gradient: Float32Array;
}

/**
 * The score of one class: its logit; its probability, whose gradient is the row of the softmax's Jacobian,
 * dp_c/dz_j = p_c (delta_cj - p_j); or the loss, softmax cross-entropy -log p_c with the gradient p_j - delta_cj. With a sigmoid
 * head each class has its own probability, which depends on its own logit alone.
 */
export function classScore(kind: GradientScore, target: number, head: HeadKind = 'softmax'): ScoreFunction {
  return (logits, probabilities) => {
    const p = probabilities[target];
    const delta = (j: number) => (j === target ? 1 : 0);
    if (head === 'sigmoid') {
      const { value, slope } = sigmoidScore(kind, logits[target], p);
      return { value, gradient: probabilities.map((_, j) => slope * delta(j)) };
    }
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

/** The score of a class whose probability is its own logit's sigmoid, and its derivative: dp/dz = p (1 - p), d(-log p)/dz = p - 1. */
function sigmoidScore(kind: GradientScore, z: number, p: number): { value: number; slope: number } {
  if (kind === 'logit') return { value: z, slope: 1 };
  if (kind === 'probability') return { value: p, slope: p * (1 - p) };
  return { value: Math.max(-z, 0) + Math.log1p(Math.exp(-Math.abs(z))), slope: p - 1 };
}

/** log(sum of e^z), in float64 and without overflow. */
function logSumExp(logits: Float32Array): number {
  const most = logits.reduce((a, b) => Math.max(a, b));
  return most + Math.log(logits.reduce((sum, z) => sum + Math.exp(z - most), 0));
}
