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

/** The classes' names of a file's metadata: a JSON array or object, a Python list or dictionary, or lines; nothing where none has as many. */
export function labelsOf(metadata: ReadonlyMap<string, string>, classes: number): string[] | undefined {
  for (const key of keys) {
    const text = metadata.get(key);
    const labels =
      text === undefined ? undefined : /^\s*[[{(]/.test(text) ? (parsed(text) ?? quoted(text)) : lines(text);
    if (labels?.length === classes) return labels;
  }
  return undefined;
}

function parsed(text: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const list = Array.isArray(value) ? value : (byIndex(value) ?? byLabel(value));
    return list?.every((label) => typeof label === 'string') ? list : undefined;
  } catch {
    return undefined;
  }
}

/** The values of an object whose keys are 0, 1, 2 ... */
function byIndex(value: unknown): unknown[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = new Map(Object.entries(value));
  const list = Array.from({ length: entries.size }, (_, i) => entries.get(`${i}`));
  return list.includes(undefined) ? undefined : list;
}

/** The keys of an object whose values are 0, 1, 2 ... */
const byLabel = (value: unknown): unknown[] | undefined =>
  typeof value === 'object' && value !== null
    ? byIndex(Object.fromEntries(Object.entries(value).map(([label, index]) => [`${index}`, label])))
    : undefined;

/** The texts of a Python list, `['cat', "dog's"]`, or dictionary, `{0: 'cat', 1: 'dog'}`. */
function quoted(text: string): string[] | undefined {
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

const lines = (text: string): string[] => text.trim().split(text.includes('\n') ? /\s*\n\s*/ : /\s*,\s*/);
