import { AtrousCamError } from '../base/errors.js';
import type { Preprocessing } from '../base/types.js';
import { badWeights, quote } from './source.js';

/** What the published sets of weights were trained with: keras.applications' and torchvision's. */
const defaults: Record<'keras' | 'torch', Preprocessing> = {
  keras: { normalization: 'caffe', resize: 'nearest', fit: 'squash' },
  torch: { normalization: 'torch', resize: 'bilinear', fit: 'crop' },
};

const choices: { [Field in keyof Preprocessing]: readonly Preprocessing[Field][] } = {
  normalization: ['caffe', 'torch'],
  resize: ['nearest', 'bilinear', 'bicubic', 'lanczos'],
  fit: ['squash', 'crop'],
};

/** The file's own JSON metadata replaces what its layout suggests; the caller's options replace both, field by field. */
export function preprocessingFor(
  layout: 'keras' | 'torch',
  json: string | undefined,
  source: string,
  options: Partial<Preprocessing> = {},
): Preprocessing {
  const stored = json === undefined ? {} : parse(json, source);
  check(stored, (message) => badWeights(source, `metadata "preprocessing": ${message}`));
  check(options, (message) => new AtrousCamError('BAD_ARGUMENT', `preprocessing: ${message}`));
  const pick = <Field extends keyof Preprocessing>(field: Field): Preprocessing[Field] =>
    options[field] ?? stored[field] ?? defaults[layout][field];
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
}
