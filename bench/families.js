#!/usr/bin/env node
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { load } from '../dist/index.js';
import { alternate, machine, median, ratio } from './alternate.js';
import { noise } from './noise.js';

const help = `node bench/families.js FOLDER [options]

Networks of all families, as ONNX files (python3 bench/peers/networks.py FOLDER makes them): the time of a pooled
forward pass against other runtimes, alternating in one run, and of Grad-CAM in all.

  --networks A,B     of these files only
  --peers A,B        onnxruntime-node (default), onnxruntime-web, or none; first: npm ci --ignore-scripts --prefix bench/peers
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
const [folder] = positionals;
const threads = Number(values.threads ?? 2);
const rounds = Number(values.rounds ?? 15);
const peers = values.peers === 'none' ? [] : (values.peers ?? 'onnxruntime-node').split(',');

/** Another runtime with a file: `run` takes the network's input (1, 3, side, side). */
async function open(name, path) {
  const { default: runtime } = await import(`./peers/node_modules/${name}/dist/${ENTRY[name]}`);
  if (name === 'onnxruntime-web') runtime.env.wasm.numThreads = threads; // the first session of a process fixes it
  const session = await runtime.InferenceSession.create(readFileSync(path), {
    executionProviders: [name === 'onnxruntime-node' ? 'cpu' : 'wasm'],
    intraOpNumThreads: threads,
  });
  return {
    async run(x, [h, w]) {
      const results = await session.run({ [session.inputNames[0]]: new runtime.Tensor('float32', x, [1, 3, h, w]) });
      return results[session.outputNames[0]].data;
    },
    dispose: () => session.release(),
  };
}

const ENTRY = { 'onnxruntime-node': 'index.js', 'onnxruntime-web': 'ort.node.min.mjs' };

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
  const input = Float32Array.from(
    { length: 3 * h * w },
    (_, i) => image.data[3 * (i % (h * w)) + Math.floor(i / (h * w))] / 255,
  );
  const others = [];
  for (const peer of peers) others.push({ peer, ...(await open(peer, path)) });
  const { logits } = await net.predict(image);
  const apart = [];
  for (const { peer, run } of others) apart.push([peer, difference(await run(input, [h, w]), logits)]);
  const strides = values.atrous ? values.atrous.split(',').map(Number) : [];
  const calls = [
    { name: 'predict', run: () => net.predict(image) },
    { name: 'gradcam', run: () => net.explain(image, { mode: 'pooled', target: 0 }) },
    ...others.map(({ peer, run }) => ({ name: peer, run: () => run(input, [h, w]) })),
  ];
  await calls[0].run();
  const begin = performance.now();
  await calls[0].run();
  const repeats = Math.max(1, Math.min(20, Math.round(BLOCK / (performance.now() - begin))));
  const blocks = await alternate(
    calls.map(({ name, run }) => ({ name, run: () => repeat(run, repeats) })),
    rounds,
  );
  const quick = new Map([...blocks].map(([key, list]) => [key, list.map((time) => time / repeats)]));
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
  const row = { name, macs, times, ratios, peakBytes, apart: Object.fromEntries(apart) };
  for (const { dispose } of others) await dispose();
  net.dispose();
  return row;
}

function format({ name, macs, times, ratios, peakBytes, apart }) {
  const all = Object.entries(times).map(([key, time]) => `${key} ${time.toFixed(1)} ms`);
  const against = Object.entries(ratios).map(
    ([peer, { ratio: of, least, most }]) =>
      `${of.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)}) of ${peer}, outputs ${apart[peer].toExponential(1)} apart`,
  );
  const rate = `${((2e-6 * macs) / times.predict).toFixed(0)} GFLOP/s`;
  return [name, rate, ...all, ...against, `${(peakBytes / 1e6).toFixed(0)} MB`].join('; ');
}

if (values.help || !folder) console.log(help);
else {
  const wanted = values.networks?.split(',');
  const files = readdirSync(folder).filter(
    (file) => file.endsWith('.onnx') && (!wanted || wanted.includes(file.slice(0, -5))),
  );
  const rows = [];
  for (const file of files) {
    const row = await benchFile(join(folder, file), file.slice(0, -5));
    rows.push(row);
    console.log(format(row));
  }
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine: machine(), threads, rows }, null, 1)}\n`);
}
