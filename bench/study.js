#!/usr/bin/env node
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { packWeights } from '../dist/index.js';
import { readMaskedPictures } from '../dist/metrics.js';
import { machine } from './alternate.js';
import { hashOf, openCache } from './study/cache.js';
import { printPlan } from './study/estimate.js';
import { drawPage } from './study/page.js';
import {
  counts,
  metricsOf,
  orderPictures,
  PERCENTILES,
  pendingWork,
  planTasks,
  STEPS,
  scaleCounts,
} from './study/plan.js';
import { runPool } from './study/pool.js';
import { tables, withTables } from './study/report.js';
import { chooseRows, reference, rows } from './study/rows.js';
import { mergeStudies, summarizeRow } from './study/summary.js';

const help = `node bench/study.js FOLDER [options]

Is a full-resolution map better, and when? Measures the maps of all modes, cures and methods with the bundled network on FOLDER (pictures
with masks and an index.csv, see readMaskedPictures) and writes bench/results/study.json, the tables of docs/study.md and docs/study.png.
Takes about 12 minutes on two cores; a run that was interrupted goes on. Needs \`npm run build\`.

  --rescaled FILE the bundled network, rescaled for dilated mode: the rows rescaled*
  --tuned FILE    that, fine-tuned in dilated mode: the rows tuned*
  --drn FILE      the same with degridding layers: the row DRN-C
  --rows A,B      these rows only, atrous* for all that begin so; the others stay in study.json as they are
  --pictures N    a trial with N instead of ${counts.all.pictures} pictures, all else in proportion: prints the tables and writes nothing
  --report        only makes the tables again from study.json
`;

const SEED = 1;
const began = performance.now();
const results = new URL('results/study.json', import.meta.url);
const document = new URL('../docs/study.md', import.meta.url);
const page = new URL('../docs/study.png', import.meta.url);

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rescaled: { type: 'string' },
    tuned: { type: 'string' },
    drn: { type: 'string' },
    rows: { type: 'string' },
    pictures: { type: 'string' },
    report: { type: 'boolean' },
  },
});
const kept = readResults();
if (values.report && kept) report(kept);
else if (positionals.length === 1) await main(positionals[0]);
else console.log(help);

async function main(folder) {
  const { rescaled, tuned, drn } = values;
  const sources = { default: undefined, ...(rescaled && { rescaled }), ...(tuned && { tuned }), ...(drn && { drn }) };
  const chosen = chooseRows(values.rows?.split(',')).filter(({ weights }) => weights in sources);
  const planned = values.pictures ? scaleCounts(Number(values.pictures)) : counts;
  const tasks = planTasks(orderPictures(await readMaskedPictures(folder), SEED), planned.all);
  const hashes = await hashWeights(sources);
  const caches = new Map(chosen.map((row) => [row.name, openCache(row, `${hashes.default} ${hashes[row.weights]}`)]));
  const work = pendingWork(chosen, tasks, planned, (row, task) => caches.get(row).get(task)?.measures);

  await printPlan(work, planned, chosen);
  await runPool(work, sources, ({ row, task, entry }) => caches.get(row).add(task, entry), printProgress);

  const settings = { network: hashes.default, seed: SEED, steps: STEPS, percentiles: PERCENTILES, counts: planned };
  const measured = chosen.map((row) => {
    const seen = tasks.filter((task) => metricsOf(row, task, planned).length > 0);
    const other = row.name === reference ? undefined : caches.get(reference).get;
    return { name: row.name, weights: hashes[row.weights], ...summarizeRow(caches.get(row.name).get, other, seen) };
  });
  const study = { machine: machine(), settings, rows: measured };
  if (values.pictures) return console.log(tables(study));
  const merged = mergeStudies(
    kept,
    study,
    rows.map(({ name }) => name),
  );
  writeFileSync(results, `${JSON.stringify(merged, null, 1)}\n`);
  report(merged);
  writeFileSync(page, await drawPage(sources));
}

/** The study that is kept; undefined where none is. */
function readResults() {
  try {
    return JSON.parse(readFileSync(results, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function report(study) {
  writeFileSync(document, withTables(readFileSync(document, 'utf8'), study));
}

/** Of the networks' files, by name. */
async function hashWeights(sources) {
  const hashes = {};
  for (const [name, file] of Object.entries(sources)) {
    const pieces = [];
    for await (const piece of packWeights(file)) pieces.push(piece);
    hashes[name] = hashOf(...pieces);
  }
  return hashes;
}

function printProgress(done, total) {
  const minutes = (performance.now() - began) / 60_000;
  console.log(`${done} of ${total} tasks, ${minutes.toFixed(1)} minutes`);
}
