/** How many letters have to be put in, left out or replaced to make one text of another (Levenshtein). */
export function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let y = 0; y < a.length; y++) {
    const row = [y + 1];
    for (let x = 0; x < b.length; x++)
      row.push(Math.min(above[x + 1] + 1, row[x] + 1, above[x] + (a[y] === b[x] ? 0 : 1)));
    above = row;
  }
  return above[b.length];
}

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
