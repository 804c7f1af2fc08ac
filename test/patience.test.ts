import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { lazy } from '../src/base/lazy.js';
import { mark, unmark } from '../src/base/messages.js';
import { patience } from '../src/base/patience.js';
import { load } from '../src/index.js';
import { view } from '../src/wasm/job.js';
import { reluBackwardJob } from '../src/wasm/ops/relu.js';
import { limits as kernelLimits, Runtime } from '../src/wasm/runtime.js';
import { limits as workerLimits } from '../src/worker/connection.js';
import { load as loadInWorker } from '../src/worker.js';
import { badServer } from './support/bad-server.js';

const silentThreads = vi.hoisted(() => ({ wanted: false }));
vi.mock('../src/wasm/threads.js', async (original) => {
  const real = await original<typeof import('../src/wasm/threads.js')>();
  const silent = async () => ({ terminate() {} });
  const startThread: typeof real.startThread = (...given) =>
    silentThreads.wanted ? silent() : real.startThread(...given);
  return { ...real, startThread };
});

// What never answers is given up, with a code. The limits, about a minute, are a moment here.
const usual = { patience: { ...patience }, worker: { ...workerLimits }, kernels: { ...kernelLimits } };
const never = new Promise<never>(() => {});
const small = new URL('fixtures/references/small/micro-vgg16.torchvision.safetensors', import.meta.url);
const options = { kernels: 'simd', threads: 1 } as const;

const hurry = (arrival = usual.patience.arrival) => {
  Object.assign(patience, { arrival, silence: 300 });
  Object.assign(workerLimits, { start: 100, ask: 20 });
  Object.assign(kernelLimits, { task: 200, silence: 300 });
};
afterEach(() => {
  Object.assign(patience, usual.patience);
  Object.assign(workerLimits, usual.worker);
  Object.assign(kernelLimits, usual.kernels);
});

const refusal = (code: string, message: RegExp) => ({ code, message: expect.stringMatching(message) });
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error) => error,
  );

it('limits are a minute at most', () => {
  const { patience, worker, kernels } = usual;
  const asked = worker.ask * (worker.unanswered + 1);
  const all = [...Object.values(patience), worker.start, asked, ...Object.values(kernels)];
  for (const limit of all) expect(limit).toBeLessThanOrEqual(60_000);
});

describe('a chunk of the library', () => {
  it('that does not come', async () => {
    hurry(100);
    const late = refusal('NOT_FOUND', /^a part of the library has not come within 0\.1 s; call again/);
    expect(await failure(lazy(() => never))).toMatchObject(late);
  });

  it('that cannot be loaded', async () => {
    const message = /^a part of the library cannot be loaded \(.*gone\.js.*\); its files must stay together$/;
    expect(await failure(lazy(() => import(`./${'gone'}.js`)))).toMatchObject(refusal('NOT_FOUND', message));
  });

  it('that a service worker must not import', async () => {
    const disallowed = () => Promise.reject(new TypeError('import() is disallowed on ServiceWorkerGlobalScope by the'));
    expect(await failure(lazy(disallowed))).toMatchObject(refusal('UNSUPPORTED', /one file/));
    vi.stubGlobal('ServiceWorkerGlobalScope', class {});
    const elsewhere = () => Promise.reject(new TypeError('in the words of another engine'));
    expect(await failure(lazy(elsewhere))).toMatchObject(refusal('UNSUPPORTED', /one file/));
    vi.unstubAllGlobals();
  });
});

describe('an address', () => {
  it.each([
    ['weights', 'headers', (url: string) => load(url, options)],
    ['weights', 'a part', (url: string) => load(url, options)],
    ['wasm', 'headers', (url: string) => load(small, { ...options, wasm: `${url}.wasm` })],
    ['wasm', 'a part', (url: string) => load(small, { ...options, wasm: `${url}.wasm` })],
  ])('of %s whose server stops before or behind %s', async (name, where, start) => {
    hurry();
    await using server = await badServer((_, response) => {
      if (where === 'a part') response.writeHead(200, { 'content-length': 1000 }).write('ten  bytes');
    });
    const message = new RegExp(`^${name} .*/file.*(cannot be fetched|cannot be read) \\(.+\\)$`);
    expect(await failure(start(server.url))).toMatchObject(refusal('NOT_FOUND', message));
  });

  it('whose server is slow, but goes on', async () => {
    hurry();
    patience.silence = 600;
    const bytes = readFileSync(small);
    await using server = await badServer(async (_, response) => {
      for (let part = 0; part < 5; part++) {
        await new Promise((resolve) => setTimeout(resolve, 200)); // a second in all
        response.write(bytes.subarray((part * bytes.length) / 5, ((part + 1) * bytes.length) / 5));
      }
      response.end();
    });
    const net = await load(server.url, options);
    expect(net.labels.length).toBeGreaterThan(1);
    net.dispose();
  });

  it('that a signal stops', async () => {
    await using server = await badServer((_, response) => void response.writeHead(200).write('ten  bytes'));
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 100);
    const stopped = load(server.url, { ...options, signal: controller.signal });
    expect(await failure(stopped)).toMatchObject(refusal('ABORTED', /./));
  });

  it('of a response that is promised', async () => {
    hurry(1000);
    const late = refusal('NOT_FOUND', /^wasm: the response that was passed has not come within 1 s$/);
    expect(await failure(load(small, { ...options, wasm: never as Promise<Response> }))).toMatchObject(late);
  });
});

describe('a worker', () => {
  /** What a browser gives: it says nothing when it is terminated. */
  class Mute extends EventTarget {
    constructor(readonly answers: readonly string[]) {
      super();
    }
    terminate(): void {}
    postMessage(data: unknown): void {
      const { type } = unmark<{ type: string }>(data)!;
      const reply = type === 'hello' ? { type: 'ready', locked: false } : { type: 'pong' };
      if (this.answers.includes(type))
        queueMicrotask(() => this.dispatchEvent(Object.assign(new Event('message'), { data: mark(reply) })));
    }
  }
  const start = (createWorker: () => Mute | Promise<Mute>) =>
    failure(loadInWorker(undefined, { createWorker: createWorker as never }));

  it('that is never made', async () => {
    hurry();
    expect(await start(() => never)).toMatchObject(
      refusal('WORKER_FAILED', /could not be started \(no worker in 0\.1/),
    );
  });

  it('that says nothing', async () => {
    hurry();
    expect(await start(() => new Mute([]))).toMatchObject(refusal('WORKER_FAILED', /\(no answer in 0\.1 seconds/));
  });

  it('that has ended where nothing tells of it', async () => {
    hurry();
    const gone = refusal('WORKER_FAILED', /^worker: it ended by itself \(it does not answer any more\)/);
    expect(await start(() => new Mute(['hello']))).toMatchObject(gone);
  });

  it('that is alive is waited for', async () => {
    hurry();
    const loading = start(() => new Mute(['hello', 'ping']));
    const waited = new Promise((resolve) => setTimeout(resolve, 500, 'still waiting')); // four times the limit
    expect(await Promise.race([loading, waited])).toBe('still waiting');
  });
});

it('a thread that is silent is taken for lost, in both ways of running', async () => {
  hurry();
  silentThreads.wanted = true;
  for (const way of ['run', 'runAsync'] as const) {
    const runtime = await Runtime.create({ kernels: 'simd', threads: 2 });
    const map = view(runtime.arena.alloc(4 * 700_000), 700, 100, 10);
    const done = (async () => runtime[way](reluBackwardJob(map, map, map)))();
    expect(await failure(done)).toMatchObject(refusal('WORKER_FAILED', /^a thread of the network has ended by itself/));
  }
  silentThreads.wanted = false;
});
