#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import Benchmark from 'benchmark';
import { view } from '../build/js/wasm/job.js';
import { convJob, packConvJob, packedConvBytes } from '../build/js/wasm/ops/conv.js';
import { denseInputGradientJob, denseJob } from '../build/js/wasm/ops/dense.js';
import { gemmJob, matrix } from '../build/js/wasm/ops/gemm.js';
import { maxPoolBackwardJob, maxPoolJob } from '../build/js/wasm/ops/pool.js';

/** VGG16's different convolutions, and the last block's in `dilated` and `atrous`: [side, input channels, output channels, dilation]. */
const convolutions = [
  [224, 3, 64, 1],
  [224, 64, 64, 1],
  [112, 64, 128, 1],
  [112, 128, 128, 1],
  [56, 128, 256, 1],
  [56, 256, 256, 1],
  [28, 256, 512, 1],
  [28, 512, 512, 1],
  [14, 512, 512, 1],
  [112, 512, 512, 8],
];

/**
 * The kernels by themselves, one thread, both instruction sets (in Node 20 relaxed SIMD is switched on by V8's flag), after
 * `npm run build`. Operands are random, the memory is that of one operation. GFLOP/s count two per multiply-accumulate.
 *
 * @param {{ seconds?: number, filter?: string }} options seconds: time for each line; filter: part of the lines' names
 */
export async function benchKernels({ seconds = 1, filter = '' } = {}) {
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  console.log(`${cpus()[0].model}, Node ${process.version}, one thread`);
  console.log('kernel                               set        median ms   best ms   spread   GFLOP/s      GB/s');
  for (const operation of operations().filter(({ name }) => name.includes(filter))) {
    for (const set of ['simd', 'relaxed']) {
      const kernels = new Kernels(set);
      const job = operation.prepare(kernels);
      const { median, best, spread } = await measure(() => kernels.run(job), seconds);
      const rate = (amount) => (amount ? (amount / median / 1e6).toFixed(1) : '').padStart(10);
      const times = [median.toFixed(2).padStart(9), best.toFixed(2).padStart(10), `±${spread.toFixed(0)}%`.padStart(9)];
      console.log(
        operation.name.padEnd(37) + set.padEnd(11) + times.join('') + rate(operation.flops) + rate(operation.bytes),
      );
    }
  }
}

/** What is measured: a name, its FLOPs or the bytes that it must at least move, and how to make its job. */
function operations() {
  const direct = convolutions.map(([side, cin, cout, dilation]) => ({
    name: `conv3x3 ${side}x${side} ${cin}->${cout} dilation ${dilation}`,
    flops: 2 * 9 * side * side * cin * cout,
    prepare(k) {
      const size = { rows: 3, columns: 3, cin, cout };
      const packed = { ...size, ptr: k.alloc(packedConvBytes(size) / 4) };
      k.run(packConvJob(k.random(9 * cin * cout), packed));
      const x = view(k.random(side * side * cin), side, side, cin);
      const y = view(k.alloc(side * side * cout), side, side, cout);
      const clip = { low: 0, high: Number.POSITIVE_INFINITY };
      return convJob(x, packed, y, { stride: 1, dilation, startY: -dilation, startX: -dilation, clip });
    },
  }));
  const fc1 = { in: 25088, out: 4096 };
  const pool = { size: 2, stride: 2, dilation: 1, offsetY: 0, offsetX: 0 };
  const [m, n, depth] = [256, 1024, 4096];
  return [
    ...direct,
    {
      name: 'dense 25088 -> 4096',
      bytes: 4 * fc1.in * fc1.out,
      prepare: (k) =>
        denseJob({ ...fc1, x: k.random(fc1.in), w: k.random(fc1.in * fc1.out), b: 0, y: k.alloc(fc1.out), relu: true }),
    },
    {
      name: 'denseInputGradient 25088 -> 4096',
      bytes: 4 * fc1.in * fc1.out,
      prepare: (k) =>
        denseInputGradientJob({
          ...fc1,
          dy: k.random(fc1.out),
          w: k.random(fc1.in * fc1.out),
          mask: 0,
          dx: k.alloc(fc1.in),
        }),
    },
    {
      name: `gemm ${m}x${depth} times ${depth}x${n}`,
      flops: 2 * m * n * depth,
      prepare: (k) =>
        gemmJob(
          matrix(k.random(m * depth), m, depth),
          matrix(k.random(depth * n), depth, n),
          matrix(k.alloc(m * n), m, n),
        ),
    },
    {
      name: 'maxPool 2x2 of 224x224x64',
      bytes: 4 * 224 * 224 * 64 * 1.25,
      prepare: (k) =>
        maxPoolJob(view(k.random(224 * 224 * 64), 224, 224, 64), view(k.alloc(112 * 112 * 64), 112, 112, 64), pool),
    },
    {
      name: 'maxPoolBackward 2x2 of 224x224x64',
      bytes: 4 * 224 * 224 * 64 * 2.25,
      prepare: (k) =>
        maxPoolBackwardJob(
          view(k.random(224 * 224 * 64), 224, 224, 64),
          view(k.random(112 * 112 * 64), 112, 112, 64),
          view(k.alloc(224 * 224 * 64), 224, 224, 64),
          pool,
        ),
    },
  ];
}

/** One build on a memory of its own. */
class Kernels {
  #memory = new WebAssembly.Memory({ initial: 1 });
  #top = 1024;

  constructor(set) {
    const module = new WebAssembly.Module(readFileSync(new URL(`../build/kernels.${set}.wasm`, import.meta.url)));
    const env = { memory: this.#memory, abort() {} };
    this.kernels = new WebAssembly.Instance(module, { env }).exports;
    this.args = this.alloc(64);
    this.scratch = this.alloc(16384);
  }

  /** Address of `floats` floats. */
  alloc(floats) {
    const ptr = this.#top;
    this.#top += Math.ceil(floats / 16) * 64;
    const missing = this.#top - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / 65536));
    return ptr;
  }

  /** Address of `length` floats in [-0.5, 0.5): a linear congruential generator, the same numbers each time. */
  random(length) {
    const ptr = this.alloc(length);
    const floats = new Float32Array(this.#memory.buffer, ptr, length);
    for (let i = 0, state = 1; i < length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      floats[i] = state / 2 ** 32 - 0.5;
    }
    return ptr;
  }

  run({ kernel, args, tasks }) {
    new Int32Array(this.#memory.buffer, this.args, args.length).set(args);
    const call = this.kernels[kernel];
    for (let task = 0; task < tasks; task++) call(this.args, task, this.scratch);
  }
}

/** Median and best milliseconds of a call, and half the range in percent of the median. */
function measure(call, maxTime) {
  for (let i = 0; i < 3; i++) call(); // V8's optimising compiler takes over
  return new Promise((resolve) => {
    new Benchmark({
      fn: call,
      maxTime,
      minSamples: 5,
      onComplete() {
        const times = this.stats.sample.map((s) => 1000 * s).sort((a, b) => a - b);
        const median = times[Math.floor(times.length / 2)];
        resolve({ median, best: times[0], spread: (50 * (times.at(-1) - times[0])) / median });
      },
    }).run({ async: true });
  });
}

if (process.argv[1] === new URL(import.meta.url).pathname) await benchKernels({ filter: process.argv[2] });
