import {
  composeMosaic,
  gridPointing,
  layersFromHead,
  measureMap,
  openProbe,
  randomizeWeights,
  rankCorrelation,
  readGround,
  ssim,
} from '../../dist/metrics.js';
import { combineMaps, partsOf, shrinkMap } from './maps.js';
import { classOf, loadNetwork, networkOf, packNetwork } from './networks.js';
import { PERCENTILES, STEPS } from './plan.js';

/** @typedef {import('./rows.js').Row} Row */
/** @typedef {import('./plan.js').Task} Task */
/** @typedef {import('./networks.js').Network} Network */
/** @typedef {{ row: Row, metrics: string[] }} Job a row's part of a task */
/** @typedef {{ measures: Record<string, any>, seconds?: number, bytes?: number }} Entry a map's numbers, its processor time and memory */

/** Pixels of a mosaic's side for each of the input's: as many as the largest zoom sees, so that zooming shows more than there was already. */
const MOSAIC_ZOOM = 3;

/** Networks by name, loaded when first asked for. */
export function openNetworks(zoo) {
  const loaded = new Map();
  return (name) => {
    if (!loaded.has(name)) loaded.set(name, loadNetwork(name, zoo));
    return loaded.get(name);
  };
}

/** Seconds that this process has computed so far, whatever else the machine does. */
export function processorSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/**
 * Makes rows' maps of one picture. Rows that combine zooms take the maps of single zooms that other rows have; all of them are told what
 * their parts took.
 *
 * @param {Network} net @param {{ image: object, target: number, preprocessing?: object }} subject
 * @returns {(row: Row) => Promise<{ map: import('./maps.js').GreyMap, seconds?: number, bytes?: number }>} maps of the network's input size
 */
export function mapMaker(net, { image, target, preprocessing }) {
  const made = new Map();
  const part = async (options) => {
    const key = JSON.stringify(options);
    if (!made.has(key)) {
      const before = processorSeconds();
      const { map, peakBytes } = await net.explain(image, { ...options, target, preprocessing });
      made.set(key, { map, seconds: processorSeconds() - before, bytes: peakBytes });
    }
    return made.get(key);
  };
  return async ({ map, explain }) => {
    if (map) return { map: map(net.inputSize) };
    const parts = [];
    for (const options of partsOf(explain)) parts.push(await part(options));
    const before = processorSeconds();
    const combined = combineMaps(
      parts.map((one) => one.map),
      explain.combine ?? 'product',
    );
    const combining = processorSeconds() - before;
    return {
      map: shrinkMap(combined, net.inputSize),
      seconds: parts.reduce((sum, { seconds }) => sum + seconds, combining),
      bytes: Math.max(...parts.map(({ bytes }) => bytes)),
    };
  };
}

/**
 * Does all jobs of a task.
 *
 * @param {Task} task @param {readonly Job[]} jobs
 * @param {(name: string) => Promise<Network>} network see `openNetworks`
 * @param {string} zoo
 * @param {(job: Job, entry: Entry) => void} report called with each row's numbers
 */
export async function measureTask(task, jobs, network, zoo, report) {
  if (task.kind === 'randomization') return randomize(task, jobs, network, zoo, report);
  const net = await network(task.network);
  const one = await (task.kind === 'picture' ? openPicture : openMosaic)(task, net);
  const make = mapMaker(net, one);
  for (const job of jobs) {
    const { map, seconds, bytes } = await make(job.row);
    report(job, { seconds, bytes, measures: await one.measure(map, job.metrics) });
  }
}

/** The explained class of a picture by itself. */
async function targetOf(name, net, picture) {
  const probabilities = async () => (await net.predict(picture.path)).probabilities;
  return classOf(networkOf(name), picture, net.labels, probabilities);
}

async function openPicture({ network, pictures: [picture] }, net) {
  const target = await targetOf(network, net, picture);
  const probe = await openProbe(net, picture.path, { target });
  const ground = { probe, ...(await readGround(picture, probe, net.inputSize)) };
  const measure = (map, metrics) => measureMap(map, ground, { metrics, steps: STEPS, percentiles: PERCENTILES });
  return { image: probe.image, target, measure };
}

async function openMosaic({ network, kind, pictures, cell }, net) {
  const target = await targetOf(network, net, pictures[cell]);
  const images = await Promise.all(pictures.map(async ({ path }) => (await net.preprocess(path)).image));
  const { image, cells } = composeMosaic(images, MOSAIC_ZOOM * net.inputSize);
  const small = (rect) => Object.fromEntries(Object.entries(rect).map(([name, x]) => [name, x / MOSAIC_ZOOM]));
  const own = { image: { ...image, width: net.inputSize, height: net.inputSize }, cells: cells.map(small) };
  const measure = async (map) => ({ [kind]: gridPointing(map, own, cell) });
  return { image, target, preprocessing: { fit: 'squash' }, measure }; // so that all of the mosaic is seen
}

/** How much of a network becomes random, from the last layer on: the classes alone, thirds of its layers, all. */
const depths = (count) => ({ head: 1, third: Math.ceil(count / 3), most: Math.ceil((2 * count) / 3), all: count });

/**
 * The parameter randomisation test on some photographs: how like rows' maps stay while the network's layers turn random. Means over the
 * pictures.
 */
async function randomize({ network: name, pictures }, jobs, network, zoo, report) {
  const net = await network(name);
  const targets = [];
  for (const picture of pictures) targets.push(await targetOf(name, net, picture));
  const mapsOf = async (of) => {
    const makers = pictures.map(({ path }, i) => mapMaker(of, { image: path, target: targets[i] }));
    const maps = new Map();
    for (const { row } of jobs) {
      const own = [];
      for (const make of makers) own.push((await make(row)).map);
      maps.set(row.name, own);
    }
    return maps;
  };
  const packed = await packNetwork(name, zoo);
  const layers = layersFromHead(packed);
  const trained = await mapsOf(net);
  const steps = new Map(jobs.map(({ row }) => [row.name, {}]));
  for (const [depth, count] of Object.entries(depths(layers.length))) {
    const changed = await loadNetwork(name, zoo, { weights: randomizeWeights(packed, layers.slice(0, count)) });
    const maps = await mapsOf(changed);
    changed.dispose();
    for (const [row, own] of maps) {
      const mean = (like) => own.reduce((sum, map, i) => sum + like(trained.get(row)[i], map), 0) / own.length;
      steps.get(row)[depth] = { correlation: mean(rankCorrelation), similarity: mean(ssim) };
    }
  }
  for (const job of jobs) report(job, { measures: { steps: steps.get(job.row.name) } });
}
