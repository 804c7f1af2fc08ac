import type { ExplainOptions, Explanation } from '../src/api.js';

/**
 * The pair of a target turned round, where an explanation of two classes in two colours has one colour only: maps of many methods
 * (LayerCAM, Grad-CAM++) have no negative values, so they say nothing of the second class.
 */
export function otherSide(options: ExplainOptions, { raw }: Explanation): ExplainOptions | undefined {
  const { target, sign } = options;
  if (sign !== 'signed' || typeof target !== 'object' || !('for' in target)) return undefined;
  if (raw.data.some((value) => value < 0)) return undefined;
  return { ...options, target: { for: target.against, against: target.for } };
}

/** What speaks for the first class minus what speaks for the second, on one scale. A map that is the same for both has no two colours. */
export function joinSides(first: Explanation, second: Explanation): void {
  const [a, b] = [first, second].map(({ raw }) => raw.data);
  if (a.length !== b.length) return;
  if (a.every((value, i) => value === b[i])) {
    first.map.signed = false;
    return;
  }
  const [top, bottom] = [a, b].map((values) => values.reduce((most, value) => Math.max(most, value), 0));
  const most = Math.max(top, bottom) || 1;
  const positive = (value: number) => Math.max(value, 0);
  first.map.data = first.map.data.map(
    (value, i) => (positive(value) * top - positive(second.map.data[i]) * bottom) / most,
  );
  first.map.flat &&= second.map.flat;
  first.raw.data = a.map((value, i) => value - b[i]);
}
