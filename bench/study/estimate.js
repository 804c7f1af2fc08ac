import { partsOf } from './maps.js';
import { mapMaker, openNetworks, processorSeconds } from './measure.js';
import { PERCENTILES, RANDOMIZED, STEPS } from './plan.js';
import { reference } from './rows.js';

/** Processor seconds beside the network, on a Zen 4: of any map's measures, of ROAD at a percentile and order. */
const COST = { measures: 0.08, imputation: 0.1 };
/** The randomisation test explains its photographs once as trained and at four depths. */
const EXPLAINED = 5 * RANDOMIZED;

/**
 * Prints how long what is left to do takes about, network by network, from what each computes in a second here and now.
 *
 * @param {ReturnType<typeof import('./plan.js').pendingWork>} work
 * @param {readonly import('./rows.js').Row[]} rows
 * @param {string} zoo
 */
export async function printPlan(work, rows, zoo) {
  const network = openNetworks(zoo);
  let total = 0;
  for (const name of new Set(work.map(({ task }) => task.network))) {
    const net = await network(name);
    const own = work.filter(({ task }) => task.network === name);
    const seconds = await estimateSeconds(net, own, rows);
    total += seconds;
    const maps = own.reduce((sum, { jobs }) => sum + jobs.length, 0);
    console.log(`${name}: ${own.length} tasks, ${maps} maps: about ${Math.ceil(seconds / 60)} minutes of one core`);
    net.dispose();
  }
  console.log(`in all about ${Math.ceil(total / 60)} minutes of one core`);
}

/** Seconds on one core. */
async function estimateSeconds(net, work, rows) {
  const side = net.inputSize;
  const image = { width: side, height: side, data: new Uint8Array(3 * side * side).fill(128) };
  const make = mapMaker(net, { image, target: 0 });
  const known = rows.find(({ name }) => name === reference);
  await make(known); // warms up
  const before = processorSeconds();
  await net.predict(image);
  const pass = processorSeconds() - before;
  const ratio = pass / net.estimate({ mode: 'pooled' }).seconds;
  const costs = { deletion: STEPS * pass, insertion: STEPS * pass, drop: pass };
  costs.road = 2 * PERCENTILES.length * (pass + COST.imputation);
  const part = (options) => ratio * net.estimate(options).seconds;
  return work.reduce((sum, { jobs }) => {
    const parts = new Map();
    let measures = 0;
    for (const { row, metrics } of jobs) {
      const { explain } = rows.find(({ name }) => name === row);
      const times = metrics.includes('steps') ? EXPLAINED : 1;
      for (const options of explain ? partsOf(explain) : []) parts.set(JSON.stringify(options), times * part(options));
      measures += times * COST.measures + metrics.reduce((all, metric) => all + (costs[metric] ?? 0), 0);
    }
    return sum + measures + [...parts.values()].reduce((a, b) => a + b, 0);
  }, 0);
}
