/** Words of the glossary (README.md, "Words") as they stand in a sentence. */
export const WORDS: Readonly<Record<string, RegExp>> = {
  'output stride': /\boutput strides?\b/,
  mode: /\bmodes?\b/,
  layer: /\blayers?\b(?!-)/,
  map: /\bmaps?\b/,
  raw: /\braw\b/,
  stride: /(?<!output )\bstrides?\b/,
  phase: /\bphases?\b/,
  rate: /(?<!learning )\brates?\b/,
  head: /\bheads?\b/,
  zoom: /\bzooms?\b/,
};

/** What is no sentence: code, tables, headings, captions, addresses and the texts of links. */
const NO_PROSE =
  /^```[\s\S]*?^```|^\s*\|.*$|^#.*$|^<!--[\s\S]*?^<!-- \/|^\*[\s\S]*?\*$|`[^`]*`|!?\[[^\]]*\]\([^)]*\)|\*\*[^*]*\*\*/gm;

/** The words that a page's sentences use and that it nowhere links to the glossary. */
export function unlinked(page: string): string[] {
  const prose = page.replace(NO_PROSE, '');
  const links = [...page.matchAll(/\[([^\]]*)\]\((?:\.\.\/README\.md)?#words\)/g)].map(([, text]) => text);
  const isLinked = (word: RegExp) => links.some((text) => word.exec(text)?.[0] === text);
  return Object.keys(WORDS).filter((word) => WORDS[word].test(prose) && !isLinked(WORDS[word]));
}
