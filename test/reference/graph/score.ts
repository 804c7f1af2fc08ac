import type { HeadKind } from '../../../src/graph/graph.js';

/** A number made of a network's logits, and its derivative with respect to each. */
export type PlainScore = (logits: Float64Array) => { value: number; gradient: Float64Array };

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

/** What the logits mean: softmax; or each by itself; or, of a single one, the classes 1 - p and p. */
export function probabilities(head: HeadKind, logits: Float64Array): Float64Array {
  if (head === 'sigmoid') {
    if (logits.length === 1) return Float64Array.of(sigmoid(-logits[0]), sigmoid(logits[0]));
    return logits.map(sigmoid);
  }
  const most = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((total, z) => total + Math.exp(z - most), 0);
  return logits.map((z) => Math.exp(z - most) / sum);
}

/** Score of a class: its logit (for a single sigmoid output z: -z and z), its probability p, or the loss, -log p. */
export function classScore(head: HeadKind, kind: 'logit' | 'probability' | 'loss', target: number): PlainScore {
  return (logits) => {
    const p = probabilities(head, logits);
    const single = head === 'sigmoid' && logits.length === 1;
    const sign = single && target === 0 ? -1 : 1;
    const at = single ? 0 : target;
    const own = p[target];
    const evidence = logits.map((_, j) => (j === at ? sign : 0));
    if (kind === 'logit') return { value: sign * logits[at], gradient: evidence };
    // dlog p / dz: of a softmax delta - p, of a sigmoid 1 - p in the direction of the evidence
    const dlog = evidence.map((e, j) => (head === 'softmax' ? e - p[j] : e * (1 - own)));
    if (kind === 'probability') return { value: own, gradient: dlog.map((d) => own * d) };
    return { value: -Math.log(own), gradient: dlog.map((d) => -d) };
  };
}
