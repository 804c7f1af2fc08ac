/** Levels of lists and objects in each other; models in models have some twenty. */
const deepest = 500;

/** Reads JSON of a file; throws SyntaxError where it is none, or so deep that whoever walks through it would run out of stack. */
export function parseJson(text: string): unknown {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      for (i++; i < text.length && text.charCodeAt(i) !== QUOTE; i++) if (text.charCodeAt(i) === BACKSLASH) i++;
    } else if (code === 0x5b || code === 0x7b) {
      depth++;
      if (depth > deepest) throw new SyntaxError(`lists and objects in each other more than ${deepest} deep`);
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return JSON.parse(text);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
