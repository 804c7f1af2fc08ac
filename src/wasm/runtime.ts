import { AtrousCamError, throwIfAborted } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import type { KernelSet, WasmBuild, WasmOption } from '../base/types.js';
import { Arena, createMemory } from './arena.js';
import type { Job } from './job.js';
import {
  type Builds,
  buildsOf,
  chooseInstructionSet,
  compileBytes,
  embedded,
  embeddedTag,
  type InstructionSet,
  isShared,
  setOf,
} from './modules.js';
import { tagOf } from './tag.js';
import { CONTROL, canShare, defaultThreads, startThread, type Thread } from './threads.js';

export { throwIfAborted } from '../base/errors.js';

type Kernel = (args: number, task: number, scratch: number) => void;

/** The largest number of fields a job may have. */
const MAX_FIELDS = 64;
/** Bytes of scratch that each thread has: a task of `winogradTiles` keeps up to 256 kB of its tiles there. */
const SCRATCH = 5 * 65536;
/** Milliseconds the calling thread may keep its event loop waiting. */
const YIELD_AFTER = 12;

/** Milliseconds that the calling thread waits for the others before it looks whether they are still there. */
const WAIT = 100;
/** Milliseconds after which a thread that has not reported is taken for lost; tests shorten them. */
export const limits = {
  /** Where the event loop cannot tell that it has ended. */
  task: 10_000,
  /** Where it can, but browsers do not always: a thread that is alive may wait for a busy machine. */
  silence: 50_000,
};

export interface RuntimeOptions {
  /** Instruction set; `auto` by default. */
  kernels?: KernelSet;
  /** Threads, the calling one included; by default what the machine offers. One where memory cannot be shared. */
  threads?: number;
  /** The kernels as files; those in the bundle by default. */
  wasm?: WasmOption;
}

/** The wasm kernels on one memory, run by one or several threads. Only this file and src/wasm/ops know kernel names. */
export class Runtime {
  readonly #exports: Record<string, Kernel>;
  /** Kernels by name, as the threads number them. */
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #workers: readonly Thread[];
  readonly #control: Int32Array;
  readonly #argsPtr: number;
  readonly #scratchPtr: number;
  #lastYield = performance.now();
  #disposed = false;
  /** Whether a thread has ended that nobody told to. */
  #lost = false;

  private constructor(
    readonly kernels: InstructionSet,
    readonly arena: Arena,
    parts: {
      exports: Record<string, Kernel>;
      names: readonly string[];
      workers: readonly Thread[];
      control: Int32Array;
    },
  ) {
    this.#exports = parts.exports;
    this.#numbers = new Map(parts.names.map((name, i) => [name, i]));
    this.#workers = parts.workers;
    this.#control = parts.control;
    for (const worker of parts.workers)
      worker.onEnd = () => {
        this.#lost ||= !this.#disposed;
      };
    this.#argsPtr = arena.alloc(4 * MAX_FIELDS);
    this.#scratchPtr = arena.alloc(SCRATCH * this.threads);
  }

  /** Threads that share the work, the calling one included. */
  get threads(): number {
    return this.#workers.length + 1;
  }

  /** Compiles the kernels, makes the memory and starts the threads. Falls back to one thread where workers cannot be started. */
  static async create({ kernels = 'auto', threads, wasm }: RuntimeOptions = {}): Promise<Runtime> {
    if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 64))
      throw new AtrousCamError('BAD_ARGUMENT', `threads: expected a whole number from 1 to 64, got ${threads}`);
    const builds = wasm === undefined ? embedded : await givenBuilds(wasm);
    const set = await chooseInstructionSet(kernels, builds);
    const plain = buildsOf(set, builds).find((name) => !isShared(name));
    const shared = canShare() ? buildsOf(set, builds).find(isShared) : undefined;
    if (!shared && threads !== undefined && threads > 1 && canShare())
      throw new AtrousCamError(
        'BAD_ARGUMENT',
        `threads: ${threads} need the build '${set}-shared', which wasm does not have`,
      );
    const wanted = threads ?? (await defaultThreads());
    if (shared && wanted > 1) {
      try {
        return await Runtime.#start(builds, shared, wanted);
      } catch (error) {
        if (error instanceof AtrousCamError && error.code !== 'OUT_OF_MEMORY') throw error;
        // No shared memory or no workers (a strict content security policy): one thread gives the same results.
      }
    }
    const alone = plain ?? shared;
    if (alone) return Runtime.#start(builds, alone, 1);
    throw new AtrousCamError(
      'UNSUPPORTED',
      `wasm: has only '${set}-shared', and memory cannot be shared here (the page is not cross-origin isolated); add '${set}'`,
    );
  }

  static async #start(builds: Builds, build: WasmBuild, threads: number): Promise<Runtime> {
    const shared = isShared(build);
    const module = await builds.compile(build);
    const memory = createMemory(shared);
    const abort = () => {
      throw new Error('kernel aborted');
    };
    const { exports } = await WebAssembly.instantiate(module, { env: { memory, abort } });
    const names = WebAssembly.Module.exports(module)
      .filter((entry) => entry.kind === 'function')
      .map((entry) => entry.name);
    const arena = new Arena(memory);
    const bytes = 4 * CONTROL.length;
    const control = new Int32Array(shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes));
    const started = await Promise.allSettled(
      Array.from({ length: threads - 1 }, (_, i) => startThread({ module, memory, control, names }, i + 1)),
    );
    const workers = started.filter((s) => s.status === 'fulfilled').map((s) => s.value);
    const failure = started.find((s) => s.status === 'rejected');
    if (failure) {
      for (const worker of workers) worker.terminate();
      throw failure.reason;
    }
    return new Runtime(setOf(build), arena, {
      exports: exports as unknown as Record<string, Kernel>,
      names,
      workers,
      control,
    });
  }

  /** Runs a job to its end before it returns; the calling thread works along. */
  run(job: Job): void {
    const kernel = this.#begin(job);
    for (let task = this.#take(); task < job.tasks; task = this.#take()) kernel(this.#argsPtr, task, this.#scratchPtr);
    for (let wait = 0; !this.#awaitWorkers(); wait++) if (wait === limits.task / WAIT) throw this.#threadLost();
    this.#end(job);
  }

  /**
   * Runs a job, giving the event loop its turn every 12 ms, so that progress, timers, signals and Ctrl-C work with one
   * thread too. An abort stops all threads after the task they are at.
   */
  async runAsync(job: Job, signal?: AbortSignal): Promise<void> {
    const kernel = this.#begin(job);
    for (let task = this.#take(); task < job.tasks; task = this.#take()) {
      kernel(this.#argsPtr, task, this.#scratchPtr);
      const turn = this.yieldIfDue();
      if (turn) {
        await turn;
        if (signal?.aborted || this.#disposed) Atomics.store(this.#control, CONTROL.next, job.tasks);
      }
    }
    for (let wait = 0; !this.#awaitWorkers(); wait++) {
      await yieldToEventLoop(); // so that it is heard if a thread has ended; browsers do not always tell
      if (this.#lost || wait === limits.silence / WAIT) throw this.#threadLost();
    }
    this.#end(job);
    if (this.#disposed) throw new AtrousCamError('ABORTED', 'the network was disposed while it was computing');
    throwIfAborted(signal);
  }

  /** Gives the event loop its turn if it has waited for 12 ms; undefined where it has not, so that hot loops need not await. */
  yieldIfDue(): Promise<void> | undefined {
    if (performance.now() - this.#lastYield <= YIELD_AFTER) return undefined;
    return yieldToEventLoop().then(() => {
      this.#lastYield = performance.now();
    });
  }

  /** Ends the threads. The memory goes when nothing refers to the runtime any more. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    Atomics.store(this.#control, CONTROL.quit, 1);
    Atomics.store(this.#control, CONTROL.next, 2 ** 30);
    for (const worker of this.#workers) worker.terminate();
  }

  #begin(job: Job): Kernel {
    if (this.#lost) throw this.#threadLost();
    if (this.#disposed) throw new AtrousCamError('ABORTED', 'the network was disposed; load it again');
    const kernel = this.#exports[job.kernel];
    if (!kernel || job.args.length > MAX_FIELDS || job.scratch > SCRATCH)
      throw new Error(
        `internal: job '${job.kernel}' with ${job.args.length} fields and ${job.scratch} bytes of scratch cannot run`,
      );
    this.arena.i32(this.#argsPtr, job.args.length).set(job.args);
    const control = this.#control;
    control[CONTROL.kernel] = this.#numbers.get(job.kernel)!;
    control[CONTROL.args] = this.#argsPtr;
    control[CONTROL.tasks] = job.tasks;
    control[CONTROL.scratch] = this.#scratchPtr;
    control[CONTROL.scratchStride] = SCRATCH;
    control[CONTROL.done] = 0;
    control[CONTROL.failed] = 0;
    Atomics.store(control, CONTROL.next, 0);
    if (this.#workers.length > 0 && job.tasks > 1) {
      Atomics.add(control, CONTROL.generation, 1);
      Atomics.notify(control, CONTROL.generation);
    }
    return kernel;
  }

  /** The next task; beyond the last one when all are taken. */
  #take(): number {
    return Atomics.add(this.#control, CONTROL.next, 1);
  }

  /** A thread that has ended left its task undone: nothing that this network computes can be trusted from then on. */
  #threadLost(): AtrousCamError {
    this.dispose();
    return new AtrousCamError('WORKER_FAILED', 'a thread of the network has ended by itself; load the network again');
  }

  /**
   * Blocks until every worker has reported: at most one task (10 ms) long, so spinning on a browser's main thread is bearable. Gives up after
   * 100 ms: false.
   */
  #awaitWorkers(): boolean {
    const { tasks, done } = CONTROL;
    const workers = this.#control[tasks] > 1 ? this.#workers.length : 0;
    const until = performance.now() + WAIT;
    for (let spin = 0; ; spin++) {
      const reported = Atomics.load(this.#control, done);
      if (reported >= workers || this.#disposed) return true; // disposed: they were ended and will not report
      if (spin <= 1000) continue;
      if (performance.now() > until) return false;
      if (mayBlock) Atomics.wait(this.#control, done, reported, WAIT);
    }
  }

  #end(job: Job): void {
    if (this.#control[CONTROL.failed]) throw new Error(`internal: kernel '${job.kernel}' trapped in a thread`);
  }
}

/** Few callers have kernels of their own. */
async function givenBuilds(wasm: WasmOption): Promise<Builds> {
  const given = await lazy(() => import('./builds.js'));
  return given.givenBuilds(wasm, { names: embedded.names, tagOf, tag: embeddedTag, compile: compileBytes });
}

/** A browser's main thread (a window) must not block. */
const mayBlock = typeof (globalThis as { document?: unknown }).document === 'undefined';

/** One turn of the event loop. */
function yieldToEventLoop(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
