#!/usr/bin/env node
/**
 * Depthwise convolutions and pools against a plain copy of the same map: node bench/depthwise.js [--threads N] [--rounds N] [PART of the names],
 * after npm run build. All of a map take turns, so that other work on the machine disturbs all alike; with one thread (the default)
 * processor time is counted. GB/s are what is read and written, a copy's is the memory's speed; the ratio is of GB/s, with its
 * spread over rounds.
 */
import { parseArgs } from 'node:util';
import { machine, median, ratio } from './alternate.js';
import { own, registerEmbed } from './embed.js';

registerEmbed();
const { view } = await own('wasm/job.js');
const { depthwiseInputGradientJob, depthwiseJob, depthwiseWeightGradientJobs } = await own('wasm/ops/depthwise.js');
const { copyJob } = await own('wasm/ops/map.js');
const { poolJob } = await own('wasm/ops/pool.js');
const { Runtime } = await own('wasm/runtime.js');

/** Rows and columns, channels: beyond the caches, in the L3 cache, in the L2 cache. */
const MAPS = [
  [224, 144],
  [224, 256],
  [112, 96],
  [56, 144],
  [14, 480],
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: 'string', default: '1' }, rounds: { type: 'string', default: '9' } },
});
const [threads, rounds] = [Number(values.threads), Number(values.rounds)];

const now = () => {
  if (threads > 1) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** What is measured on a map: a name, its multiply-accumulates and moved floats per element of the map, its jobs. */
function operations({ x, y, half, weights }) {
  const square = (size, stride, dilation) => ({
    rows: size,
    columns: size,
    stride,
    dilation,
    startY: -dilation * ((size - 1) >> 1),
    startX: -dilation * ((size - 1) >> 1),
  });
  const convolution = (size, stride = 1, dilation = 1) => {
    const window = square(size, stride, dilation);
    const to = stride === 1 ? y : half;
    const name = `depthwise ${size}x${size}${stride > 1 ? ` stride ${stride}` : ''}${dilation > 1 ? ` dilation ${dilation}` : ''}`;
    const jobs = [depthwiseJob(x, { ...window, ...weights }, to, { ...window, clip: { low: 0, high: 6 } })];
    return { name, jobs, macs: size ** 2 / stride ** 2, floats: 1 + 1 / stride ** 2 };
  };
  const pool = (kind, size, stride) => {
    const window = square(size, stride, 1);
    const jobs = [poolJob(kind, x, stride === 1 ? y : half, window, 'nothing')];
    return { name: `${kind} ${size}x${size} stride ${stride}`, jobs, floats: 1 + 1 / stride ** 2 };
  };
  const window = square(3, 1, 1);
  return [
    { name: 'copy', jobs: [copyJob(x, y, {})], floats: 2 },
    convolution(3),
    convolution(5),
    convolution(7),
    convolution(3, 2),
    convolution(3, 1, 4),
    {
      name: 'gradient 3x3',
      jobs: [depthwiseInputGradientJob(x, { ...window, ...weights }, y, window, false)],
      macs: 9,
      floats: 2,
    },
    {
      name: 'gradient 3x3 at the weights',
      jobs: depthwiseWeightGradientJobs(x, y, window, window, { kernel: weights.kernel, bias: weights.bias }, false),
      macs: 9,
      floats: 2,
    },
    pool('max', 2, 2),
    pool('max', 3, 2),
    pool('mean', 2, 2),
    pool('mean', 3, 1),
  ].filter(({ name }) => name === 'copy' || !positionals[0] || name.includes(positionals[0]));
}

/** The memory of one map, filled with numbers in [-0.5, 0.5): a linear congruential generator, the same numbers each time. */
function prepare({ arena }, [side, c]) {
  const map = (n) => {
    const ptr = arena.alloc(4 * n * n * c);
    const floats = arena.f32(ptr, n * n * c);
    for (let i = 0, state = 1; i < floats.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      floats[i] = state / 2 ** 32 - 0.5;
    }
    return view(ptr, n, n, c);
  };
  arena.alloc(320); // so that maps do not lie on the same lines of the caches
  const [x, y, half, kernel, bias] = [side, side, Math.ceil(side / 2), 7, 1].map(map);
  return { x, y, half, weights: { kernel: kernel.ptr, bias: bias.ptr } };
}

console.log(JSON.stringify(machine()), `threads ${threads}`);
for (const kernels of ['simd', 'relaxed']) {
  const runtime = await Runtime.create({ kernels, threads });
  for (const [side, c] of MAPS) {
    const mark = runtime.arena.mark();
    const list = operations(prepare(runtime, [side, c]));
    const size = side * side * c;
    const repetitions = Math.ceil(4e6 / size);
    const times = list.map(() => []);
    for (let round = -1; round < rounds; round++)
      for (const [i, { jobs }] of list.entries()) {
        const start = now();
        for (let r = 0; r < repetitions; r++) for (const job of jobs) runtime.run(job);
        if (round >= 0) times[i].push((now() - start) / repetitions);
      }
    console.log(`${kernels}, ${side}x${side}x${c}, ${(size * 4e-6).toFixed(1)} MB`);
    for (const [i, { name, macs = 0, floats }] of list.entries()) {
      const ms = median(times[i]);
      const weighed = (all, by) => all.map((time) => time / by);
      const share = ratio(weighed(times[0], list[0].floats), weighed(times[i], floats));
      const text = [ms.toFixed(2).padStart(8), ((4e-6 * size * floats) / ms).toFixed(1).padStart(8)];
      const spread = `${share.ratio.toFixed(2)} (${share.least.toFixed(2)}-${share.most.toFixed(2)})`;
      const rate = macs ? `${((1e-6 * size * macs) / ms).toFixed(1).padStart(6)} GMAC/s` : '';
      console.log(`  ${name.padEnd(30)}${text[0]} ms${text[1]} GB/s  ${spread.padEnd(20)}${rate}`);
    }
    runtime.arena.release(mark);
  }
  runtime.dispose();
}
