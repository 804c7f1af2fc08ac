/**
 * @typedef {{ value: number, low: number, high: number, count: number }} Interval
 * @typedef {{ correlation: number, similarity: number }} Likeness
 * @typedef {{ name: string, values: Record<string, Interval>, differences: Record<string, Interval>, seconds?: number, bytes?: number,
 *   randomization?: Record<string, Likeness> }} Row a row of study.json
 * @typedef {{ name: string, title: string, rows: Row[] }} Part a network of study.json
 * @typedef {{ machine: Record<string, string>, networks: Part[] }} Study study.json
 */

const line = (cells) => `| ${cells.join(' | ')} |`;
const table = (columns, rows) => {
  const body = rows.map((row) => columns.map(({ text }) => text(row)));
  return [columns.map(({ title }) => title), columns.map(() => '---'), ...body].map(line).join('\n');
};

const percent = (value, digits) => (100 * value).toFixed(digits).replace(/^-(0(?:\.0*)?)$/, '$1');
const signed = (value, digits) => (Number(percent(value, digits)) > 0 ? '+' : '') + percent(value, digits);

/** Pictures without which an interval says nothing. */
const LEAST = 5;

/**
 * Whether a difference is for the better (▲) or the worse (▼); nothing where its interval, as it is written, holds 0, or is of too few.
 *
 * @param {Pick<Interval, 'low' | 'high' | 'count'>} difference @param {1 | -1} better whether more or less of the measure is better
 */
export function verdict({ low, high, count }, better, digits = 0) {
  if (count < LEAST) return '';
  const [least, most] = [low, high].map((bound) => Number(percent(bound, digits)));
  if (least <= 0 && most >= 0) return '';
  return least > 0 === better > 0 ? ' ▲' : ' ▼';
}

/** A column of a measure, in percent: `83 [76, 90]`, and the difference from the reference below it, `+4 [+1, +8] ▲`. */
const measure = (name, title, better, digits = 0) => ({
  title: `${title} ${better > 0 ? '↑' : '↓'}`,
  text: ({ values, differences }) => {
    const written = (of, format) => {
      const [value, low, high] = [of.value, of.low, of.high].map((number) => format(number, digits));
      return `${value} [${low}, ${high}]`;
    };
    const [own, other] = [values[name], differences[name]];
    if (!own) return '';
    return written(own, percent) + (other ? `<br>${written(other, signed)}${verdict(other, better, digits)}` : '');
  },
});

const name = { title: 'map', text: (row) => row.name };
const count = (measured, title) => ({ title, text: ({ values }) => values[measured]?.count ?? '' });
const seconds = { title: 'seconds', text: (row) => row.seconds?.toFixed(row.seconds < 1 ? 2 : 1) ?? '' };
const memory = { title: 'MB', text: (row) => (row.bytes ? Math.ceil(row.bytes / 1e6) : '') };

const localisation = [
  ...[name, count('precision', 'pictures')],
  measure('precision', 'precision', 1),
  measure('maskiou', 'IoU', 1),
  measure('pointing', 'pointing', 1),
  measure('energy', 'energy', 1),
  count('mosaic2', 'mosaics'),
  measure('mosaic2', 'mosaic of 2', 1),
  measure('mosaic4', 'mosaic of 4', 1),
  ...[seconds, memory],
];

const faithfulness = [
  ...[name, count('insertion', 'pictures')],
  measure('insertion', 'insertion', 1),
  measure('deletion', 'deletion', -1),
  measure('road', 'ROAD', 1),
  measure('drop', 'average drop', -1),
  measure('increase', 'increase', 1),
];

/** Down to where the weights are random: the last layer, a third of the layers, two thirds, all. */
const depths = { head: 'the last layer', third: 'a third', most: 'two thirds', all: 'all' };
const likeness = ([depth, title]) => ({
  title,
  text: ({ randomization }) => {
    const { correlation, similarity } = randomization[depth];
    return [correlation, similarity].map((value) => value.toFixed(2)).join(', ');
  },
});
const randomness = [name, ...Object.entries(depths).map(likeness)];

/** The tables of docs/study.md. @param {Study} study */
export function tables({ networks, machine }) {
  const parts = networks.flatMap(({ title, rows }) => {
    const named = (about, columns, some) =>
      some.length > 0 ? [`**${title}: ${about}**\n\n${table(columns, some)}`] : [];
    const measured = (key) => rows.filter(({ values }) => values[key]);
    return [
      ...named('where is the pet, and the class?', localisation, measured('precision')),
      ...named('what does the network rest on?', faithfulness, measured('insertion')),
      ...named(
        'how like does a map stay when layers turn random, from the last on? Rank correlation, structural similarity',
        randomness,
        rows.filter(({ randomization }) => randomization),
      ),
    ];
  });
  const { date, processor, node } = machine;
  const made = `${date}, ${processor}, one thread a map, Node ${node}. Seconds are processor time, the median of the photographs.`;
  return [...parts, made].join('\n\n');
}

const [BEGIN, END] = ['<!-- tables: node bench/study.js -->', '<!-- /tables -->'];

/** The document with the tables between its marks. Throws where the marks are missing. @param {string} document @param {Study} study */
export function withTables(document, study) {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`docs/study.md: expected ${BEGIN} and, after it, ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n${tables(study)}\n${document.slice(end)}`;
}
