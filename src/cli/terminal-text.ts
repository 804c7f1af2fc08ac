/** Characters that terminals draw two columns wide, and those that take none: marks on the letter before. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;
const NONE = /^(\p{Mark}|[\u200b-\u200f\u2060])$/u;

const widthOf = (char: string): number => (NONE.test(char) ? 0 : WIDE.test(char) ? 2 : 1);

/** Columns that a text takes on a terminal. */
export const textWidth = (text: string): number => [...text].reduce((sum, char) => sum + widthOf(char), 0);

/** A text on one line in at most `room` columns: what is too long loses its middle, `leonb...ian.jpg`. */
export function fitText(text: string, room: number): string {
  const line = printable(text);
  if (textWidth(line) <= room) return line;
  const dots = room > 6 ? '...' : room > 1 ? '.' : '';
  const end = takeColumns([...line].reverse(), Math.ceil((room - dots.length) / 2));
  const begin = takeColumns([...line], room - dots.length - textWidth(end.join('')));
  return begin.join('') + dots + end.reverse().join('');
}

function takeColumns(chars: readonly string[], room: number): string[] {
  let used = 0;
  const beyond = chars.findIndex((char) => {
    used += widthOf(char);
    return used > room;
  });
  return chars.slice(0, beyond < 0 ? chars.length : beyond);
}

/** A file's name for people: what would move the cursor, change colours or turn the writing round is `?`. */
export const printable = (name: string): string =>
  name.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '?');
