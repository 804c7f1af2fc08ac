import { AtrousCamError } from '../base/errors.js';
import type { Score } from '../base/types.js';
import type { HeadKind } from '../graph/graph.js';
import { classScore, type ScoreFunction } from '../run/score.js';
import type { Subject } from './target.js';

/** Classes that Finer-CAM compares with. */
const NEAREST = 3;

/**
 * Finer-CAM's score (Zhang et al. 2025, CVPR, arXiv 2501.11309), as pytorch-grad-cam has it: what a class has more than the three of nearest
 * logit, sum_d p_d (y_c - y_d) / (sum_d p_d + 1e-9), the probabilities p differentiated too. Of fewer classes all others are compared.
 *
 * @param logits the network's own, which decide what is near in all heads
 * @throws AtrousCamError UNSUPPORTED for a subject that is not one class
 */
export function finerSubject(subject: Subject, logits: Float32Array, kind: Score, head: HeadKind): Subject {
  const own = subject.index;
  requireClass(subject);
  const distance = (k: number) => Math.abs(logits[k] - logits[own]);
  const others = Array.from(logits, (_, k) => k)
    .filter((k) => k !== own)
    .sort((a, b) => distance(a) - distance(b) || a - b)
    .slice(0, NEAREST);
  const of = classScore(kind, own, head);
  const compared = others.map((k) => ({ score: classScore(kind, k, head), share: classScore('probability', k, head) }));
  const score: ScoreFunction = (z, probabilities) => {
    const whole = of(z, probabilities);
    const parts = compared.map(({ score, share }) => ({ y: score(z, probabilities), p: share(z, probabilities) }));
    const sum = parts.reduce((total, { p }) => total + p.value, 1e-9);
    const value = parts.reduce((total, { y, p }) => total + p.value * (whole.value - y.value), 0) / sum;
    const gradient = whole.gradient.map((g, j) =>
      parts.reduce(
        (total, { y, p }) =>
          total + (p.value * (g - y.gradient[j]) + p.gradient[j] * (whole.value - y.value - value)) / sum,
        0,
      ),
    );
    return { value, gradient };
  };
  return { ...subject, score };
}

/** Throws UNSUPPORTED unless a subject is one class. */
export function requireClass({ index, label }: Pick<Subject, 'index' | 'label'>): void {
  if (index < 0)
    throw new AtrousCamError(
      'UNSUPPORTED',
      `target: finercam compares one class with those nearest to it, so '${label}' has none; name one class`,
    );
}
