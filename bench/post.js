#!/usr/bin/env node
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { drawFigure, encodePng, load } from '../dist/index.js';
import {
  averagePrecision,
  bootstrap,
  energyInMask,
  gridNumber,
  openProbe,
  readGround,
  readMaskedPictures,
} from '../dist/metrics.js';
import { machine } from './alternate.js';
import { rescale } from './rescale.js';
import { hashCode, hashNetwork } from './study/cache.js';
import { processorSeconds } from './study/measure.js';
import { loadNetwork, networkOf, optionsOf, sourceOf } from './study/networks.js';
import { orderPictures } from './study/plan.js';

const help = `node bench/post.js PETS ZOO [options]

The blog post's experiment on real VGG16 convolutions, and what cures it: the network of ZOO/vgg16-pets37 in all modes, on a photograph of
the repository and on some of PETS. Writes the tables of docs/post.md and docs/post.png. An interrupted run goes on.
Needs \`npm run build\`.

  --pictures N   of PETS, for accuracy and the maps' numbers; 5 by default
  --threads N    2 by default
  --report       makes the tables and the picture of what is there
`;

const NETWORK = 'vgg16';
const PHOTO = 'bulldog_abyssinian';
const SEED = 1;
/** Photographs whose means the rescaled weights have; none of them is measured. */
const RESCALED_BY = 2;

const dilated = /** @type {const} */ ({ mode: 'dilated' });
/**
 * The maps: of the weights as they are, and of the rescaled ones. `measured` on photographs with masks too.
 *
 * @type {{ name: string, explain: import('../dist/types/index.js').ExplainOptions, rescaled?: boolean, measured?: boolean }[]}
 */
const rows = [
  { name: 'pooled', explain: { mode: 'pooled' }, measured: true },
  { name: 'dilated', explain: dilated, measured: true },
  ...['box', 'phases', 'gaussian', 'shift'].map((smoothing) => ({
    name: `dilated, ${smoothing}`,
    explain: { ...dilated, smoothing: /** @type {'box'} */ (smoothing) },
    measured: smoothing === 'phases',
  })),
  { name: 'rescaled', explain: dilated, rescaled: true },
  { name: 'rescaled, phases', explain: { ...dilated, smoothing: 'phases' }, rescaled: true, measured: true },
  { name: 'atrous 1', explain: { mode: 'atrous', outputStride: 1 } },
  { name: 'atrous 4', explain: { mode: 'atrous', outputStride: 4 }, measured: true },
];
/** Sixteen runs, the last to be computed. */
const DEAREST = 'dilated, shift';
const pictured = ['pooled', 'dilated', 'dilated, phases', 'dilated, shift', 'rescaled', 'rescaled, phases', 'atrous 1'];

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { pictures: { type: 'string' }, threads: { type: 'string' }, report: { type: 'boolean' } },
});
const [pets, zoo] = positionals;
const folder = fileURLToPath(new URL('../build/post/', import.meta.url));
const photo = fileURLToPath(new URL(`../photos/${PHOTO}.jpg`, import.meta.url));

async function main() {
  mkdirSync(folder, { recursive: true });
  const threads = Number(values.threads ?? 2);
  const count = Number(values.pictures ?? 5);
  const ordered = orderPictures(await readMaskedPictures(pets), SEED);
  const cache = openAnswers();
  const network = openNetworks(ordered.slice(-RESCALED_BY), threads);
  const answers = async (id, row, make) => {
    const known = cache.get(id, row.name);
    if (known || values.report) return known;
    const made = await make(await network(row.rescaled === true));
    cache.add(id, row.name, made);
    console.log(`${id}: ${row.name}`);
    return made;
  };
  const own = new Map();
  const explain = async (some) => {
    for (const row of some) own.set(row.name, await answers(PHOTO, row, (net) => explainPhoto(net, row, own)));
  };
  await explain(rows.filter(({ name }) => name !== DEAREST));
  const measured = rows.filter((row) => row.measured);
  const many = new Map(measured.map(({ name }) => [name, []]));
  for (const picture of ordered.slice(0, count)) {
    const found = [];
    for (const row of measured)
      found.push([row.name, await answers(picture.file, row, (net) => explainPet(net, row, picture))]);
    if (found.every(([, answer]) => answer)) for (const [name, answer] of found) many.get(name).push(answer);
  }
  await explain(rows.filter(({ name }) => name === DEAREST));
  const text = tables(own, many);
  const document = new URL('../docs/post.md', import.meta.url);
  writeFileSync(document, between(readFileSync(document, 'utf8'), text));
  writeFileSync(new URL('../docs/post.png', import.meta.url), await drawPage(own));
}

/** The network as it is, and rescaled; each loaded when first asked for. */
function openNetworks(photographs, threads) {
  const loaded = new Map();
  const open = async (rescaled) => {
    if (!rescaled) return loadNetwork(NETWORK, zoo, { threads });
    const file = `${folder}rescaled.safetensors`;
    if (!existsSync(file)) {
      console.log('rescaling');
      const paths = photographs.map(({ path }) => path);
      const network = networkOf(NETWORK);
      const source = sourceOf(network, zoo);
      writeFileSync(file, await rescale(source, paths, { threads, window: 1, read: optionsOf(network, zoo) }));
    }
    return load(file, { threads });
  };
  return (rescaled) => {
    if (!loaded.has(rescaled)) loaded.set(rescaled, open(rescaled));
    return loaded.get(rescaled);
  };
}

/** What was answered so far, a line an answer, of this library and network. */
function openAnswers() {
  const file = `${folder}${hashCode()}-${hashNetwork(networkOf(NETWORK), zoo)}.jsonl`;
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  const answers = new Map(lines.filter(Boolean).map((line) => [JSON.parse(line).key, JSON.parse(line).answer]));
  const keyOf = (id, row) => `${id} ${row}`;
  return {
    get: (id, row) => answers.get(keyOf(id, row)),
    add(id, row, answer) {
      answers.set(keyOf(id, row), answer);
      appendFileSync(file, `${JSON.stringify({ key: keyOf(id, row), answer })}\n`);
    },
  };
}

/** The photograph's map and predictions; the class is the pooled network's first, as in the post. */
async function explainPhoto(net, row, own) {
  const target = own.get('pooled')?.target.index ?? 'top';
  const before = processorSeconds();
  const { map, raw, ...said } = await net.explain(photo, { ...row.explain, target });
  const seconds = processorSeconds() - before; // of all threads, whatever else the machine does
  const { predictions, probabilities, peakBytes, layers, outputStride } = said;
  return {
    target: said.target,
    predictions,
    probability: probabilities[said.target.index],
    seconds,
    peakBytes,
    layers,
    outputStride,
    raw: { width: raw.width, height: raw.height, grid: raw.width === map.width ? gridNumber(raw) : undefined },
    flat: map.flat,
    grid: gridNumber(map),
    map: Buffer.from(Uint8Array.from(map.data, (x) => Math.round(255 * x))).toString('base64'),
  };
}

/** Of a photograph with a mask: what the network says in the row's mode, and where the map for its breed lies. */
async function explainPet(net, row, picture) {
  const target = net.labels.indexOf(picture.row.breed);
  const probe = await openProbe(net, picture.path, { target });
  const { mask } = await readGround(picture, probe, net.inputSize);
  const { map, predictions, probabilities } = await net.explain(picture.path, { ...row.explain, target });
  return {
    right: predictions[0].index === target ? 1 : 0,
    said: predictions[0].label,
    probability: probabilities[target],
    precision: averagePrecision(map, mask),
    energy: energyInMask(map, mask),
    grid: gridNumber(map),
  };
}

const lineOf = (cells) => `| ${cells.join(' | ')} |`;
const tableOf = ([head, ...body]) => [head, head.map(() => '---'), ...body].map(lineOf).join('\n');
const percent = (x, digits = 1) => (100 * x).toFixed(digits);

function tables(own, many) {
  const there = rows.filter(({ name }) => own.get(name));
  const words = ({ predictions }) =>
    predictions.map(
      ({ label, index, probability }) => `${label} (${index}) with probability ${probability.toFixed(3)}`,
    );
  const said = [
    ['VGG16, as trained (and in `atrous`)', 'pooled'],
    ["dilated_VGG16, VGG16's weights", 'dilated'],
    ['the same, channels rescaled', 'rescaled'],
  ].filter(([, name]) => own.get(name));
  const lists = said.map(([title, name]) => `${title}:\n\n\`\`\`\n${words(own.get(name)).join('\n')}\n\`\`\``);
  const photograph = tableOf([
    ['map', 'points', 'grid number of the map, %', 'probability of the explained class', 'seconds', 'MB'],
    ...there.map(({ name }) => {
      const { raw, grid, flat, probability, seconds, peakBytes } = own.get(name);
      const points = `${raw.height} x ${raw.width}`;
      return [
        name,
        points,
        flat ? 'flat' : percent(grid),
        probability.toFixed(3),
        seconds.toFixed(1),
        Math.ceil(peakBytes / 1e6),
      ];
    }),
  ]);
  const interval = (list, key, digits = 0) => {
    const { value, low, high } = bootstrap(list.map((answer) => answer[key]));
    return `${percent(value, digits)} [${percent(low, digits)}, ${percent(high, digits)}]`;
  };
  const commonest = (list) => {
    const times = new Map();
    for (const { said: label } of list) times.set(label, (times.get(label) ?? 0) + 1);
    const [label, count] = [...times].sort((a, b) => b[1] - a[1])[0];
    return `${label} (${count} of ${list.length})`;
  };
  const measured = [...many].filter(([, list]) => list.length > 0);
  const pictures = tableOf([
    ['map', 'photographs', 'right, %', 'most said', 'precision, %', 'energy in mask, %', 'grid number, %'],
    ...measured.map(([name, list]) => [
      ...[
        name,
        list.length,
        percent(list.reduce((sum, { right }) => sum + right, 0) / list.length, 0),
        commonest(list),
      ],
      ...[interval(list, 'precision'), interval(list, 'energy'), interval(list, 'grid', 1)],
    ]),
  ]);
  const { date, processor, node } = machine();
  const made = `${date}, ${processor}, Node ${node}. Seconds are processor time, of all threads together.`;
  return [...lists, photograph, pictures, made].join('\n\n');
}

const [BEGIN, END] = ['<!-- tables: node bench/post.js -->', '<!-- /tables -->'];

function between(document, text) {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`docs/post.md: expected ${BEGIN} and, after it, ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n${text}\n${document.slice(end)}`;
}

/** The photograph's maps side by side, as they are kept. */
async function drawPage(own) {
  const net = await loadNetwork(NETWORK, zoo, { threads: 1 });
  const like = await net.explain(photo, { mode: 'pooled' });
  net.dispose();
  const explanations = pictured
    .filter((name) => own.get(name))
    .map((name) => {
      const { map, raw, flat, predictions, seconds } = own.get(name);
      const data = Float32Array.from(Buffer.from(map, 'base64'), (x) => x / 255);
      return {
        ...like,
        map: { ...like.map, data, flat },
        raw: { ...like.raw, ...raw },
        predictions,
        seconds,
        mode: name,
      };
    });
  return encodePng(await drawFigure(/** @type {any[]} */ (explanations), { name: PHOTO, columns: 4, width: 300 }));
}

if (positionals.length !== 2) console.log(help);
else await main();
