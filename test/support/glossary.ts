/** Words of the glossary (README.md, "Words") as they stand in a sentence; the longer ones first. */
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

/** The first place of a word in a page's sentences, and whether a link stands before it; undefined where there is none. */
export function firstUse(page: string, word: string): { at: number; length: number; isLinked: boolean } | undefined {
  const blank = (text: string) => text.replace(/[^\n]/g, '\0');
  const prose = page.replace(NO_PROSE, blank);
  const found = WORDS[word].exec(prose);
  const links = [...page.matchAll(/\[([^\]]*)\]\((?:\.\.\/README\.md)?#words\)/g)];
  const linked = links.find(([, text]) => WORDS[word].exec(text)?.[0] === text);
  if (!found && !linked) return undefined;
  const isLinked = linked !== undefined && (!found || linked.index < found.index);
  return { at: found?.index ?? linked!.index, length: found?.[0].length ?? 0, isLinked };
}
