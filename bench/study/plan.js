import { createHash } from 'node:crypto';
import { randomized } from './rows.js';

/**
 * How much of the data each part of the study takes. A row's `share` of the pictures: `curves` and `road` of them are also measured for
 * faithfulness, `mosaics` of each size are played. Every row begins with the same pictures, so that rows compare picture by picture.
 */
export const counts = {
  all: { pictures: 60, mosaics: 12, curves: 16, road: 8 },
  half: { pictures: 30, mosaics: 6, curves: 16, road: 8 },
  few: { pictures: 10, mosaics: 4, curves: 4, road: 0 },
};

/** Steps of insertion and deletion, and ROAD's percentiles: what a forward pass each costs. */
export const STEPS = 16;
export const PERCENTILES = [50, 80];
/** Photographs of the randomisation test. */
export const RANDOMIZED = 2;

/**
 * All counts in proportion, `pictures` of them for the rows that see the most; at least one of each that is not 0.
 *
 * @param {number} pictures
 * @returns {typeof counts}
 */
export function scaleCounts(pictures) {
  const scale = pictures / counts.all.pictures;
  const scaled = (count) => Math.ceil(count * scale);
  return Object.fromEntries(
    Object.entries(counts).map(([share, parts]) => [
      share,
      Object.fromEntries(Object.entries(parts).map(([part, count]) => [part, scaled(count)])),
    ]),
  );
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
 * What is measured at a time: a photograph; a mosaic of two or four, whose one picture of the explained class lies in `cell`; or what
 * becomes of some photographs' maps when the network's weights turn random.
 *
 * @typedef {object} Task
 * @property {string} id
 * @property {'picture' | 'mosaic2' | 'mosaic4' | 'randomization'} kind
 * @property {number} index among its kind
 * @property {{ file: string, label: string }[]} pictures as `readMaskedPictures` gives them
 * @property {number} [cell]
 */

/**
 * The tasks of the rows that see the most; the others take the first of each kind.
 *
 * @param {readonly { file: string, label: string }[]} ordered of two classes
 * @param {typeof counts.all} most
 * @returns {Task[]}
 */
export function planTasks(ordered, { pictures, mosaics }) {
  const single = ordered
    .slice(0, pictures)
    .map((picture, index) => ({ id: picture.file, kind: 'picture', index, pictures: [picture] }));
  const some = ordered.slice(0, RANDOMIZED);
  const randomization = {
    id: `randomization of ${some.map(({ file }) => file)}`,
    kind: 'randomization',
    index: 0,
    pictures: some,
  };
  const mosaic = (size) => (_, index) => {
    const [one, others] = pick(ordered, size, index);
    const cell = Math.floor(index / 2) % size;
    const cells = [...others.slice(0, cell), one, ...others.slice(cell)];
    return { id: `mosaic of ${cells.map(({ file }) => file)}`, kind: `mosaic${size}`, index, pictures: cells, cell };
  };
  return [randomization, ...single, ...[2, 4].flatMap((size) => Array.from({ length: mosaics }, mosaic(size)))];
}

/** One picture of a class, the classes in turn, and `size` - 1 of the other. */
function pick(ordered, size, index) {
  const { label } = ordered[index % 2];
  const [own, other] = [true, false].map((same) => ordered.filter((picture) => (picture.label === label) === same));
  const at = (list, i) => list[i % list.length];
  const others = Array.from({ length: size - 1 }, (_, i) => at(other, index * (size - 1) + i));
  return [at(own, index), others];
}

/**
 * The metrics of a row's map of a task; nothing where the row does not see it.
 *
 * @param {{ name: string, share: string }} row @param {Pick<Task, 'kind' | 'index'>} task
 * @returns {string[]}
 */
export function metricsOf({ name, share }, { kind, index }, planned = counts) {
  const { pictures, mosaics, curves, road } = planned[share];
  if (kind === 'randomization') return randomized.includes(name) ? ['steps'] : [];
  if (kind !== 'picture') return index < mosaics ? [kind] : [];
  if (index >= pictures) return [];
  const faithfulness = [
    ...(index < curves ? ['deletion', 'insertion', 'drop'] : []),
    ...(index < road ? ['road'] : []),
  ];
  return ['grid', 'pointing', 'energy', 'box', ...faithfulness];
}

/**
 * What is left to do: for each task the rows whose maps of it have not been measured, and how. Picture by picture, so
 * that all rows grow alike.
 *
 * @param {readonly import('./rows.js').Row[]} rows @param {readonly Task[]} tasks @param {typeof counts} planned
 * @param {(row: string, task: string) => Record<string, unknown> | undefined} known what was measured
 * @returns {{ task: Task, jobs: { row: string, metrics: string[] }[] }[]}
 */
export function pendingWork(rows, tasks, planned, known) {
  const left = ({ row, metrics }, task) => metrics.some((name) => known(row, task.id)?.[name] === undefined);
  return tasks
    .map((task) => {
      const jobs = rows.map((row) => ({ row: row.name, metrics: metricsOf(row, task, planned) }));
      return { task, jobs: jobs.filter((job) => left(job, task)) };
    })
    .filter(({ jobs }) => jobs.length > 0);
}
