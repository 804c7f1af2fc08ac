#!/usr/bin/env node
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { readMaskedPictures } from '../dist/metrics.js';
import { machine } from './alternate.js';
import { hashCode, hashNetwork, openCache } from './study/cache.js';
import { printPlan } from './study/estimate.js';
import { networkOf, networks } from './study/networks.js';
import { drawPage } from './study/page.js';
import { counts, orderPictures, PERCENTILES, pendingWork, planTasks, STEPS, scaleCounts } from './study/plan.js';
import { runPool } from './study/pool.js';
import { tables, withTables } from './study/report.js';
import { chooseRows } from './study/rows.js';
import { summarizeNetwork } from './study/summary.js';

const help = `node bench/study.js PETS ZOO [options]

Which map is good for what? Makes the maps of all rows with several networks on PETS (photographs with masks and an index.csv, see
readMaskedPictures) and writes bench/results/study.json, the tables of docs/study.md and docs/study.png. ZOO has the networks' files, see
bench/study/networks.js. Prints how long it takes; a run that was interrupted goes on. Needs \`npm run build\`.

  --networks A,B  these networks only (${networks.map(({ name }) => name).join(', ')})
  --rows "A;B"    these rows only, atrous* for all that begin so
  --pictures N    a trial with N photographs a network at most: prints the tables and writes nothing, as with the two above
  --minutes N     begins nothing after N minutes: the tables are of what is there, the same pictures for all rows of a network
  --processes N   at a time, a thread each; as many as there are cores by default
  --page          makes docs/study.png only
  --report        makes the tables only, from study.json
`;

const SEED = 1;
const began = performance.now();
const results = new URL('results/study.json', import.meta.url);
const document = new URL('../docs/study.md', import.meta.url);
const page = new URL('../docs/study.png', import.meta.url);

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    networks: { type: 'string' },
    rows: { type: 'string' },
    pictures: { type: 'string' },
    minutes: { type: 'string' },
    processes: { type: 'string' },
    page: { type: 'boolean' },
    report: { type: 'boolean' },
  },
});
const [pets, zoo] = positionals;
if (values.report) report(JSON.parse(readFileSync(results, 'utf8')));
else if (positionals.length !== 2) console.log(help);
else if (values.page) writeFileSync(page, await drawPage(zoo));
else await main();

async function main() {
  const studied = values.networks?.split(',').map(networkOf) ?? networks;
  const rows = chooseRows(values.rows?.split(';'));
  const all = values.pictures ? scaleCounts(Number(values.pictures)) : counts;
  const planned = Object.fromEntries(studied.map(({ name }) => [name, all[name]]));
  const tasks = planTasks(orderPictures(await readMaskedPictures(pets), SEED), planned);
  const code = hashCode();
  const hashes = Object.fromEntries(studied.map((network) => [network.name, hashNetwork(network, zoo)]));
  const caches = new Map();
  for (const { name } of studied)
    for (const row of rows) caches.set(`${name} ${row.name}`, openCache(row, hashes[name], code));
  const cacheOf = (row, task) => caches.get(`${task.network} ${row}`);
  const known = (row, task) => cacheOf(row, task).get(task.id);
  const work = pendingWork(rows, tasks, planned, (row, task) => known(row, task)?.measures);

  const minutes = Number(values.minutes ?? Number.POSITIVE_INFINITY);
  const processes = Number(values.processes ?? availableParallelism());
  const deadline = began + 60_000 * minutes;
  if (minutes > 0) await printPlan(work, rows, zoo);
  await runPool(
    work,
    { zoo, processes, deadline },
    ({ row, task, entry }) => cacheOf(row, task).add(task.id, entry),
    printProgress,
  );

  const study = {
    machine: machine(),
    settings: { seed: SEED, steps: STEPS, percentiles: PERCENTILES },
    networks: studied.map(({ name, title }) => {
      const own = tasks.filter(({ network }) => network === name);
      return { name, title, hash: hashes[name], rows: summarizeNetwork(rows, own, planned, known) };
    }),
  };
  if (values.pictures || values.rows || values.networks) return console.log(tables(study));
  writeFileSync(results, `${JSON.stringify(study, null, 1)}\n`);
  report(study);
  writeFileSync(page, await drawPage(zoo));
}

function report(study) {
  writeFileSync(document, withTables(readFileSync(document, 'utf8'), study));
}

function printProgress(done, total) {
  const minutes = (performance.now() - began) / 60_000;
  console.log(`${done} of ${total} tasks, ${minutes.toFixed(1)} minutes`);
}
