#!/usr/bin/env node
/**
 * The Winograd convolution by itself, one thread: node bench/winograd.js [repetitions [FILE.json]], after npm run build.
 * Prints effective GFLOP/s (two per multiply-accumulate of the direct convolution), median and best, the share of its three
 * steps, and the GEMM's own rate, of tiles of 4x4 and of 6x6 (which are given their weights). Builds take turns, and processor time is counted, so that other work on the machine
 * disturbs less.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { RELU } from '../build/js/wasm/job.js';
import { winogradJobs, winogradPlan, winogradWeightBytes, winogradWeightsJob } from '../build/js/wasm/ops/winograd.js';
import { machine } from './alternate.js';

// Node 21 and later have relaxed SIMD without a flag, and do not know this one any more.
if (Number.parseInt(process.versions.node, 10) < 21) setFlagsFromString('--experimental-wasm-relaxed-simd');
const repetitions = Number(process.argv[2] ?? 9);
const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url));

const now = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** One build of the kernels with one convolution's maps, ready to run. */
class Case {
  /** Milliseconds of each kernel, a map for each run. */
  runs = [];
  #memory = new WebAssembly.Memory({ initial: 1 });
  #top = 4096;

  constructor(build, { side, dilation, cin, cout }, wide) {
    const module = new WebAssembly.Module(read(`build/kernels.${build}.wasm`));
    this.kernels = new WebAssembly.Instance(module, { env: { memory: this.#memory, abort() {} } }).exports;
    this.name = wide ? `${build} 6x6` : build;
    this.args = this.#alloc(256);
    this.scratch = this.#alloc(65536);
    const view = (c) => ({ ptr: this.#random(side * side * c), h: side, w: side, c, row: side * c, pix: c });
    const x = view(cin);
    const u = this.#alloc(winogradWeightBytes(cin, cout));
    this.run(winogradWeightsJob(this.#random(9 * cin * cout), u, cin, cout));
    const tile = wide ? 6 : 4;
    const { bytes, products } = winogradPlan(x, cout, dilation, undefined, tile);
    this.products = products;
    const workspace = { ptr: this.#alloc(bytes), bytes };
    const weights = { ptr: u, bias: this.#random(cout), cin, cout };
    const all = winogradJobs(x, weights, view(cout), { dilation, clip: RELU, tile }, workspace);
    this.jobs = all.filter(({ kernel }) => kernel !== 'winogradWiden');
    if (wide) this.run(all[0]);
  }

  run({ kernel, args, tasks }) {
    new Int32Array(this.#memory.buffer, this.args, args.length).set(args);
    const call = this.kernels[kernel];
    for (let task = 0; task < tasks; task++) call(this.args, task, this.scratch);
  }

  time() {
    const times = { winogradInput: 0, winogradGemm: 0, winogradOutput: 0 };
    const start = now();
    for (const job of this.jobs) {
      const from = now();
      this.run(job);
      times[job.kernel] += now() - from;
    }
    this.runs.push({ ...times, all: now() - start });
  }

  #alloc(bytes) {
    const ptr = Math.ceil(this.#top / 64) * 64;
    this.#top = ptr + bytes;
    const missing = this.#top - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / 65536));
    return ptr;
  }

  /** `length` numbers in 0..1. */
  #random(length) {
    const ptr = this.#alloc(length * 4);
    const data = new Float32Array(this.#memory.buffer, ptr, length);
    for (let i = 0, state = 1; i < length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      data[i] = state / 2 ** 32;
    }
    return ptr;
  }
}

const rows = [];
const shapes = [
  { side: 56, dilation: 4, cin: 512, cout: 512 },
  { side: 56, dilation: 2, cin: 512, cout: 512 },
  { side: 56, dilation: 1, cin: 256, cout: 256 },
  { side: 112, dilation: 1, cin: 128, cout: 128 },
  { side: 224, dilation: 1, cin: 64, cout: 64 },
];

for (const shape of shapes) {
  const { side, dilation, cin, cout } = shape;
  const cases = ['simd', 'relaxed'].flatMap((build) => [false, true].map((wide) => new Case(build, shape, wide)));
  // The first run compiles and is not counted.
  for (let i = 0; i <= repetitions; i++) for (const each of cases) each.time();
  console.log(`${side}x${side} ${cin} -> ${cout}, ${dilation ** 2} phases`);
  for (const { name, runs, products: multiplied, jobs } of cases) {
    const sorted = runs.slice(1).sort((a, b) => a.all - b.all);
    const median = sorted[sorted.length >> 1];
    const rate = (products, ms) => ((2 * products) / ms / 1e6).toFixed(0).padStart(4);
    const products = 9 * side * side * cin * cout;
    const { all, winogradInput: input, winogradGemm: gemm, winogradOutput: output } = median;
    const effective = (2e-6 * products) / all;
    rows.push({
      ...shape,
      kernels: name,
      effective,
      gemm: (2e-6 * multiplied) / gemm,
      shares: [input, gemm, output].map((ms) => ms / all),
    });
    const share = (kernel) => `${((100 * median[kernel]) / median.all).toFixed(0)}%`.padStart(3);
    console.log(
      `  ${name.padEnd(12)}${rate(products, median.all)} GFLOP/s, best ${rate(products, sorted[0].all)};` +
        ` input ${share('winogradInput')}, GEMM ${share('winogradGemm')} at ${rate(multiplied, median.winogradGemm)} GFLOP/s,` +
        ` output ${share('winogradOutput')}; ${jobs.length / 3} passes`,
    );
  }
}
if (process.argv[3]) writeFileSync(process.argv[3], `${JSON.stringify({ machine: machine(), rows }, null, 1)}\n`);
