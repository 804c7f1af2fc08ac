import { distance } from 'fastest-levenshtein';
import { AtrousCamError } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import type { Labels } from './label-lists.js';
import { badWeights, quote } from './source.js';

/**
 * The names of the classes: the caller's, else those that the file gives its outputs, else those of its metadata, else ImageNet's
 * where there are 1000, else `class 0`, `class 1` ... Fit for one line of a terminal, whatever a file holds.
 *
 * @throws AtrousCamError BAD_ARGUMENT where the caller's are not as many
 */
export async function namesOfClasses(
  classes: number,
  { given, own, json, source }: { given?: Labels; own?: readonly string[]; json?: string; source: string },
): Promise<string[]> {
  const names = await chosen();
  return names.map((name) => name.replace(UNPRINTABLE, ' '));

  async function chosen(): Promise<string[]> {
    if (given === undefined) return own ? outputLabels(own, classes) : classLabels(classes, json, source);
    const { readLabels } = await lazy(() => import('./label-lists.js'));
    const labels = readLabels(given);
    if (labels.length === classes || (classes === 2 && labels.length === 1)) return outputLabels(labels, classes);
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `labels: expected ${classes === 0 ? 'none, because the network has no classes' : `${classes}, one a class`}, got ${labels.length}`,
    );
  }
}

/** Control characters, which terminals obey. */
const UNPRINTABLE = /\p{Cc}+/gu;

/** One label a class: the file's own (a JSON array), ImageNet's where there are 1000 classes, else `class 0`, `class 1`, ... */
export async function classLabels(classes: number, json: string | undefined, source: string): Promise<string[]> {
  if (json !== undefined) return parseLabels(json, classes, source);
  if (classes === 1000) return (await lazy(() => import('./imagenet-labels.js'))).imagenetLabels();
  return Array.from({ length: classes }, (_, index) => `class ${index}`);
}

/** The names that a file gives its outputs; the name of a single sigmoid output is that of the class whose probability it is. */
export function outputLabels(labels: readonly string[], classes: number): string[] {
  if (labels.length === classes) return [...labels];
  if (labels.length === 1 && classes === 2) return [`not ${labels[0]}`, labels[0]];
  return Array.from({ length: classes }, (_, index) => labels[index] ?? `class ${index}`);
}

function parseLabels(json: string, classes: number, source: string): string[] {
  let labels: unknown;
  try {
    labels = JSON.parse(json);
  } catch {}
  if (!Array.isArray(labels) || !labels.every((label) => typeof label === 'string'))
    throw badWeights(source, `metadata "labels": expected a JSON array of text, got ${quote(json)}`);
  if (labels.length !== classes)
    throw badWeights(source, `metadata "labels": expected ${classes} labels, one a class, got ${labels.length}`);
  return labels;
}

const normalized = (label: string): string => label.trim().toLowerCase().replace(/\s/g, '_');

/**
 * The class that a user means: an index (a number or its digits) or a label, upper and lower case alike, spaces for underscores.
 * Throws BAD_ARGUMENT for an index out of range, a label that names two classes (ImageNet has two cranes and two maillots) and
 * an unknown label, naming those that are near or, where there are few, all.
 *
 * @example resolveTarget(['cat', 'dog'], 'Dog') // 1
 */
export function resolveTarget(labels: readonly string[], target: number | string): number {
  if (labels.length === 0)
    throw new AtrousCamError('BAD_ARGUMENT', 'target: the network has no dense layers, so no classes');
  if (typeof target === 'number' || /^\s*-?\d+\s*$/.test(target)) return checkIndex(labels, Number(target));
  const wanted = normalized(target);
  const matches = labels.flatMap((label, index) => (normalized(label) === wanted ? [index] : []));
  if (matches.length === 1) return matches[0];
  if (matches.length > 1)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `target: ${quote(target)} names classes ${matches.join(' and ')}; give the index`,
    );
  const near = nearest(labels, wanted);
  const all = labels.length <= 10 ? `; the labels are ${labels.map(quote).join(', ')}` : '';
  const hint = near.length === 0 ? all : `; did you mean ${near.map(quote).join(', ')}?`;
  throw new AtrousCamError(
    'BAD_ARGUMENT',
    `target: expected a label or an index, got unknown label ${quote(target)}${hint}`,
  );
}

function checkIndex(labels: readonly string[], index: number): number {
  if (Number.isInteger(index) && index >= 0 && index < labels.length) return index;
  throw new AtrousCamError('BAD_ARGUMENT', `target: expected an index from 0 to ${labels.length - 1}, got ${index}`);
}

/** Up to three labels: those that contain the text, then those within two edits or a third of its length. */
function nearest(labels: readonly string[], wanted: string): string[] {
  const ranked = [...new Set(labels)].map((label) => {
    const edits = distance(normalized(label), wanted);
    const contains = wanted.length > 2 && normalized(label).includes(wanted);
    return { label, rank: contains ? edits / 1000 : edits };
  });
  const close = ranked.filter(({ rank }) => rank <= Math.max(Math.min(2, wanted.length - 1), wanted.length / 3));
  return close
    .sort((a, b) => a.rank - b.rank)
    .slice(0, 3)
    .map(({ label }) => label);
}
