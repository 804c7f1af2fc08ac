/**
 * Reads damaged files in a process of its own, which can be watched and ended: `node test/fuzz/child.js FORMAT FIRST COUNT`. Prints
 * one JSON line as it begins each 50 and at the end, with what it has found.
 */
import { AtrousCamError, load, verifyWeights } from '../../dist/index.js';
import { damaged, imageFiles, seeds } from './corpus.js';
import { networkFiles, networkFormats } from './networks.js';

const [format, first, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const isImage = Object.hasOwn(imageFiles, format);
const isNetwork = networkFormats.includes(format);
const networks = isNetwork ? networkFiles(format) : undefined;
const files = networks?.whole ?? seeds(format);
/** @param {number} seed */
const source = (seed) => networks?.damaged(seed) ?? damaged(format, /** @type {Uint8Array[]} */ (files), seed);
/** What a file may be refused with: graphs can also be right but of kinds that are not supported, or name files that are not there. */
const codes = isImage
  ? ['BAD_IMAGE']
  : ['BAD_WEIGHTS', ...(isNetwork ? ['UNSUPPORTED', 'NOT_FOUND', 'BAD_ARGUMENT'] : [])];
/** A network whose runs take no time: what counts is the decoding before. */
const network = isImage ? await load(seeds('safetensors')[0], { threads: 1 }) : undefined;
/** @param {import('./networks.js').Source} file */
const read = (file) => (network ? network.predict(/** @type {Uint8Array} */ (file)) : verifyWeights(file));
for (const file of files) await read(file); // libraries are loaded, code is compiled: not the damaged files' doing
globalThis.gc?.();
const before = process.memoryUsage.rss();

const result = {
  inputs: 0,
  loaded: 0,
  refused: 0,
  slowest: 0,
  slowestSeed: 0,
  memory: 0,
  wrong: /** @type {string[]} */ ([]),
};
const report = () => process.stdout.write(`${JSON.stringify(result)}\n`);
for (let seed = first; seed < first + count; seed++) {
  if (result.inputs % 50 === 0) report();
  const file = source(seed);
  const start = process.cpuUsage();
  try {
    await read(file);
    result.loaded++;
  } catch (error) {
    const ours = error instanceof AtrousCamError && codes.includes(error.code);
    if (ours && !/[\r\n]/.test(error.message)) result.refused++;
    else result.wrong.push(`${format} ${seed}: ${/** @type {Error} */ (error).stack ?? error}`.slice(0, 500));
  }
  const { user, system } = process.cpuUsage(start);
  const milliseconds = (user + system) / 1000; // of the processor, because the machine may be busy with something else
  if (milliseconds > result.slowest) [result.slowest, result.slowestSeed] = [milliseconds, seed];
  result.inputs++;
}
result.memory = process.resourceUsage().maxRSS * 1024 - before;
if (Object.keys(Object.prototype).length > 0) result.wrong.push('Object.prototype has been written to');
report();
process.exit(0);
