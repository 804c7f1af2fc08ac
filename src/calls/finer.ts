import { AtrousCamError } from '../base/errors.js';
import type { Score } from '../base/types.js';
import type { HeadKind } from '../graph/graph.js';
import type { classScore, ScoreFunction } from '../run/score.js';
import type { Subject } from './target.js';

/** Classes that Finer-CAM compares with. */
const NEAREST = 3;

/**
 * Finer-CAM's score (Zhang et al. 2025, CVPR, arXiv 2501.11309), as pytorch-grad-cam has it: what a class has more than the three of nearest
 * logit, sum_d p_d (y_c - y_d) / sum_d p_d, the probabilities p differentiated too. Of fewer classes all others are compared. That library
 * adds 1e-9 to the sum of p, which counts only where the others' probabilities are that small.
 *
 * @param logits the network's own, which decide what is near in all heads
 * @param scoreOf `classScore`, of which this module, loaded when needed, has no copy
 * @throws AtrousCamError UNSUPPORTED for a subject that is not one class
 */
export function finerSubject(
  subject: Subject,
  logits: Float32Array,
  kind: Score,
  head: HeadKind,
  scoreOf: typeof classScore,
): Subject {
  const own = subject.index;
  requireClass(subject);
  const distance = (k: number) => Math.abs(logits[k] - logits[own]);
  const others = Array.from(logits, (_, k) => k)
    .filter((k) => k !== own)
    .sort((a, b) => distance(a) - distance(b) || a - b)
    .slice(0, NEAREST);
  const of = scoreOf(kind, own, head);
  const compared = others.map((k) => scoreOf(kind, k, head));
  const score: ScoreFunction = (z, probabilities) => {
    const whole = of(z, probabilities);
    const parts = compared.map((one) => one(z, probabilities));
    const shares = sharesOf(
      others.map((k) => z[k]),
      head,
    );
    const value = parts.reduce((sum, part, i) => sum + shares[i].value * (whole.value - part.value), 0);
    const gradient = whole.gradient.map((g, j) =>
      parts.reduce((sum, part, i) => sum + shares[i].value * (g - part.gradient[j]), 0),
    );
    for (const [i, k] of others.entries()) gradient[k] += shares[i].slope * (whole.value - parts[i].value - value);
    return { value, gradient };
  };
  return { ...subject, score };
}

/**
 * What each class's probability is of the sum of these classes' ones, and the derivative of the probability by its own logit over that sum;
 * from logits, whose differences stay where probabilities round to 0.
 */
function sharesOf(logits: readonly number[], head: HeadKind): { value: number; slope: number }[] {
  const most = Math.max(...logits);
  const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
  const sizes = logits.map((z) => (head === 'softmax' ? Math.exp(z - most) : sigmoid(z)));
  const sum = sizes.reduce((a, b) => a + b, 0);
  return sizes.map((size, i) => {
    const value = size / sum;
    return { value, slope: head === 'softmax' ? value : value * sigmoid(-logits[i]) };
  });
}

/** Throws UNSUPPORTED unless a subject is one class. */
export function requireClass({ index, label }: Pick<Subject, 'index' | 'label'>): void {
  if (index < 0)
    throw new AtrousCamError(
      'UNSUPPORTED',
      `target: finercam compares one class with those nearest to it, so '${label}' has none; name one class`,
    );
}
