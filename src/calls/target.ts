import { AtrousCamError } from '../base/errors.js';
import type { CustomScore, Score, TargetOption } from '../base/types.js';
import type { HeadKind } from '../graph/graph.js';
import { classScore, type ScoreFunction } from '../run/score.js';
import { resolveTarget } from '../weights/labels.js';

/** What is explained. */
export interface Subject {
  /** The class; -1 where the score is not that of one class. */
  readonly index: number;
  readonly label: string;
  readonly score: ScoreFunction;
}

/** Classes and the factors with which their scores are added. */
type Terms = readonly { index: number; factor: number }[];
/** Several classes as text: `mean(cat,dog)`. */
const MEAN = /^\s*mean\((.*)\)\s*$/i;

/**
 * The score that a target names: a class, the sum or the mean of several, the difference of two, or the caller's own function.
 *
 * @param top the class that `top` stands for
 * @throws AtrousCamError BAD_ARGUMENT for a label or index that the network does not have
 */
export function resolveSubject(
  labels: readonly string[],
  target: TargetOption,
  kind: Score,
  top: number,
  head: HeadKind = 'softmax',
): Subject {
  if (typeof target === 'function') return { index: -1, label: target.name || 'score', score: custom(target) };
  const { terms, joint } = readTerms(labels, target, top);
  return {
    index: terms.length === 1 ? terms[0].index : -1,
    label: terms.map(({ index }) => labels[index]).join(joint),
    score: linear(terms, kind, head),
  };
}

/** Whether the class `top` has to be known to resolve a target. */
export const needsTop = (target: TargetOption): boolean =>
  typeof target === 'string'
    ? target.split(/[,/()]/).some((part) => part.trim() === 'top')
    : typeof target === 'object' && Object.values(target).flat().includes('top');

/** Throws BAD_ARGUMENT for a target that no picture can have. */
export const checkTarget = (labels: readonly string[], target: TargetOption): void => {
  resolveSubject(labels, target, 'logit', 0);
};

function readTerms(
  labels: readonly string[],
  target: Exclude<TargetOption, CustomScore>,
  top: number,
): { terms: Terms; joint: string } {
  const one = (value: number | string, factor = 1) => ({
    index: value === 'top' ? top : resolveTarget(labels, value),
    factor,
  });
  if (typeof target === 'string') {
    const isOne = isLabel(labels, target);
    const parts = isOne ? [target] : target.split(/([,/])/);
    const mean = isOne ? undefined : MEAN.exec(target);
    if (mean) return readTerms(labels, { mean: mean[1].split(',') }, top);
    if (parts.length === 3 && parts[1] === '/') return readTerms(labels, { for: parts[0], against: parts[2] }, top);
    if (parts.includes('/')) throw badTarget(`two classes as A/B, got '${target}'`);
    return readTerms(labels, target.length > 0 ? parts.filter((_, i) => i % 2 === 0) : [target], top);
  }
  if (typeof target === 'number') return { terms: [one(target)], joint: '' };
  if (Array.isArray(target)) {
    if (target.length === 0) throw badTarget('one class at least, got none');
    return { terms: target.map((value) => one(trim(value))), joint: ' + ' };
  }
  if (target && 'mean' in target && Array.isArray(target.mean)) {
    const { terms } = readTerms(labels, target.mean, top);
    return { terms: terms.map(({ index }) => ({ index, factor: 1 / terms.length })), joint: ' & ' };
  }
  const pair = target as { for?: number | string; against?: number | string };
  if (pair?.for === undefined || pair.against === undefined)
    throw badTarget('a class, a list of classes, { mean }, { for, against } or a function');
  return { terms: [one(trim(pair.for)), one(trim(pair.against), -1)], joint: ' rather than ' };
}

const trim = (value: number | string) => (typeof value === 'string' ? value.trim() : value);

const isLabel = (labels: readonly string[], text: string): boolean =>
  labels.some((label) => label.toLowerCase() === text.trim().toLowerCase());

const badTarget = (expected: string) => new AtrousCamError('BAD_ARGUMENT', `target: expected ${expected}`);

/** y = the weighted sum of the classes' logits or probabilities. */
function linear(terms: Terms, kind: Score, head: HeadKind): ScoreFunction {
  if (terms.length === 1) return classScore(kind, terms[0].index, head);
  return (logits, probabilities) => {
    const gradient = new Float32Array(logits.length);
    let value = 0;
    for (const { index, factor } of terms) {
      const one = classScore(kind, index, head)(logits, probabilities);
      value += factor * one.value;
      for (let j = 0; j < gradient.length; j++) gradient[j] += factor * one.gradient[j];
    }
    return { value, gradient };
  };
}

const custom =
  (score: CustomScore): ScoreFunction =>
  (logits) => {
    const { value, gradient } = score(logits.slice());
    if (!Number.isFinite(value) || gradient?.length !== logits.length)
      throw badTarget(`a function that returns { value, gradient } with ${logits.length} derivatives, one a logit`);
    return { value, gradient: Float32Array.from(gradient) };
  };
