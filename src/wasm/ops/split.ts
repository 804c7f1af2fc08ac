/** Elements that one task may touch where memory is the limit: about a millisecond at 10 GB/s. */
const ELEMENTS_PER_TASK = 2 ** 21;

/** `value`, rounded up to a multiple of `step`. */
export const up = (value: number, step: number): number => Math.ceil(value / step) * step;

/** The smallest equal parts of `total`, none above `most`. */
export const evenly = (total: number, most: number): number => Math.ceil(total / Math.ceil(total / most));

/** Splits `count` rows that touch `cost` floats each into tasks of about equal size. */
export function splitRows(count: number, cost: number): { rows: number; tasks: number } {
  const most = Math.max(1, Math.floor(ELEMENTS_PER_TASK / Math.max(1, cost)));
  const rows = Math.max(1, Math.min(most, Math.ceil(count / 8))); // at least eight tasks where there are rows enough, for threads
  return { rows, tasks: Math.ceil(count / rows) };
}

/** The greatest common divisor. */
export const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
