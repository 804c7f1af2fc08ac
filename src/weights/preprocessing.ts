import { AtrousCamError } from '../base/errors.js';
import type { Normalization, Preprocessing } from '../base/types.js';
import { constantsOf, normalizationNames } from '../image/normalization.js';
import { badWeights, quote } from './source.js';

/** What the published sets of weights were trained with: keras.applications' and torchvision's. */
const defaults: Record<'keras' | 'torch', Preprocessing> = {
  keras: { normalization: 'caffe', resize: 'nearest', fit: 'squash' },
  torch: { normalization: 'torch', resize: 'bilinear', fit: 'crop' },
};

const choices = {
  resize: ['nearest', 'bilinear', 'bicubic', 'lanczos'],
  fit: ['squash', 'crop'],
};

/**
 * The file's own JSON metadata replaces what its layout suggests, or says of itself (`normalization`); the caller's options replace both, field
 * by field.
 */
export function preprocessingFor(
  layout: 'keras' | 'torch',
  json: string | undefined,
  source: string,
  options: Partial<Preprocessing> = {},
  normalization?: Normalization,
): Preprocessing {
  const stored = json === undefined ? {} : parse(json, source);
  check(stored, (message) => badWeights(source, `metadata "preprocessing": ${message}`));
  check(options, (message) => new AtrousCamError('BAD_ARGUMENT', `preprocessing: ${message}`));
  const known = { ...defaults[layout], ...(normalization && { normalization }) };
  const pick = <Field extends keyof Preprocessing>(field: Field): Preprocessing[Field] =>
    options[field] ?? stored[field] ?? known[field];
  return { normalization: pick('normalization'), resize: pick('resize'), fit: pick('fit') };
}

function parse(json: string, source: string): Partial<Preprocessing> {
  try {
    const value = JSON.parse(json);
    if (typeof value === 'object' && value !== null) return value;
  } catch {}
  throw badWeights(source, `metadata "preprocessing": expected a JSON object, got ${quote(json)}`);
}

function check(values: Partial<Preprocessing>, fail: (message: string) => Error): void {
  for (const [field, allowed] of Object.entries(choices)) {
    const value: unknown = values[field as keyof Preprocessing];
    if (value !== undefined && !(allowed as readonly unknown[]).includes(value))
      throw fail(`expected ${field} to be ${allowed.join(', ')}, got ${quote(String(value))}`);
  }
  const { normalization } = values;
  if (typeof normalization === 'string' && !normalizationNames.includes(normalization))
    throw fail(`expected normalization to be ${normalizationNames.join(', ')}, got ${quote(normalization)}`);
  if (normalization === undefined || typeof normalization === 'string') return;
  try {
    constantsOf(normalization);
  } catch (error) {
    throw fail((error as Error).message);
  }
}
