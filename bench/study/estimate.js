import { availableParallelism } from 'node:os';
import { load } from '../../dist/index.js';
import { PERCENTILES, RANDOMIZED, STEPS } from './plan.js';
import { explainOptions } from './rows.js';

/** Seconds on one core of a Zen 4 beside the network: of any map, of its localisation, of ROAD at a percentile and order. */
const COST = { map: 0.03, localisation: 0.06, imputation: 0.1 };
/** Networks of the randomisation test: VGG16's, and one more with each layer. */
const NETWORKS = 17;

/**
 * Prints what is left to do and about how long it takes, from what the bundled network computes in a second here and now.
 *
 * @param {ReturnType<typeof import('./plan.js').pendingWork>} work
 * @param {typeof import('./plan.js').counts} planned
 * @param {readonly import('./rows.js').Row[]} rows
 */
export async function printPlan(work, planned, rows) {
  for (const [share, parts] of Object.entries(planned)) {
    const names = rows.filter((row) => row.share === share).map(({ name }) => name);
    const sizes = Object.entries(parts).map(([part, count]) => `${count} ${part}`);
    if (names.length > 0) console.log(`${sizes.join(', ')}:\n  ${names.join(', ')}`);
  }
  const maps = work.reduce((sum, { jobs }) => sum + jobs.length, 0);
  const seconds = work.length > 0 ? await estimateSeconds(work, rows) : 0;
  const cores = availableParallelism();
  console.log(`${maps} maps: about ${Math.ceil(seconds / cores / 60)} minutes on ${cores} cores`);
}

/** Seconds on one core. */
async function estimateSeconds(work, rows) {
  const net = await load(undefined, { threads: 1 });
  const side = net.inputSize;
  const image = { width: side, height: side, data: new Uint8Array(3 * side * side) };
  await net.explain(image, { target: 0 }); // the pace of the estimates
  const map = ({ explain }) => (explain ? net.estimate(explainOptions({ explain }, net.layers)).seconds : 0);
  const times = new Map(rows.map((row) => [row.name, map(row)]));
  const pass = times.get('pooled');
  net.dispose();

  const road = 2 * PERCENTILES.length * (pass + COST.imputation);
  const costs = { box: COST.localisation, deletion: STEPS * pass, insertion: STEPS * pass, drop: pass, road };
  const job = ({ row, metrics }) => {
    const made = metrics.includes('steps') ? RANDOMIZED * NETWORKS : 1;
    return made * (times.get(row) + COST.map) + metrics.reduce((sum, name) => sum + (costs[name] ?? 0), 0);
  };
  return work.reduce((sum, { jobs }) => sum + jobs.reduce((part, one) => part + job(one), 0), 0);
}
