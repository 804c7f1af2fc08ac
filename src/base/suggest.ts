import { closest, distance } from 'fastest-levenshtein';

/** `; did you mean "NAME"?` for the name nearest to a mistyped one, nothing where none is near. For the end of messages. */
export function didYouMean(value: string, names: readonly string[]): string {
  if (names.length === 0) return '';
  const nearest = closest(value.toLowerCase(), names);
  const near = distance(value.toLowerCase(), nearest.toLowerCase()) <= Math.max(value.length, nearest.length) / 2;
  return near ? `; did you mean "${nearest}"?` : '';
}
