import { distance } from 'fastest-levenshtein';

/** `; did you mean "NAME"?` for the name nearest to a mistyped one, nothing where none is near. For the end of messages. */
export function didYouMean(value: string, names: readonly string[]): string {
  if (value.length > LONGEST) return '';
  let [nearest, least] = ['', Number.POSITIVE_INFINITY];
  for (const name of names) {
    const letters = distance(value.toLowerCase(), name.toLowerCase());
    if (letters < least) [nearest, least] = [name, letters];
  }
  return least <= Math.max(value.length, nearest.length) / 2 ? `; did you mean "${nearest}"?` : '';
}

/** A longer text is no slip of the pen, and comparing it would take long. */
const LONGEST = 200;
