import { isNode, nodeModule } from '../base/platform.js';

/** Fields of the control block, an Int32Array on shared memory. */
export const CONTROL = {
  /** Raised by one for each job; the threads wait on it. */
  generation: 0,
  /** The next task nobody has taken. */
  next: 1,
  /** Number of tasks of the job. */
  tasks: 2,
  /** Index of the kernel in the list of names that the thread was started with. */
  kernel: 3,
  args: 4,
  /** Address of the scratch area of thread 0, and the distance to the next thread's. */
  scratch: 5,
  scratchStride: 6,
  /** Threads that are done with the job. */
  done: 7,
  /** 1 where a kernel trapped. */
  failed: 8,
  quit: 9,
  length: 16,
} as const;

/** Loads of the generation before a thread goes to sleep: jobs follow each other within microseconds, a wake-up costs about 50. */
const SPIN = 4000;

/**
 * What a thread runs. Import-free text, so that it needs no file of its own whatever bundler or page the library is used in:
 * a Blob URL in browsers, `eval` in Node's worker_threads. It takes tasks until none is left, reports, and waits for the next job.
 */
const source = `
const start = ({ module, memory, control, thread, names }, ready) => {
  const kernels = new WebAssembly.Instance(module, { env: { memory, abort() { throw new Error('kernel aborted'); } } }).exports;
  const C = ${JSON.stringify(CONTROL)};
  let seen = 0;
  ready();
  for (;;) {
    let generation = Atomics.load(control, C.generation);
    for (let i = 0; generation === seen && i < ${SPIN}; i++) generation = Atomics.load(control, C.generation);
    while (generation === seen) {
      Atomics.wait(control, C.generation, seen);
      generation = Atomics.load(control, C.generation);
    }
    seen = generation;
    if (control[C.quit]) return;
    const kernel = kernels[names[control[C.kernel]]], args = control[C.args], tasks = control[C.tasks];
    const scratch = control[C.scratch] + thread * control[C.scratchStride];
    try {
      for (let task; (task = Atomics.add(control, C.next, 1)) < tasks; ) kernel(args, task, scratch);
    } catch { Atomics.store(control, C.failed, 1); }
    Atomics.add(control, C.done, 1);
    Atomics.notify(control, C.done);
  }
};
if (globalThis.process?.versions?.node) { // as src/base/platform.ts; some engines have 'self' in these workers, too
  const { parentPort, workerData } = globalThis.process.getBuiltinModule?.('node:worker_threads') ?? require('worker_threads');
  start(workerData, () => parentPort.postMessage('ready'));
} else self.onmessage = (event) => start(event.data, () => self.postMessage('ready'));
`;

/** Milliseconds in which a thread has to say that it runs: one that does not is done without. Tests shorten it. */
export const limits = { start: 10_000 };

/** A started thread. */
export interface Thread {
  terminate(): void;
  /** Set by the runtime: called when the thread has ended, by itself or not. */
  onEnd?: () => void;
}

/** What every thread is given. */
export interface ThreadSetup {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  control: Int32Array;
  names: readonly string[];
}

/**
 * Starts thread number `thread` (the calling thread is 0) and waits until it is ready. Rejects where workers cannot be
 * started, or do not say within ten seconds that they run.
 */
export function startThread(setup: ThreadSetup, thread: number): Promise<Thread> {
  const data = { ...setup, thread };
  return isNode ? startNodeThread(data) : startWebThread(data);
}

async function startNodeThread(data: unknown): Promise<Thread> {
  const { Worker } = await nodeModule('worker_threads');
  const worker = new Worker(source, { eval: true, workerData: data, name: 'atrous-cam' });
  await started(worker, (resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the thread ended with exit code ${code}`)));
  });
  worker.unref(); // an idle thread must not keep the process alive
  const thread: Thread = { terminate: () => void worker.terminate() };
  worker.once('exit', () => thread.onEnd?.());
  return thread;
}

async function startWebThread(data: unknown): Promise<Thread> {
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  try {
    const worker = new Worker(url, { name: 'atrous-cam' });
    await started(worker, (resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = () => reject(new Error('the worker did not start'));
      worker.postMessage(data);
    });
    const thread: Thread = { terminate: () => worker.terminate() };
    worker.onerror = () => thread.onEnd?.(); // a browser tells of nothing else
    return thread;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Waits for what `listen` hears of a worker, but no longer than the limit; a worker that did not start is ended. */
async function started(
  worker: { terminate(): unknown },
  listen: (resolve: () => void, reject: (reason: unknown) => void) => void,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const late = () => reject(new Error(`no thread started within ${limits.start / 1000} s`));
      timer = setTimeout(late, limits.start);
      listen(resolve, reject);
    });
  } catch (error) {
    worker.terminate();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Number of threads by default: all that the machine offers, 8 at most (beyond, memory bandwidth is the limit). */
export async function defaultThreads(): Promise<number> {
  const offered = isNode ? (await nodeModule('os')).availableParallelism() : (navigator.hardwareConcurrency ?? 1);
  return Math.max(1, Math.min(8, offered));
}

/**
 * Whether a memory can be shared with workers here: in Node always, in browsers where the page is cross-origin isolated.
 */
export const canShare = (): boolean =>
  typeof SharedArrayBuffer !== 'undefined' &&
  (isNode || (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true);
