import { createHash } from 'node:crypto';
import { randomized, unjudged, unzoomed } from './rows.js';

/**
 * How much of the data each network sees: `pictures` are explained, every `curves`-th of them (an odd number, for the species take turns)
 * is measured for faithfulness too, `mosaics` of two and of four are played. All rows of a network begin with the same pictures, so that rows compare picture by picture.
 *
 * @typedef {{ pictures: number, mosaics: number, curves: number }} Counts
 * @type {Record<string, Counts>} by network
 */
export const counts = {
  lite0: { pictures: 400, mosaics: 100, curves: 5 },
  mobilenet: { pictures: 400, mosaics: 100, curves: 5 },
  vgg16: { pictures: 100, mosaics: 40, curves: 5 },
  catdog: { pictures: 400, mosaics: 100, curves: 5 },
};

/** Steps of insertion and deletion, and ROAD's percentiles: what a forward pass each costs. */
export const STEPS = 8;
export const PERCENTILES = [30, 70];
/** Photographs of the randomisation test, and how far into the study it comes, as a part of it. */
export const RANDOMIZED = 5;
const EARLY = 0.2;

/**
 * All counts for the first `pictures` photographs of each network at most; at least one mosaic.
 *
 * @param {number} pictures
 * @returns {typeof counts}
 */
export function scaleCounts(pictures) {
  const scaled = ([name, { pictures: most, mosaics, curves }]) => {
    const count = Math.min(pictures, most);
    return [name, { pictures: count, mosaics: Math.ceil((mosaics * count) / most), curves }];
  };
  return Object.fromEntries(Object.entries(counts).map(scaled));
}

/** Names in an order that looks random and is the same for the same seed, whatever other names there are. */
const shuffle = (items, nameOf, seed) => {
  const lot = (item) =>
    createHash('sha256')
      .update(`${seed} ${nameOf(item)}`)
      .digest('hex');
  const lots = new Map(items.map((item) => [item, lot(item)]));
  return [...items].sort((a, b) => (lots.get(a) < lots.get(b) ? -1 : 1));
};

/**
 * The pictures in the study's order: random, the classes in turn, so that each beginning of the list is balanced.
 *
 * @template {{ file: string, label: string }} P
 * @param {readonly P[]} pictures @param {number} seed
 * @returns {P[]}
 */
export function orderPictures(pictures, seed) {
  const labels = [...new Set(pictures.map(({ label }) => label))].sort();
  const queues = labels.map((label) =>
    shuffle(
      pictures.filter((picture) => picture.label === label),
      ({ file }) => file,
      seed,
    ),
  );
  const rounds = Math.min(...queues.map(({ length }) => length));
  return Array.from({ length: rounds }, (_, i) => queues.map((queue) => queue[i])).flat();
}

/**
 * What is measured at a time with one network: a photograph; a mosaic of two or four, whose one picture of the explained species lies in
 * `cell`; or what becomes of some photographs' maps when the network's weights turn random.
 *
 * @typedef {object} Task
 * @property {string} id
 * @property {string} network
 * @property {'picture' | 'mosaic2' | 'mosaic4' | 'randomization'} kind
 * @property {number} index among its kind and network
 * @property {{ file: string, label: string }[]} pictures as `readMaskedPictures` gives them
 * @property {number} [cell]
 */

/**
 * The tasks of all networks, mixed so that each beginning of the list has the same part of every network and kind. All networks see the same
 * pictures and mosaics, as many as each sees.
 *
 * @param {readonly { file: string, label: string }[]} ordered of two species
 * @param {Record<string, Counts>} planned by network
 * @returns {Task[]}
 */
export function planTasks(ordered, planned) {
  const all = Object.entries(planned).flatMap(([network, { pictures, mosaics }]) => {
    const kinds = {
      picture: [pictures, (index) => ({ pictures: [ordered[index]] })],
      mosaic2: [mosaics, (index) => pickMosaic(ordered, 2, index)],
      mosaic4: [mosaics, (index) => pickMosaic(ordered, 4, index)],
      randomization: [1, () => ({ pictures: ordered.slice(0, RANDOMIZED) })],
    };
    return Object.entries(kinds).flatMap(([kind, [count, contents]]) =>
      Array.from({ length: Math.min(count, ordered.length) }, (_, index) => {
        const held = contents(index);
        const id = `${network} ${kind} ${held.pictures.map(({ file }) => file).join(' ')}`;
        const place = kind === 'randomization' ? EARLY : (index + 0.5) / count;
        return { task: { id, network, kind, index, ...held }, place };
      }),
    );
  });
  return all.sort((a, b) => a.place - b.place).map(({ task }) => task);
}

/** One picture of a species, the species in turn, and `size` - 1 of the other; and the cell of that one. */
function pickMosaic(ordered, size, index) {
  const { label } = ordered[index % 2];
  const [own, other] = [true, false].map((same) => ordered.filter((picture) => (picture.label === label) === same));
  const at = (list, i) => list[i % list.length];
  const others = Array.from({ length: size - 1 }, (_, i) => at(other, index * (size - 1) + i));
  const cell = Math.floor(index / 2) % size;
  const one = at(own, Math.floor(index / 2));
  return { pictures: [...others.slice(0, cell), one, ...others.slice(cell)], cell };
}

/** Of every map of a photograph, and what is added for every `curves`-th one. */
const LOCALISATION = ['precision', 'maskiou', 'pointing', 'energy'];
const FAITHFULNESS = ['deletion', 'insertion', 'road', 'drop'];

/**
 * The metrics of a row's map of a task; nothing where the row does not see it.
 *
 * @param {Pick<import('./rows.js').Row, 'name' | 'explain' | 'most'>} row @param {Pick<Task, 'kind' | 'index' | 'network'>} task
 * @returns {string[]}
 */
export function metricsOf({ name, explain, most }, { kind, index, network }, planned = counts) {
  const limit = most?.[network] ?? Number.POSITIVE_INFINITY;
  if (kind === 'randomization')
    return randomized.includes(name) && !(explain?.zoom && unzoomed.includes(network)) ? ['steps'] : [];
  if (kind !== 'picture') return index < limit / 2 ? [kind] : [];
  if (index >= limit) return [];
  const judged = index % planned[network].curves === 0 && !unjudged.includes(name);
  return judged ? [...LOCALISATION, ...FAITHFULNESS] : LOCALISATION;
}

/**
 * What is left to do: for each task the rows whose maps of it have not been measured, and how. Picture by picture, so
 * that all rows grow alike.
 *
 * @param {readonly import('./rows.js').Row[]} rows @param {readonly Task[]} tasks @param {Record<string, Counts>} planned
 * @param {(row: string, task: Task) => Record<string, unknown> | undefined} known what was measured
 * @returns {{ task: Task, jobs: { row: string, metrics: string[] }[] }[]}
 */
export function pendingWork(rows, tasks, planned, known) {
  const left = ({ row, metrics }, task) => metrics.some((name) => known(row, task)?.[name] === undefined);
  return tasks
    .map((task) => {
      const jobs = rows.map((row) => ({ row: row.name, metrics: metricsOf(row, task, planned) }));
      return { task, jobs: jobs.filter((job) => left(job, task)) };
    })
    .filter(({ jobs }) => jobs.length > 0);
}
