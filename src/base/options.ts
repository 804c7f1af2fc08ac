import type { CallOptions } from '../api.js';
import { AtrousCamError } from './errors.js';
import { didYouMean } from './suggest.js';
import type { Mode, Precision, Preprocessing } from './types.js';

export const MODES = ['pooled', 'dilated', 'atrous'] as const satisfies readonly Mode[];

/** All names of a call's options; the compiler asks for each of them. */
export type Names<Options> = { readonly [Name in keyof Required<Options>]: 1 };

/** What every call takes. */
export const CALL: Names<CallOptions> = { preprocessing: 1, signal: 1, onProgress: 1 };

export const PREPROCESSING: Names<Preprocessing> = { normalization: 1, resize: 1, fit: 1 };

/** Refuses an option that a call does not have, so that a slip of the pen is not passed over. Throws BAD_ARGUMENT. */
export function checkOptions<Options>(call: string, options: Options | undefined, names: Names<Options>): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new AtrousCamError('BAD_ARGUMENT', `${call}: expected an object of options, got ${shown(options)}`);
  const known = Object.keys(names);
  const other = Object.keys(options).find((name) => !known.includes(name));
  if (other !== undefined)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `${call}: there is no option "${other}"${didYouMean(other, known) || `; there are ${known.join(', ')}`}`,
    );
}

/** A value of any kind in a message. */
export const shown = (value: unknown): string =>
  typeof value === 'string' ? `'${value}'` : typeof value === 'object' ? (JSON.stringify(value) ?? '') : String(value);

/** `value` if it is in the list, else BAD_ARGUMENT with the list. */
export function oneOf<T extends string | number>(name: string, value: unknown, allowed: readonly T[]): T {
  if (!allowed.includes(value as T))
    throw new AtrousCamError('BAD_ARGUMENT', `${name}: expected one of ${allowed.join(', ')}, got ${shown(value)}`);
  return value as T;
}

/** `precision`, by default `fast`. Throws BAD_ARGUMENT for anything else. */
export const checkPrecision = (precision: Precision = 'fast'): Precision =>
  oneOf('precision', precision, ['fast', 'exact']);
