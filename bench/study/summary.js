import { compare, summarize } from '../../dist/metrics.js';
import { median } from '../alternate.js';
import { metricsOf } from './plan.js';
import { reference } from './rows.js';

/** Measures that are taken of the same pictures; not every picture has all of them. */
const parts = [
  ['precision', 'maskiou', 'pointing', 'energy'],
  ['deletion', 'insertion', 'road', 'drop', 'increase'],
  ['mosaic2'],
  ['mosaic4'],
];

/** @typedef {import('./measure.js').Entry} Entry */
/** @typedef {import('./plan.js').Task} Task */

/**
 * One network's part of the study: its rows in numbers. Only tasks count that all of its rows have which see them, so that a study that was
 * ended early compares the same pictures.
 *
 * @param {readonly import('./rows.js').Row[]} rows
 * @param {readonly Task[]} tasks the network's
 * @param {typeof import('./plan.js').counts} planned
 * @param {(row: string, task: Task) => Entry | undefined} known
 */
export function summarizeNetwork(rows, tasks, planned, known) {
  const wanted = (row, task) => metricsOf(row, task, planned);
  const has = (row, task) => wanted(row, task).every((name) => known(row.name, task)?.measures[name] !== undefined);
  const complete = tasks.filter((task) => rows.every((row) => has(row, task)));
  return rows
    .map((row) => {
      const seen = complete.filter((task) => wanted(row, task).length > 0);
      const of = (name) => (task) => known(name, task);
      const other = row.name === reference ? undefined : of(reference);
      return { name: row.name, ...summarizeRow(of(row.name), other, seen) };
    })
    .filter(({ values, randomization }) => Object.keys(values).length > 0 || randomization);
}

/**
 * A row in numbers: means over its pictures, and their differences from the reference's on the same pictures, each with its bootstrap
 * interval; the median processor time of a map of a photograph, and the most memory.
 *
 * @param {(task: Task) => Entry | undefined} own what was measured, by task
 * @param {((task: Task) => Entry | undefined) | undefined} other the same of the row to compare with; undefined where that is the row itself
 * @param {readonly Task[]} tasks those that count for the row
 */
export function summarizeRow(own, other, tasks) {
  const [values, differences] = [{}, {}];
  const pairs = tasks.map((task) => ({ task, own: own(task), other: other?.(task) }));
  for (const names of parts) {
    const there = pairs.filter((pair) => has(pair.own, names));
    const shared = there.filter((pair) => has(pair.other, names));
    const measures = (list, side) => list.map((pair) => pick(pair[side], names));
    if (there.length > 0) Object.assign(values, summarize(measures(there, 'own')));
    if (shared.length > 0) Object.assign(differences, compare(measures(shared, 'own'), measures(shared, 'other')));
  }
  const single = pairs.filter(({ task }) => task.kind === 'picture');
  const seconds = single.flatMap((pair) => pair.own?.seconds ?? []);
  const bytes = single.flatMap((pair) => pair.own?.bytes ?? []);
  return {
    values: short(values),
    differences: short(differences),
    ...(seconds.length > 0 && { seconds: round(median(seconds)), bytes: Math.max(...bytes) }),
    ...randomization(pairs),
  };
}

function randomization(pairs) {
  const steps = pairs.find(({ own }) => own?.measures.steps)?.own.measures.steps;
  return steps ? { randomization: steps } : {};
}

const has = (entry, [first]) => entry?.measures[first] !== undefined;

const pick = ({ measures }, names) => Object.fromEntries(names.map((name) => [name, measures[name]]));

/** Four digits: more than the intervals can bear. */
const round = (x) => Math.round(x * 1e4) / 1e4;

const short = (intervals) =>
  Object.fromEntries(
    Object.entries(intervals).map(([name, { count, ...numbers }]) => [
      name,
      { ...Object.fromEntries(Object.entries(numbers).map(([part, x]) => [part, round(x)])), count },
    ]),
  );
