#!/usr/bin/env node
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { load } from '../dist/index.js';
import { alternate, machine, median, ratio } from './alternate.js';
import { noise } from './noise.js';
import { openPeer, PEERS } from './peers/open.js';
import { countWork, leastTime, measureRates } from './roofline.js';

const help = `node bench/families.js FOLDER|FILE... [options]

Networks of all families, as ONNX files (python3 bench/peers/networks.py FOLDER makes them): the time of a pooled
forward pass against other runtimes, alternating in one run, of Grad-CAM in all, and the least that this machine's
128-bit vectors allow (bench/roofline.js).

  --networks A,B     of these files only
  --peers A,B        onnxruntime-node (default), onnxruntime-web, tfjs-wasm, or none;
                     first: npm ci --ignore-scripts --prefix bench/peers
  --atrous A,B       output strides of Grad-CAM in atrous that are timed too, such as 4,1 (default: none)
  --kernels SET      relaxed (default) or simd
  --threads N        2 by default
  --rounds N         rounds that are measured, 15 by default
  --json FILE        writes the rows
`;

const text = { type: /** @type {const} */ ('string') };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    networks: text,
    peers: text,
    atrous: text,
    kernels: text,
    threads: text,
    rounds: text,
    json: text,
    help: { type: 'boolean' },
  },
});
const threads = Number(values.threads ?? 2);
const rounds = Number(values.rounds ?? 15);
const peers = values.peers === 'none' ? [] : (values.peers ?? 'onnxruntime-node').split(',');

/**
 * Milliseconds that each contestant works without a pause, as in a folder of photographs. Alternating call by call, all would be measured
 * as they wake up: EfficientNet-B0 took 39 instead of 19 ms on two threads of a virtual machine.
 */
const BLOCK = 300;

async function repeat(run, times) {
  for (let i = 0; i < times; i++) await run();
}

/** The largest difference of two lists, as a share of the largest value. */
function difference(a, b) {
  const most = a.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i])), 0) / most;
}

async function benchFile(path, name) {
  const net = await load(path, {
    threads,
    kernels: values.kernels ?? 'relaxed',
    preprocessing: { normalization: 'unit', fit: 'squash', resize: 'nearest' },
  });
  const [h, w] = [net.inputSize, net.inputSize];
  const image = { width: w, height: h, data: noise(3 * h * w) };
  const input = Float32Array.from(image.data, (value) => value / 255);
  const others = [];
  for (const peer of peers) others.push({ peer, ...(await openPeer(peer, path, input, [h, w], threads)) });
  const { logits } = await net.predict(image);
  const apart = [];
  for (const { peer, run } of others) apart.push([peer, difference(await run(), logits)]);
  const strides = values.atrous ? values.atrous.split(',').map(Number) : [];
  const calls = [
    { name: 'predict', run: () => net.predict(image) },
    { name: 'gradcam', run: () => net.explain(image, { mode: 'pooled', target: 0 }) },
    ...others.map(({ peer, run }) => ({ name: peer, run })),
  ];
  const blocks = [];
  for (const { name, run } of calls) {
    await run();
    const begin = performance.now();
    await run();
    const times = Math.max(1, Math.min(20, Math.round(BLOCK / (performance.now() - begin))));
    blocks.push({ name, times, run: () => repeat(run, times) });
  }
  const quick = await alternate(blocks, rounds);
  for (const { name, times } of blocks)
    quick.set(
      name,
      quick.get(name).map((time) => time / times),
    );
  const long = await alternate(
    strides.map((outputStride) => ({
      name: `atrous ${outputStride}`,
      run: () => net.explain(image, { mode: 'atrous', outputStride, target: 0 }),
    })),
    strides.length ? 3 : 0,
  );
  const times = Object.fromEntries([...quick, ...long].map(([key, list]) => [key, median(list)]));
  const ratios = Object.fromEntries(peers.map((peer) => [peer, ratio(quick.get('predict'), quick.get(peer))]));
  const { macs } = net.plan('pooled');
  const { peakBytes } = await net.explain(image, { mode: 'pooled', target: 0 });
  const work = await countWork(path);
  const row = { name, macs, work, times, ratios, peakBytes, apart: Object.fromEntries(apart) };
  for (const { dispose } of others) await dispose();
  net.dispose();
  return row;
}

function format({ name, macs, work, times, ratios, peakBytes, apart }, { arithmetic, memory }) {
  const all = Object.entries(times).map(([key, time]) => `${key} ${time.toFixed(1)} ms`);
  const against = Object.entries(ratios).map(
    ([peer, { ratio: of, least, most }]) =>
      `${of.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)}) of ${peer}, outputs ${apart[peer].toExponential(1)} apart`,
  );
  const rate = `${((2e-6 * macs) / times.predict).toFixed(0)} GFLOP/s`;
  const least = `at least ${leastTime(work, arithmetic, memory).toFixed(1)} ms`;
  return [name, rate, ...all, ...against, least, `${(peakBytes / 1e6).toFixed(0)} MB`].join('; ');
}

/** The ONNX files of folders, and files. */
const filesOf = (paths) =>
  paths.flatMap((path) =>
    statSync(path).isDirectory()
      ? readdirSync(path)
          .filter((file) => file.endsWith('.onnx'))
          .map((file) => join(path, file))
      : [path],
  );

if (values.help || positionals.length === 0) console.log(help);
else {
  const unknown = peers.find((peer) => !PEERS.includes(peer));
  if (unknown) throw new Error(`--peers: expected some of ${PEERS.join(', ')}, got "${unknown}"`);
  const wanted = values.networks?.split(',');
  const before = await measureRates(threads);
  const rows = [];
  for (const file of filesOf(positionals)) {
    const name = basename(file, '.onnx');
    if (wanted && !wanted.includes(name)) continue;
    const row = await benchFile(file, name);
    rows.push(row);
    console.log(format(row, before));
  }
  const after = await measureRates(threads); // the better of both: other work only slows them
  const rates = Object.fromEntries(Object.entries(before).map(([name, rate]) => [name, Math.max(rate, after[name])]));
  if (values.json)
    writeFileSync(values.json, `${JSON.stringify({ machine: machine(), threads, rates, rows }, null, 1)}\n`);
}
