import { AtrousCamError } from './errors.js';
import type { Mode, Precision } from './types.js';

export const MODES = ['pooled', 'dilated', 'atrous'] as const satisfies readonly Mode[];

/** `value` if it is in the list, else BAD_ARGUMENT with the list. */
export function oneOf<T extends string | number>(name: string, value: unknown, allowed: readonly T[]): T {
  if (!allowed.includes(value as T))
    throw new AtrousCamError('BAD_ARGUMENT', `${name}: expected one of ${allowed.join(', ')}, got '${value}'`);
  return value as T;
}

/** `precision`, by default `fast`. Throws BAD_ARGUMENT for anything else. */
export const checkPrecision = (precision: Precision = 'fast'): Precision =>
  oneOf('precision', precision, ['fast', 'exact']);
