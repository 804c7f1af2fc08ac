import { load, packWeights } from '../../dist/index.js';
import {
  composeMosaic,
  gridPointing,
  measureMap,
  openProbe,
  randomizationCheck,
  readGround,
} from '../../dist/metrics.js';
import { PERCENTILES, STEPS } from './plan.js';
import { explainOptions } from './rows.js';

/** @typedef {import('./rows.js').Row} Row */
/** @typedef {import('./plan.js').Task} Task */
/** @typedef {{ row: Row, metrics: string[] }} Job a row's part of a task */
/** @typedef {{ measures: Record<string, any>, seconds?: number }} Entry a map's numbers, and its time */

/** Networks by name, loaded when first asked for, one thread each: several processes share the machine. */
export function openNetworks(sources) {
  const loaded = new Map();
  return (name) => {
    if (!loaded.has(name)) loaded.set(name, load(sources[name], { threads: 1 }));
    return loaded.get(name);
  };
}

/**
 * Makes a row's map of a picture.
 *
 * @param {Row} row @param {(name: string) => Promise<import('../../dist/types/index.js').Network>} network
 */
async function makeMap(row, network, { image, target, tensor, preprocessing }) {
  const net = await network(row.weights);
  if (row.map) return { map: row.map(net.inputSize, tensor) };
  const explanation = await net.explain(image, { ...explainOptions(row, net.layers), target, preprocessing });
  const { map, seconds, predictions } = explanation;
  return { map, seconds, top: predictions[0].label };
}

/**
 * Does all jobs of a task.
 *
 * @param {Task} task @param {readonly Job[]} jobs
 * @param {(name: string) => Promise<import('../../dist/types/index.js').Network>} network see `openNetworks`
 * @param {(job: Job, entry: Entry) => void} report called with each row's numbers
 */
export async function measureTask(task, jobs, network, report) {
  if (task.kind === 'randomization') {
    for (const job of jobs) report(job, { measures: { steps: await randomize(job.row, task.pictures) } });
    return;
  }
  const one = await openTask(task, await network('default'));
  for (const job of jobs) {
    const made = await makeMap(job.row, network, one);
    report(job, { seconds: made.seconds, measures: await one.measure(made, job.metrics) });
  }
}

const openTask = (task, judge) => (task.kind === 'picture' ? openPicture(task, judge) : openMosaic(task, judge));

async function openPicture({ pictures: [picture] }, judge) {
  const target = picture.label;
  const probe = await openProbe(judge, picture.path, { target });
  const ground = { probe, ...(await readGround(picture, probe, judge.inputSize)) };
  const measure = async ({ map, top }, metrics) => {
    const measures = await measureMap(map, ground, { metrics, steps: STEPS, percentiles: PERCENTILES });
    return { ...measures, box: plain(measures.box), ...(top && { right: top === target ? 1 : 0 }) };
  };
  return { image: probe.image, target, tensor: probe.tensor, measure };
}

async function openMosaic({ kind, pictures, cell }, judge) {
  const images = await Promise.all(pictures.map(async ({ path }) => (await judge.preprocess(path)).image));
  const mosaic = composeMosaic(images, judge.inputSize);
  const preprocessing = { fit: 'squash' }; // so that all of it is seen
  const { tensor } = await judge.preprocess(mosaic.image, { preprocessing });
  const measure = async ({ map }) => ({ [kind]: gridPointing(map, mosaic, cell) });
  return { image: mosaic.image, target: pictures[cell].label, tensor, preprocessing, measure };
}

/** A curve that JSON can keep: three digits decide whether a box reaches 0.3, 0.5 or 0.7. */
function plain({ thresholds, largest, any }) {
  const digits = (values) => Array.from(values, (value) => Math.floor(value * 1000) / 1000);
  return { thresholds, largest: digits(largest), any: digits(any) };
}

/**
 * A row's parameter randomisation test on some photographs: how like its maps stay while the default network's layers turn random.
 *
 * @param {Row} row @param {Task['pictures']} pictures
 * @returns means over the pictures, a step a layer
 */
async function randomize(row, pictures) {
  const pieces = [];
  for await (const piece of packWeights()) pieces.push(piece);
  const explain = async (net) => {
    const maps = [];
    for (const { path, label } of pictures)
      maps.push((await net.explain(path, { ...explainOptions(row, net.layers), target: label })).map);
    return maps;
  };
  const steps = await randomizationCheck(new Uint8Array(Buffer.concat(pieces)), {
    load: (weights) => load(weights, { threads: 1 }),
    explain,
  });
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  return steps.map(({ layer, correlations, similarities }) => ({
    layer,
    correlation: mean(correlations),
    similarity: mean(similarities),
  }));
}
