import { AtrousCamError } from '../base/errors.js';
import type { Normalization, NormalizationName, Preprocessing } from '../base/types.js';
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

/** What decides how a picture becomes a network's input. */
export interface PreprocessingFacts {
  readonly source: string;
  /** Whose resizing and normalization goes with files of this kind. */
  readonly layout: 'keras' | 'torch';
  /** Channels of the input. */
  readonly channels: number;
  /** The file's own metadata, as JSON. */
  readonly json?: string;
  /** What the file says of the numbers that its input expects; undefined where it says nothing. */
  readonly normalization?: Normalization;
  /** What its publisher says. */
  readonly published?: Preprocessing;
}

/**
 * How pictures are prepared, and where nobody says what numbers the input expects, the sentence that tells what is assumed. The caller's
 * options come first, field by field, then the file's own metadata, its publisher, what the file says of itself, and what is usual.
 */
export function preprocessingFor(
  { source, layout, channels, json, normalization, published }: PreprocessingFacts,
  options: Partial<Preprocessing> = {},
): { preprocessing: Preprocessing; assumption?: string } {
  const stored = json === undefined ? {} : parse(json, source);
  check(stored, (message) => badWeights(source, `metadata "preprocessing": ${message}`));
  check(options, (message) => new AtrousCamError('BAD_ARGUMENT', `preprocessing: ${message}`));
  const usual = channels === 1 ? { ...defaults[layout], normalization: 'unit' as const } : defaults[layout];
  const known = { ...(published ?? usual), ...(normalization && { normalization }) };
  const pick = <Field extends keyof Preprocessing>(field: Field): Preprocessing[Field] =>
    options[field] ?? stored[field] ?? known[field];
  const preprocessing = { normalization: pick('normalization'), resize: pick('resize'), fit: pick('fit') };
  const isSaid = options.normalization ?? stored.normalization ?? published ?? normalization;
  return isSaid === undefined
    ? { preprocessing, assumption: assumed(usual.normalization, channels) }
    : { preprocessing };
}

const RANGES: Record<NormalizationName, string> = {
  caffe: 'BGR less the means of ImageNet',
  torch: 'RGB as 0..1, less the mean of ImageNet, over its standard deviation',
  tf: 'RGB as -1..1',
  unit: 'RGB as 0..1',
  raw: 'RGB as 0..255',
};

/** What changes an assumption. */
export const OTHERWISE =
  'Another is set by --preprocess or --mean, --std and --channels; in the library by preprocessing.normalization.';

const assumed = (normalization: Normalization, channels: number): string => {
  const name = normalization as NormalizationName;
  const range = channels === 1 ? RANGES[name].replace('RGB', 'the grey picture') : RANGES[name];
  return `The file does not say what numbers its input expects; '${name}' is assumed (${range}). ${OTHERWISE}`;
};

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
