import { compare, summarize } from '../../dist/metrics.js';
import { median } from '../alternate.js';

/** Measures that are taken of the same pictures; not every picture has all of them. */
const parts = [
  ['right'],
  ['grid', 'pointing', 'energy', 'box'],
  ['deletion', 'insertion', 'drop', 'increase'],
  ['road'],
  ['mosaic2'],
  ['mosaic4'],
];

/** @typedef {import('./measure.js').Entry} Entry */

/**
 * A row in numbers: means over its pictures, and their differences from the reference's on the same pictures, each with its bootstrap
 * interval; the median time of a map.
 *
 * @param {(task: string) => Entry | undefined} own what was measured, by task
 * @param {(task: string) => Entry | undefined} reference the same of the row to compare with; undefined where that is the row itself
 * @param {readonly { id: string, kind: string }[]} tasks those that count for the row
 */
export function summarizeRow(own, reference, tasks) {
  const [values, differences] = [{}, {}];
  const pairs = tasks.map(({ id }) => ({ own: own(id), other: reference?.(id) }));
  for (const names of parts) {
    const there = pairs.filter((pair) => has(pair.own, names));
    const shared = there.filter((pair) => has(pair.other, names));
    const measures = (list, side) => list.map((pair) => pick(pair[side], names));
    if (there.length > 0) Object.assign(values, summarize(measures(there, 'own')));
    if (shared.length > 0) Object.assign(differences, compare(measures(shared, 'own'), measures(shared, 'other')));
  }
  const seconds = pairs.flatMap(({ own }) => own?.seconds ?? []);
  return {
    values: short(values),
    differences: short(differences),
    seconds: seconds.length > 0 ? median(seconds) : undefined,
    randomization: pairs.find(({ own }) => own?.measures.steps)?.own.measures.steps,
  };
}

/**
 * A study, and the rows of an earlier one that it did not measure: of the same network and settings only.
 *
 * @template {{ settings: object, rows: { name: string }[] }} Study
 * @param {Study | undefined} earlier @param {Study} study
 * @param {readonly string[]} order of the rows' names
 * @returns {Study}
 */
export function mergeStudies(earlier, study, order) {
  const same = JSON.stringify(earlier?.settings) === JSON.stringify(study.settings);
  const kept = same ? earlier.rows.filter(({ name }) => !study.rows.some((row) => row.name === name)) : [];
  const all = [...kept, ...study.rows].filter(({ name }) => order.includes(name));
  return { ...study, rows: all.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name)) };
}

const has = (entry, [first]) => entry?.measures[first] !== undefined;

const pick = ({ measures }, names) => Object.fromEntries(names.map((name) => [name, measures[name]]));

/** Four digits: more than the intervals can bear. */
const short = (intervals) =>
  Object.fromEntries(
    Object.entries(intervals).map(([name, { count, ...numbers }]) => [
      name,
      { ...Object.fromEntries(Object.entries(numbers).map(([part, x]) => [part, Math.round(x * 1e4) / 1e4])), count },
    ]),
  );
