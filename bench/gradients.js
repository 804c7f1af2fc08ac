import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { alternate, machine, median, ratio } from './alternate.js';
import { own, registerEmbed } from './embed.js';

/** VGG16's blocks: channels, and the side of their maps in `pooled`. */
const BLOCKS = [
  { channels: [3, 64, 64], side: 224 },
  { channels: [64, 128, 128], side: 112 },
  { channels: [128, 256, 256, 256], side: 56 },
  { channels: [256, 512, 512, 512], side: 28 },
  { channels: [512, 512, 512, 512], side: 14 },
];

/** Every block of VGG16 (with its pool) and of dilated VGG16 (without). */
const cases = ['pooled', 'dilated'].flatMap((mode) =>
  BLOCKS.map(({ channels, side }, i) => ({
    name: `${mode} block ${i + 1}`,
    channels,
    side: mode === 'pooled' ? side : 224,
    rate: mode === 'pooled' ? 1 : 2 ** i,
    pool: mode === 'pooled',
  })),
);

/**
 * Forward and backward (the gradients at the input, at all weights and biases) of VGG16's and dilated VGG16's blocks by both
 * instruction sets, with PyTorch alternating where its Python is at hand. The weights are packed beforehand, as a loaded network's are;
 * making the adjoint kernels counts as backward.
 *
 * @param {{ threads?: number, rounds?: number, kernels?: string, python?: string, filter?: string, format?: string }} options kernels: one
 * instruction set only; python: an interpreter that
 * has torch; filter: part of the blocks' names; format: PyTorch's memory format, by default the faster one
 */
export async function benchGradients({
  threads = 2,
  rounds = 3,
  kernels,
  python = 'python3',
  filter = '',
  format,
} = {}) {
  const sets = kernels ? [kernels] : ['relaxed', 'simd'];
  registerEmbed();
  const torch = hasTorch(python);
  if (!torch) console.error(`  ${python} has no torch: PyTorch is left out (--python names another interpreter)`);
  const rows = [];
  for (const block of cases.filter(({ name }) => name.includes(filter))) {
    const contestants = [];
    for (const set of sets) contestants.push(await ownBlock(set, block, threads));
    if (torch) contestants.push(await torchBlock(python, block, threads, format));
    const row = await compare(block, contestants, rounds);
    for (const { dispose } of contestants) dispose();
    rows.push(row);
    console.log(formatGradients(row));
  }
  return { machine: machine(), threads, rows };
}

/** Medians of milliseconds, and ratios to PyTorch's. */
async function compare({ name, channels, side, rate }, contestants, rounds) {
  await alternate(contestants, rounds, (line) => process.stderr.write(`  ${name}, ${line}\n`));
  const macs = channels.slice(1).reduce((sum, cout, i) => sum + 9 * side * side * channels[i] * cout, 0);
  const row = { name, rate, macs, runs: {} };
  const peer = contestants.find((contestant) => contestant.name === 'torch');
  for (const contestant of contestants) {
    const entry = { version: contestant.version };
    for (const pass of ['forward', 'backward']) {
      const times = contestant.times.slice(-rounds).map((time) => time[pass]);
      entry[pass] = median(times);
      if (peer && peer !== contestant)
        entry[`${pass}Ratio`] = ratio(
          times,
          peer.times.slice(-rounds).map((time) => time[pass]),
        );
    }
    row.runs[contestant.name] = entry;
  }
  return row;
}

/** One of this package's contestants: a block's layers as jobs on a runtime. */
async function ownBlock(kernels, { channels, side, rate, pool }, threads) {
  const [{ Runtime }, { RELU, view }, conv, { same3x3 }, { maxPoolJob, maxPoolBackwardJob }, { reluBackwardJob }] =
    await Promise.all(
      [
        'wasm/runtime.js',
        'wasm/job.js',
        'operators/convolution.js',
        'wasm/ops/conv.js',
        'wasm/ops/pool.js',
        'wasm/ops/relu.js',
      ].map(own),
    );
  const precision = 'fast';
  const runtime = await Runtime.create({ kernels, threads });
  const { arena } = runtime;
  const run = async (jobs) => {
    for (const job of jobs) await runtime.runAsync(job);
  };
  const map = (c, n = side) => view(arena.alloc(4 * n * n * c), n, n, c);
  const space = (bytes) => ({ ptr: arena.alloc(bytes), bytes });

  const maps = channels.map((c) => map(c));
  fill(arena, maps[0], (value) => Math.abs(value));
  const gradients = [...new Set(channels)].map((c) => [map(c), map(c)]);
  const gradientOf = (i) => gradients.find(([first]) => first.c === channels[i])[i % 2];
  const pooled = pool && { y: map(channels.at(-1), side / 2), dy: map(channels.at(-1), side / 2) };
  const window = { size: 2, stride: 2, dilation: 1, offsetY: 0, offsetX: 0 };

  const layers = channels.slice(1).map((cout, i) => {
    const cin = channels[i];
    const layer = { rows: 3, columns: 3, stride: 1, same: true, cin, cout };
    const kernel = conv.convKernel(layer, precision, arena.alloc(conv.convKernelBytes(layer, precision)));
    const adjoint = conv.adjointKernel(kernel, precision, arena.alloc(conv.adjointKernelBytes(kernel, precision)));
    return { kernel, adjoint, dw: arena.alloc(36 * cin * cout), db: arena.alloc(4 * cout), x: maps[i], y: maps[i + 1] };
  });
  const how = { precision, accumulate: false };
  const call = same3x3(rate);
  const bytes = layers.flatMap(({ kernel, adjoint, x, y }) => [
    conv.workspaceBytes(kernel, x, rate),
    conv.workspaceBytes(adjoint, y, rate),
    conv.adjointWorkspaceBytes(kernel, adjoint),
    conv.weightGradientBytes(kernel.layer, x, rate, precision),
  ]);
  const workspace = space(Math.max(...bytes));
  for (const { kernel, dw } of layers) {
    const { cin, cout } = kernel.weights;
    fill(arena, view(dw, 1, 9, cin * cout), (value) => value * Math.sqrt(2 / 3 / cin)); // keeps the maps' size
    runtime.run(conv.packKernelJob(dw, kernel));
    arena.f32(conv.biasOf(kernel), cout).fill(0);
  }
  const last = gradientOf(layers.length);
  const given = pooled ? pooled.dy : map(last.c);
  fill(arena, given, (value) => value);

  const forward = async () => {
    for (const { kernel, x, y } of layers) await run(conv.convJobs(x, kernel, y, { ...call, clip: RELU }, workspace));
    if (pooled) await run([maxPoolJob(maps.at(-1), pooled.y, window)]);
  };
  const backward = async () => {
    if (pooled) await run([maxPoolBackwardJob(maps.at(-1), pooled.dy, last, window)]);
    for (const [i, { kernel, adjoint, x, y, dw, db }] of [...layers.entries()].reverse()) {
      const dy = gradientOf(i + 1);
      const above = i === layers.length - 1 && !pooled ? given : dy;
      await run([
        reluBackwardJob(y, above, dy),
        ...conv.convWeightGradientJobs(kernel.layer, x, dy, call, { kernel: dw, bias: db }, how, workspace),
        ...conv.adjointJobs(kernel, adjoint, workspace),
        ...conv.inputGradientJobs(dy, adjoint, gradientOf(i), call, false, workspace),
      ]);
    }
  };
  const times = [];
  return {
    name: kernels,
    times,
    run: async () => {
      const start = performance.now();
      await forward();
      const middle = performance.now();
      await backward();
      times.push({ forward: middle - start, backward: performance.now() - middle });
    },
    dispose: () => runtime.dispose(),
  };
}

/** Numbers in [-0.5, 0.5) through `f`: a linear congruential generator, the same numbers each time. */
function fill(arena, { ptr, h, w, c }, f) {
  const floats = arena.f32(ptr, h * w * c);
  for (let i = 0, state = 1; i < floats.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    floats[i] = f(state / 2 ** 32 - 0.5);
  }
}

const hasTorch = (python) => spawnSync(python, ['-c', 'import torch']).status === 0;

/**
 * PyTorch in a process of its own, which runs once for every line that it is sent. It inherits the environment: on a processor with
 * AVX-512, ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 shows what it does on one without.
 */
async function torchBlock(python, { channels, side, rate, pool }, threads, format) {
  const script = fileURLToPath(new URL('peers/gradients.py', import.meta.url));
  const child = spawn(python, [script, JSON.stringify({ channels, side, rate, pool, threads, format })], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('peers/gradients.py stopped before its end, see above');
    return value;
  };
  const { version, format: taken } = JSON.parse(await next());
  const times = [];
  return {
    name: 'torch',
    version: [
      version.split('+')[0],
      taken,
      ...(process.env.ONEDNN_MAX_CPU_ISA ? [process.env.ONEDNN_MAX_CPU_ISA] : []),
    ].join(', '),
    times,
    run: async () => {
      child.stdin.write('\n');
      const [forward, backward] = (await next()).split(' ').map(Number);
      times.push({ forward, backward });
    },
    dispose: () => child.kill(),
  };
}

/** One line of a block's results. */
export function formatGradients({ name, rate, runs }) {
  const times = Object.entries(runs).map(([who, { version, forward, backward }]) => {
    const label = version ? `PyTorch ${version}` : who;
    return `${label} ${forward.toFixed(0)} + ${backward.toFixed(0)} ms`;
  });
  const ratios = Object.entries(runs).flatMap(([who, { backwardRatio: r }]) =>
    r ? [`${who} ${r.ratio.toFixed(2)} (${r.least.toFixed(2)} to ${r.most.toFixed(2)})`] : [],
  );
  const against = ratios.length ? `; backward against PyTorch: ${ratios.join(', ')}` : '';
  return `${name}, rate ${rate}, forward + backward: ${times.join(', ')}${against}`;
}
