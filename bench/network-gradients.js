#!/usr/bin/env node
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine, median } from './alternate.js';
import { noise } from './noise.js';

const help = `node bench/network-gradients.js FILE [--cases pooled,dilated,mean] [--wrt input] [--threads N] [--kernels relaxed] [--runs 1] [--json FILE]

Time of gradients() against the forward pass (predict()) of the same mode, and memory, each case in a fresh process. The first
gradient of a process, which makes the adjoint kernels, is told apart. 'mean' is atrous with the dense score; its forward pass is
that of Grad-CAM.`;

/**
 * @typedef {{ threads?: string, kernels?: 'auto' | 'simd' | 'relaxed', wrt: string, runs: string, cases: string, json?:
 *   string }} Options
 */

/**
 * Seconds of the forward pass, the first gradient and later ones, bytes of maps and scratch, and the highest resident set in MB after
 * loading and in all.
 *
 * @param {string} file @param {string} name @param {Options} options
 */
async function measure(file, name, { threads, kernels, wrt, runs }) {
  const { load } = await import('../dist/index.js');
  const net = await load(file, { threads: Number(threads) || undefined, kernels });
  const size = net.inputSize;
  const image = { width: size, height: size, data: noise(3 * size * size) };
  const loaded = peakResident();
  const mode = name === 'mean' ? 'atrous' : name;
  const heads = name === 'mean' ? 'mean' : 'one';
  const timed = async (/** @type {() => Promise<{ peakBytes?: number }>} */ call) => {
    const start = performance.now();
    const { peakBytes } = await call();
    return { seconds: (performance.now() - start) / 1000, peakBytes };
  };
  const gradient = () => timed(() => net.gradients(image, { mode, heads, target: 0, wrt: wrt.split(',') }));
  const forward = () =>
    timed(() => (name === 'mean' ? net.explain(image, { mode, target: 0 }) : net.predict(image, { mode })));
  await net.predict(image); // warm
  const first = await gradient();
  const [forwards, gradients] = [[], []];
  for (let i = 0; i < Number(runs); i++) {
    forwards.push((await forward()).seconds);
    gradients.push((await gradient()).seconds);
  }
  net.dispose();
  return {
    name,
    forward: median(forwards),
    first: first.seconds,
    gradient: median(gradients),
    peakBytes: first.peakBytes,
    loaded,
    resident: peakResident(),
    kernels: net.kernels,
    threads: net.threads,
  };
}

const peakResident = () => (process.resourceUsage().maxRSS * 1024) / 1e6;

/** @param {string} file @param {Options} options */
function compare(file, options) {
  const self = fileURLToPath(import.meta.url);
  const { threads = '', kernels = 'auto', wrt, runs, json } = options;
  console.log(`${cpus()[0].model}, Node ${process.version}, with respect to ${wrt}`);
  console.log('case       kernels  threads  forward s  gradient s  ratio  first s  maps MB  loaded MB  peak MB');
  const rows = options.cases.split(',').map((name) => {
    const args = [self, file, '--one', name, '--threads', threads, '--kernels', kernels, '--wrt', wrt, '--runs', runs];
    const row = JSON.parse(execFileSync(process.execPath, args).toString());
    const cells = [
      row.name.padEnd(9),
      row.kernels.padStart(9),
      String(row.threads).padStart(9),
      row.forward.toFixed(2).padStart(11),
      row.gradient.toFixed(2).padStart(12),
      (row.gradient / row.forward).toFixed(2).padStart(7),
      row.first.toFixed(2).padStart(9),
      (row.peakBytes / 1e6).toFixed(0).padStart(9),
      row.loaded.toFixed(0).padStart(11),
      row.resident.toFixed(0).padStart(9),
    ];
    console.log(cells.join(''));
    return row;
  });
  if (json) writeFileSync(json, `${JSON.stringify({ machine: machine(), wrt, rows }, null, 1)}\n`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cases: { type: 'string', default: 'pooled,dilated,mean' },
    wrt: { type: 'string', default: 'input' },
    threads: { type: 'string' },
    kernels: { type: 'string' },
    runs: { type: 'string', default: '1' },
    json: { type: 'string' },
    one: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const options = /** @type {Options} */ (values);
if (values.help || positionals.length !== 1) console.log(help);
else if (values.one) console.log(JSON.stringify(await measure(positionals[0], values.one, options)));
else compare(positionals[0], options);
