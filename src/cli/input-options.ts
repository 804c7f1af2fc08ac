import { readFileSync, statSync } from 'node:fs';
import { Option } from 'commander';
import type { LoadOptions } from '../api.js';
import type { CustomNormalization, Fit, Normalization, ResizeFilter } from '../base/types.js';
import { changedNormalization } from '../image/normalization.js';
import { AtrousCamError } from '../index.js';
import { UsageError } from './context.js';

/** How pictures become the network's input, and what its classes are called. */
export interface InputFlags {
  preprocess?: Normalization;
  mean?: readonly number[];
  std?: readonly number[];
  channels?: CustomNormalization['order'];
  resize?: ResizeFilter;
  fit?: Fit;
  labels?: string;
}

/** One number, or three. */
function numbers(flag: '--mean' | '--std', description: string): Option {
  return new Option(`${flag} <n|a,b,c>`, description).argParser((value: string) => {
    const values = value.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
    const isWrong = ![1, 3].includes(values.length) || !values.every(Number.isFinite);
    if (isWrong || (flag === '--std' && values.includes(0)))
      throw new UsageError(
        `${flag}: expected one number or three with commas, in units of 0..255${flag === '--std' ? ', none of them 0' : ''}, got "${value}"`,
      );
    return values;
  });
}

/** What `--preprocess` has no name for. */
export const normalizationOptions = () => [
  numbers(
    '--mean',
    'what is subtracted from each channel, 0..255, in the order of --channels (default: that of --preprocess, or 0)',
  ),
  numbers('--std', 'what it is divided by then, 0..255 (default: that of --preprocess, or 1)'),
  new Option(
    '--channels <rgb|bgr|gray>',
    'their order, with --preprocess, --mean or --std; gray: the grey picture in each',
  ).argParser((value: string) => {
    if (['rgb', 'bgr', 'gray'].includes(value)) return value;
    throw new UsageError(`--channels: expected rgb, bgr or gray, got "${value}"`);
  }),
];

export const labels = () =>
  new Option(
    '--labels <file>',
    'names of the classes: one a line, JSON ({"0": "cat"}, {"cat": 0} or a list) or CSV (default: those in the weight file)',
  );

/** What of the library's options these flags mean. */
export function inputOptions(flags: InputFlags): Pick<LoadOptions, 'preprocessing' | 'labels'> {
  const { resize, fit, labels } = flags;
  const normalization = normalizationOf(flags);
  return {
    preprocessing: { ...(normalization && { normalization }), ...(resize && { resize }), ...(fit && { fit }) },
    ...(labels !== undefined && { labels: readText(labels) }),
  };
}

function normalizationOf({ preprocess, mean, std, channels }: InputFlags): Normalization | undefined {
  if (!mean && !std && !channels) return preprocess;
  if (!preprocess && !mean && !std)
    throw new UsageError('--channels: say by --preprocess, or --mean and --std, too what the numbers are');
  return changedNormalization(preprocess, {
    ...(mean && { mean }),
    ...(std && { std }),
    ...(channels && { order: channels }),
  });
}

/** A list of labels is small. */
const longest = 16 << 20;

function readText(path: string): string {
  const failed = (reason: string, cause?: unknown) =>
    new AtrousCamError('NOT_FOUND', `labels "${path}": ${reason}`, { cause });
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw failed('expected a file, got a folder');
    if (stat.size > longest) throw failed(`expected a list of at most ${longest} bytes, got ${stat.size}`);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
    if (text.trim() === '') throw failed('the file is empty');
    return text;
  } catch (error) {
    if (error instanceof AtrousCamError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw failed('no such file', error);
    throw failed(error instanceof TypeError ? 'expected text in UTF-8' : `cannot be read (${message})`, error);
  }
}
