import { AtrousCamError } from '../base/errors.js';

/** Keys under which files keep the names of their classes. */
const keys = [
  'labels',
  'classes',
  'class_names',
  'class_labels',
  'names',
  'id2label',
  'class_to_idx',
  'categories',
  'label_names',
];

/** The most classes, and characters of a name, that a list may have. */
const most = { labels: 100_000, characters: 1000 };

/** The classes' names of a file's metadata: a JSON array or object, a Python list or dictionary, or lines; nothing where none has as many. */
export function labelsOf(metadata: ReadonlyMap<string, string>, classes: number): string[] | undefined {
  for (const key of keys) {
    const text = metadata.get(key);
    if (text === undefined || text.length > 1 << 24) continue;
    const labels = isBracketed(text) ? (fromJson(text) ?? fromPython(text)) : separated(text);
    if (labels?.length === classes) return labels;
  }
  return undefined;
}

/** What a caller gives as names of the classes. */
export type Labels = string | readonly string[] | Readonly<Record<string, unknown>>;

/**
 * The names that a caller gives, in the order of the classes: a list, an object (`{"0": "cat"}`, `{"cat": 0}`, Keras'
 * `{"0": ["n02123045", "tabby"]}`), or the text of a file: JSON of these, lines, or CSV with an index before or behind each name.
 *
 * @throws AtrousCamError BAD_ARGUMENT where it is none of them
 */
export function readLabels(given: Labels): string[] {
  const labels = typeof given === 'string' ? fromText(given.replace(/^\uFEFF/, '')) : fromValue(given);
  if (!labels) throw wrong(`expected ${EXPECTED}`);
  if (labels.length > most.labels) throw wrong(`expected at most ${most.labels} names, got ${labels.length}`);
  for (const [index, label] of labels.entries()) {
    if (label.trim() === '') throw wrong(`the name of class ${index} is empty`);
    if (label.length > most.characters)
      throw wrong(
        `expected names of at most ${most.characters} characters, that of class ${index} has ${label.length}`,
      );
  }
  return labels;
}

const EXPECTED =
  'a list of names, {"0": "cat"} or {"cat": 0} with the numbers 0, 1, 2 ..., or the text of a file: one name a line, JSON of these, or CSV with index and name';

const wrong = (message: string) => new AtrousCamError('BAD_ARGUMENT', `labels: ${message}`);

const isBracketed = (text: string): boolean => /^\s*[[{(]/.test(text);

const fromText = (text: string): string[] | undefined => (isBracketed(text) ? fromJson(text) : fromLines(text));

function fromJson(text: string): string[] | undefined {
  try {
    return fromValue(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** A list, or an object one way round or the other; of several texts for one class the last one is its name (`["n02123045", "tabby"]`). */
function fromValue(value: unknown): string[] | undefined {
  const { labels } = Object(value); // Teachable Machine's metadata.json
  const list = [value, labels].find(Array.isArray) ?? byIndex(value) ?? byLabel(value);
  const names = list?.map((item) => (Array.isArray(item) ? item.at(-1) : item));
  return names?.every((name) => typeof name === 'string') ? names : undefined;
}

/** The values of an object whose keys are 0, 1, 2 ... */
function byIndex(value: unknown): unknown[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = new Map(Object.entries(value));
  const list = Array.from({ length: entries.size }, (_, i) => entries.get(`${i}`));
  return list.includes(undefined) ? undefined : list;
}

/** The keys of an object whose values are 0, 1, 2 ... */
function byLabel(value: unknown): unknown[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = Object.entries(value).map(([label, index]): [string, string] => [`${index}`, label]);
  return new Map(entries).size === entries.length ? byIndex(Object.fromEntries(entries)) : undefined;
}

/** An index, then a name, as in CSV and in Teachable Machine's `0 cat`; or a name, then an index. */
const INDEXED = [/^\s*"?(\d{1,7})"?\s*[,;\t: ]\s*(\S.*)$/, /^(.*\S)\s*[,;\t]\s*"?(\d{1,7})"?\s*$/];

/** One name a line, or one and its index; a line of headings may stand before them. */
function fromLines(text: string): string[] | undefined {
  const lines = text.trimEnd().split(/\r\n|\n|\r/);
  if (lines.length > most.labels + 1) throw wrong(`expected at most ${most.labels} names, got ${lines.length} lines`);
  const long = lines.findIndex((line) => line.length > 2 * most.characters);
  if (long >= 0) throw wrong(`expected lines of at most ${2 * most.characters} characters, line ${long + 1} is longer`);
  for (const [which, pattern] of INDEXED.entries())
    for (const rows of [lines, lines.slice(1)]) {
      const matches = rows.map((line) => pattern.exec(line));
      if (rows.length === 0 || !matches.every((match) => match !== null)) continue;
      const entries = matches.map((match) => (which === 0 ? [match[1], match[2]] : [match[2], match[1]]));
      const names: string[] = [];
      for (const [index, name] of entries) names[Number(index)] = unquoted(name);
      if (names.length === rows.length && !names.includes(undefined as never)) return names;
      const first = Math.min(...entries.map(([index]) => Number(index)));
      // Names may begin with numbers themselves, so that only what counts like an index is one.
      if (first === 1 && new Set(entries.map(([index]) => index)).size === rows.length && rows.length > 1)
        throw wrong('its indices begin with 1; those of classes begin with 0');
    }
  const headed = /^"?(class|label|name|class_?names?|labels|names|classes)"?$/i.test(lines[0]) && lines.length > 2;
  return (headed ? lines.slice(1) : lines).map(unquoted);
}

/** A field of CSV. */
function unquoted(field: string): string {
  const text = field.trim();
  return /^".*"$/.test(text) && text.length > 1 ? text.slice(1, -1).replaceAll('""', '"') : text;
}

/** The texts of a Python list, `['cat', "dog's"]`, or dictionary, `{0: 'cat', 1: 'dog'}`. */
function fromPython(text: string): string[] | undefined {
  if (text.length > 1 << 16) return undefined;
  const labels: string[] = [];
  const item = /\s*(?:(\d+)\s*:\s*)?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*(,|[\]})]\s*$)/y;
  item.lastIndex = text.search(/[[{(]/) + 1;
  for (;;) {
    const match = item.exec(text);
    if (!match) return undefined;
    const [, index, single, double, end] = match;
    if (index !== undefined && Number(index) !== labels.length) return undefined;
    labels.push((single ?? double).replace(/\\(.)/g, '$1'));
    if (end !== ',') return labels;
  }
}

const separated = (text: string): string[] =>
  text
    .trim()
    .split(text.includes('\n') ? '\n' : ',')
    .map((name) => name.trim());
