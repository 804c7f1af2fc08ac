/** A file of a folder that was not taken for a picture, and why. */
export interface LeftOut {
  file: string;
  reason: string;
}

/** Names that a message repeats. */
const SHOWN = 5;

/** `left out 7 files ...: a.txt, b.tif, ... (5 more)`: a line about files that were not taken; undefined where there are none. */
export function describeLeftOut(files: readonly { file: string }[], why: string): string | undefined {
  if (files.length === 0) return undefined;
  const names = files.slice(0, SHOWN).map(({ file }) => file);
  const more = files.length > SHOWN ? ` and ${files.length - SHOWN} more` : '';
  return `left out ${files.length} ${files.length === 1 ? 'file' : 'files'} ${why}: ${names.join(', ')}${more}`;
}
