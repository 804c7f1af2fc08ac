#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { own, registerEmbed } from './embed.js';

/**
 * What WebAssembly's vectors allow on this machine, and the least time of a network's pooled pass by it:
 *
 *     node bench/roofline.js [FILE.onnx ...]      two threads; after npm run build
 *
 * - `arithmetic`: GFLOP/s of multiply-adds of 128 bits whose operands all are in registers. Nothing can be faster.
 * - `tile`: GFLOP/s of `multiplyTile`, the loop of the convolutions, its operands in the L1 cache.
 * - `memory`: GB/s of reading more than the caches hold.
 *
 * Work of others makes the rates smaller: the best of many short measurements counts, but let the machine be idle.
 */
const SOURCE = `
/** 2 * 4 * 12 FLOP a round, 12 sums in registers. */
export function arithmetic(rounds: i32): f32 {
  const x = f32x4.splat(1.0001);
  const w = f32x4.splat(0.9999);
  let s0 = x, s1 = x, s2 = x, s3 = x, s4 = x, s5 = x, s6 = x, s7 = x, s8 = x, s9 = x, s10 = x, s11 = x;
  for (let i = 0; i < rounds; i++) {
${Array.from({ length: 12 }, (_, i) => `    s${i} = f32x4.relaxed_madd(x, w, s${i});`).join('\n')}
  }
  return f32x4.extract_lane(${Array.from({ length: 12 }, (_, i) => `s${i}`).reduce((a, b) => `f32x4.add(${a}, ${b})`)}, 0);
}
export function read(from: usize, end: usize): f32 {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (; from < end; from += 64) {
    s0 = f32x4.add(s0, v128.load(from, 0));
    s1 = f32x4.add(s1, v128.load(from, 16));
    s2 = f32x4.add(s2, v128.load(from, 32));
    s3 = f32x4.add(s3, v128.load(from, 48));
  }
  return f32x4.extract_lane(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)), 0);
}`;

/** Each measurement takes so many milliseconds on all threads at once, and is repeated: the best counts, other work only disturbs. */
const WINDOW = 5;
const REPETITIONS = 100;

/** Bytes that a thread reads: more than its share of any cache. */
const READ = 192 * 2 ** 20;

/** The depth of a block in multiplyTile (assembly/tile.ts). */
const DEPTH = 256;

/** Work of one call of each measurement, as billions of FLOP or bytes. */
const CALLS = {
  arithmetic: { amount: (2 * 4 * 12 * 100_000) / 1e9, run: ({ vectors }) => vectors.arithmetic(100_000) },
  tile: {
    amount: (100 * 2 * 5 * 8 * DEPTH) / 1e9,
    run({ kernels }) {
      for (let i = 0; i < 100; i++) kernels.multiplyTile(4096, DEPTH, 16384, 32768);
    },
  },
  memory: { amount: READ / 1e9, run: ({ vectors }) => vectors.read(65536, 65536 + READ) },
};

/** The rates of `threads` threads together, in billions a second. */
export async function measureRates(threads) {
  if (Number.parseInt(process.versions.node, 10) < 21) setFlagsFromString('--experimental-wasm-relaxed-simd');
  const { default: asc } = await import('assemblyscript/asc');
  const { binary, stderr } = await asc.compileString(SOURCE, {
    optimizeLevel: 3,
    noAssert: true,
    runtime: 'stub',
    enable: ['simd', 'relaxed-simd'],
    initialMemory: READ / 65536 + 2,
  });
  if (!binary) throw new Error(`roofline: ${stderr}`);
  const meeting = new SharedArrayBuffer(4);
  const workers = Array.from(
    { length: threads },
    () => new Worker(fileURLToPath(import.meta.url), { workerData: { binary, meeting, threads } }),
  );
  const rates = await Promise.all(
    workers.map(
      (worker) =>
        new Promise((done, fail) => {
          worker.once('message', done);
          worker.once('error', fail);
        }),
    ),
  );
  const best = (name) => Math.max(...rates[0][name].map((_, i) => rates.reduce((sum, of) => sum + of[name][i], 0)));
  return Object.fromEntries(Object.keys(CALLS).map((name) => [name, best(name)]));
}

/** A thread's rate in each repetition, which all begin together. */
function measureHere({ binary, meeting, threads }) {
  const env = { abort() {} };
  const vectors = new WebAssembly.Instance(new WebAssembly.Module(binary), { env }).exports;
  new Uint8Array(vectors.memory.buffer).fill(1); // what was never written is one page of zeros, which a cache holds
  const built = readFileSync(new URL('../build/kernels.relaxed.wasm', import.meta.url));
  const memory = new WebAssembly.Memory({ initial: 16 });
  const kernels = new WebAssembly.Instance(new WebAssembly.Module(built), { env: { ...env, memory } }).exports;
  const all = new Int32Array(meeting);
  let met = 0;
  const rates = {};
  for (const [name, { amount, run }] of Object.entries(CALLS)) {
    rates[name] = [];
    run({ vectors, kernels });
    for (let i = 0; i < REPETITIONS; i++) {
      met += threads;
      if (Atomics.add(all, 0, 1) + 1 === met) Atomics.notify(all, 0);
      for (let now = Atomics.load(all, 0); now < met; now = Atomics.load(all, 0)) Atomics.wait(all, 0, now, 1);
      const begin = performance.now();
      let calls = 0;
      for (; performance.now() - begin < WINDOW; calls++) run({ vectors, kernels });
      rates[name].push((calls * amount) / ((performance.now() - begin) / 1000));
    }
  }
  return rates;
}

/**
 * What a network's pooled pass has to compute: multiply-adds of direct convolutions, of Winograd's products, of depthwise convolutions and
 * of dense layers, and bytes of the dense layers' weights where no cache holds them. Sums, activations and transforms are left out.
 *
 * @param {string} path
 * @returns {Promise<{ direct: number, winograd: number, depthwise: number, dense: number, bytes: number }>}
 */
export async function countWork(path) {
  registerEmbed();
  const { openWeights } = await own('weights/open.js');
  const { convLayer, isDepthwise } = await own('operators/conv.js');
  const { convKernel } = await own('operators/convolution.js');
  const { winogradPlan } = await own('wasm/ops/winograd.js');
  const { nodeMacs } = await own('plan/steps.js');
  const { graph, close } = await openWeights(path);
  close();
  const work = { direct: 0, winograd: 0, depthwise: 0, dense: 0, bytes: 0 };
  for (const node of graph.nodes) {
    const { op, shape } = node;
    const macs = nodeMacs(graph, node, shape.h * shape.w);
    if (op === 'dense') {
      work.dense += macs;
      work.bytes += 4 * macs;
    } else if (op !== 'conv') continue;
    else if (isDepthwise(graph, node)) work.depthwise += macs;
    else if (convKernel(convLayer(graph, node), 'fast', 0).algorithm === 'winograd')
      work.winograd += winogradPlan(graph.nodes[node.from[0]].shape, shape.c, 1).products;
    else work.direct += macs;
  }
  return work;
}

/** Dense layers of fewer bytes may stay in a cache from one picture to the next. */
const CACHED = 64 * 2 ** 20;

/** Milliseconds that the work takes at least, at a rate of multiply-adds in GFLOP/s. */
export function leastTime({ direct, winograd, depthwise, dense, bytes }, rate, memory) {
  const multiplied = (macs) => (2e-6 * macs) / rate;
  const reading = bytes > CACHED ? (1e-6 * bytes) / memory : 0;
  return multiplied(direct + winograd + depthwise) + Math.max(multiplied(dense), reading);
}

async function main(files) {
  const rates = await measureRates(2);
  const { arithmetic, tile, memory } = rates;
  const [whole, loop, read] = [arithmetic, tile, memory].map((rate) => rate.toFixed(0));
  console.log(`two threads: arithmetic ${whole} GFLOP/s, multiplyTile ${loop} GFLOP/s, memory ${read} GB/s`);
  for (const file of files) {
    const work = await countWork(file);
    const [least, byTile] = [arithmetic, tile].map((rate) => leastTime(work, rate, memory).toFixed(1));
    const parts = ['direct', 'winograd', 'depthwise', 'dense'].map(
      (part) => `${part} ${((2 * work[part]) / 1e9).toFixed(2)}`,
    );
    console.log(`${basename(file)}: GFLOP ${parts.join(', ')}; at least ${least} ms, by multiplyTile ${byTile} ms`);
  }
}

if (!isMainThread && workerData?.meeting) parentPort.postMessage(measureHere(workerData));
else if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  await main(process.argv.slice(2));
