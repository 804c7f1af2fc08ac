#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { noise } from './noise.js';

const help = `node bench/jobs.js [WEIGHTS] [options]

Where the time of a call goes, and what more threads would make of it. Runs the call on one thread with a clock at each task, prints each
kernel's share and the time between jobs, and simulates 2, 4, 8 and 16 threads from the same log: the tasks of a job are taken in their
order by whichever thread is free, and all threads meet at its end. WEIGHTS as \`atrous-cam explain --weights\` takes it; none: the
bundled network.

  --mode MODE          pooled (default), atrous or dilated
  --output-stride N    of atrous
  --predict            a prediction instead of Grad-CAM
  --kernels SET        relaxed (default) or simd
  --rounds N           calls, of which the shortest is printed, because it was disturbed least; 20 by default
  --jobs               also lists every job
`;

const text = /** @type {const} */ ({ type: 'string' });
const flag = /** @type {const} */ ({ type: 'boolean' });
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    mode: text,
    'output-stride': text,
    predict: flag,
    kernels: text,
    rounds: text,
    jobs: flag,
    help: flag,
  },
});

/** Milliseconds that threads take to meet at the end of a job, as measured where the machine is otherwise idle (NOTES.md). */
const MEETING = 0.003;

/** @typedef {{ kernel: string, tasks: number[], begin: number, end: number }} LoggedJob tasks: milliseconds of each */
/** @type {LoggedJob[]} */
let log = [];

/** Puts a clock at every kernel's call. Task 0 begins a job. */
function watchKernels() {
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = /** @type {any} */ (
    async (module, imports) => {
      const made = /** @type {any} */ (await instantiate(module, imports));
      const instance = made.instance ?? made;
      const exports = Object.fromEntries(
        Object.entries(instance.exports).map(([name, value]) => [
          name,
          typeof value === 'function' ? clocked(name, value) : value,
        ]),
      );
      return made.instance ? { ...made, instance: { exports } } : { exports };
    }
  );
}

const clocked = (kernel, run) => (args, task, scratch) => {
  const begin = performance.now();
  run(args, task, scratch);
  const end = performance.now();
  if (task === 0) log.push({ kernel, tasks: [], begin, end });
  const job = /** @type {LoggedJob} */ (log.at(-1));
  job.tasks.push(end - begin);
  job.end = end;
};

/** How long a job's tasks take on some threads. */
function simulateJob(tasks, threads) {
  const free = new Array(Math.min(threads, tasks.length)).fill(0);
  for (const task of tasks) {
    const next = free.indexOf(Math.min(...free));
    free[next] += task;
  }
  return Math.max(...free) + (tasks.length > 1 ? MEETING : 0);
}

/** A call's time on some threads: what lies between the jobs stays as it is. */
function simulate({ jobs, total }, threads) {
  const busy = jobs.reduce((sum, { tasks }) => sum + tasks.reduce((a, b) => a + b, 0), 0);
  return jobs.reduce((sum, { tasks }) => sum + simulateJob(tasks, threads), total - busy);
}

const sumOf = (tasks) => tasks.reduce((a, b) => a + b, 0);

function print({ jobs, total }) {
  const kernels = new Map();
  for (const job of jobs) {
    const row = kernels.get(job.kernel) ?? { jobs: 0, tasks: 0, time: 0, longest: 0 };
    row.jobs++;
    row.tasks += job.tasks.length;
    row.time += sumOf(job.tasks);
    row.longest += Math.max(...job.tasks);
    kernels.set(job.kernel, row);
  }
  const busy = [...kernels.values()].reduce((sum, { time }) => sum + time, 0);
  console.log(
    `${total.toFixed(2)} ms in ${jobs.length} jobs; kernels ${busy.toFixed(2)} ms, all else ${(total - busy).toFixed(2)} ms`,
  );
  console.log(['kernel'.padEnd(22), ...['jobs', 'tasks', 'ms', 'share', 'longest'].map((c) => c.padStart(9))].join(''));
  for (const [name, row] of [...kernels].sort(([, a], [, b]) => b.time - a.time)) {
    const cells = [
      row.jobs,
      row.tasks,
      row.time.toFixed(2),
      `${((100 * row.time) / total).toFixed(1)}%`,
      row.longest.toFixed(2),
    ];
    console.log([name.padEnd(22), ...cells.map((cell) => String(cell).padStart(9))].join(''));
  }
  console.log('longest: the sum of the longest task of each job, which no number of threads makes shorter');
  const whole = simulate({ jobs, total }, 1);
  for (const threads of [2, 4, 8, 16]) {
    const time = simulate({ jobs, total }, threads);
    console.log(`${threads} threads: ${time.toFixed(2)} ms, ${(whole / time).toFixed(2)} times as fast`);
  }
  if (!values.jobs) return;
  for (const { kernel, tasks } of jobs)
    console.log(
      `${kernel.padEnd(22)} ${String(tasks.length).padStart(4)} tasks ${sumOf(tasks).toFixed(3)} ms, longest ${Math.max(...tasks).toFixed(3)}`,
    );
}

if (values.help) console.log(help);
else {
  watchKernels();
  const { load } = await import('../dist/index.js');
  const net = await load(positionals[0], {
    threads: 1,
    kernels: /** @type {'relaxed'} */ (values.kernels ?? 'relaxed'),
    preprocessing: { normalization: 'unit', fit: 'squash', resize: 'nearest' },
  });
  const side = net.inputSize;
  const image = { width: side, height: side, data: noise(3 * side * side) };
  const mode = /** @type {'pooled'} */ (values.mode ?? 'pooled');
  const outputStride = values['output-stride'] ? Number(values['output-stride']) : undefined;
  const call = () => (values.predict ? net.predict(image) : net.explain(image, { mode, outputStride, target: 0 }));
  await call();
  await call();
  const calls = [];
  for (let i = 0; i < Number(values.rounds ?? 20); i++) {
    log = [];
    const begin = performance.now();
    await call();
    calls.push({ jobs: log, total: performance.now() - begin });
  }
  print(calls.reduce((best, one) => (one.total < best.total ? one : best)));
  net.dispose();
}
