/**
 * @typedef {{ value: number, low: number, high: number, count: number }} Interval
 * @typedef {{ name: string, values: Record<string, Interval>, differences: Record<string, Interval>, seconds?: number,
 *   randomization?: { layer: string, correlation: number, similarity: number }[] }} Row a row of study.json
 */

const line = (cells) => `| ${cells.join(' | ')} |`;
const table = (columns, rows) => {
  const body = rows.map((row) => columns.map(({ text }) => text(row)));
  return [columns.map(({ title }) => title), columns.map(() => '---'), ...body].map(line).join('\n');
};

const percent = (value, digits) => (100 * value).toFixed(digits).replace(/^-(0(?:\.0*)?)$/, '$1');
const signed = (value, digits) => (Number(percent(value, digits)) > 0 ? '+' : '') + percent(value, digits);

/**
 * Whether a difference is for the better (▲) or the worse (▼); nothing where its interval, as it is written, holds 0.
 *
 * @param {Pick<Interval, 'low' | 'high'>} difference @param {1 | -1} better whether more or less of the measure is better
 */
export function verdict({ low, high }, better, digits = 0) {
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
const count = (measured) => ({ title: 'pictures', text: ({ values }) => values[measured]?.count ?? '' });
const seconds = { title: 'seconds', text: (row) => row.seconds?.toFixed(row.seconds < 1 ? 2 : 1) ?? '' };

const localisation = [
  ...[name, count('pointing')],
  measure('pointing', 'pointing game', 1),
  measure('energy', 'energy in mask', 1),
  measure('box30', 'box, IoU .3', 1),
  measure('box50', 'box, IoU .5', 1),
  measure('box70', 'box, IoU .7', 1),
  measure('mosaic2', 'mosaic of 2', 1),
  measure('mosaic4', 'mosaic of 4', 1),
  measure('grid', 'grid number', -1, 1),
  seconds,
];

const faithfulness = [
  ...[name, count('insertion')],
  measure('insertion', 'insertion', 1),
  measure('deletion', 'deletion', -1),
  measure('road', 'ROAD', 1, 1),
  measure('drop', 'average drop', -1),
  measure('increase', 'increase', 1),
];

const networks = [{ ...name, title: 'network' }, count('right'), measure('right', 'right', 1)];

/** Layers down to which the weights are random: the class's, all dense ones, then block by block. */
const randomness = ['predictions', 'fc1', 'block5_conv1', 'block4_conv1', 'block3_conv1', 'block1_conv1'];
const likeness = (layer) => ({
  title: `to ${layer}`,
  text: ({ randomization }) => {
    const { correlation, similarity } = randomization.find((step) => step.layer === layer);
    return [correlation, similarity].map((value) => value.toFixed(2)).join(', ');
  },
});

/** @typedef {{ machine: Record<string, string>, rows: Row[] }} Study study.json */

/** The tables of docs/study.md. @param {Study} study */
export function tables({ rows, machine }) {
  const explained = rows.filter(({ values }) => values.right);
  const plain = explained.filter(({ name }) => ['pooled', 'dilated', 'rescaled', 'tuned', 'DRN-C'].includes(name));
  const parts = [
    ['Where is the pet? And how regular is the map?', table(localisation, rows)],
    ['What does the network rest on?', table(faithfulness, rows)],
    ['How often is the network right?', table(networks, plain)],
    [
      'How like does a map stay when the weights turn random, the last layer first? Rank correlation, structural similarity',
      table(
        [name, ...randomness.map(likeness)],
        rows.filter(({ randomization }) => randomization),
      ),
    ],
  ];
  const { date, processor, node } = machine;
  const made = `${date}, ${processor}, one thread a map, as many maps at a time as there are cores, Node ${node}.`;
  return [...parts.map(([title, text]) => `**${title}**\n\n${text}`), made].join('\n\n');
}

const [BEGIN, END] = ['<!-- tables: node bench/study.js -->', '<!-- /tables -->'];

/** The document with the tables between its marks. Throws where the marks are missing. @param {string} document @param {Study} study */
export function withTables(document, study) {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`docs/study.md: expected ${BEGIN} and, after it, ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n${tables(study)}\n${document.slice(end)}`;
}
