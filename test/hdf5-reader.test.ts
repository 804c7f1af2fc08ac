import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { loadAsset } from '../src/weights/assets.js';
import { limits } from '../src/weights/hdf5-reader.js';
import { openWeights } from '../src/weights/open.js';
import { fixturePath } from './support/references.js';
import { allNumbers, expectRefused, numbers } from './support/weight-files.js';

/** The worker's script; undefined: the package's own. */
const own = vi.hoisted(() => ({ script: undefined as string | undefined }));
vi.mock('../src/weights/assets.js', async (original) => {
  const actual = await original<typeof import('../src/weights/assets.js')>();
  const load: typeof loadAsset = async (name) =>
    name === 'hdf5-worker' && own.script !== undefined ? new TextEncoder().encode(own.script) : actual.loadAsset(name);
  return { ...actual, loadAsset: load };
});

const path = fixturePath('small/micro-vgg16.keras-official.h5');
/** A worker that starts as the package's own does, and what it then does with the first message. */
const worker = (act: string) => `const { parentPort } = require('worker_threads');
  const say = (message) => parentPort.postMessage({ 'atrous-cam': message });
  say({ type: 'ready' });
  parentPort.on('message', ({ 'atrous-cam': request }) => { ${act} });`;

const normal = { ...limits };
const started: Worker[] = [];
const note = (worker: Worker) => void started.push(worker);
/** No worker waits for a file before a test, so that each has its own script. */
beforeEach(async () => {
  limits.idle = 0;
  process.on('worker', note);
});
afterEach(async () => {
  await Promise.all(started.map(ended));
  started.length = 0;
  process.off('worker', note);
  own.script = undefined;
  Object.assign(limits, normal);
});
const ended = async (worker: Worker) => worker.threadId === -1 || once(worker, 'exit');

const open = (signal?: AbortSignal) => openWeights(path, { signal });

test('a file that leads the reader into a loop is refused, and the worker ended', async () => {
  own.script = worker('for (;;);');
  limits.answer = 300;
  await expectRefused(open, 'BAD_WEIGHTS', /keras-official\.h5": the HDF5 reader has given no answer for 0\.3 s/);
  expect(started).toHaveLength(1);
});

test('an abort ends a reader that is in a loop', async () => {
  own.script = worker('for (;;);');
  const controller = new AbortController();
  const opened = open(controller.signal);
  await vi.waitFor(() => expect(started).toHaveLength(1));
  controller.abort();
  await expectRefused(() => opened, 'ABORTED', 'stopped by the caller');
});

test('an abort ends the reading of tensors', async () => {
  const controller = new AbortController();
  const { chain, close } = await open(controller.signal);
  const { dense } = chain!;
  const reading = numbers(dense[0].kernel);
  controller.abort();
  await expectRefused(() => reading, 'ABORTED', 'stopped by the caller');
  await expectRefused(() => numbers(dense[0].kernel), 'ABORTED', 'stopped by the caller');
  close();
});

test('a reader that dies is named', async () => {
  own.script = worker('process.exit(3)');
  await expectRefused(open, 'WORKER_FAILED', /the HDF5 reader has ended by itself \(exit code 3\)/);
});

test('a reader that a file has broken is not used again', async () => {
  limits.idle = normal.idle;
  own.script = worker(
    "say({ type: 'error', id: request.id, error: { name: 'AtrousCamError', code: 'BAD_WEIGHTS', message: 'memory access' }, broken: true })",
  );
  await expectRefused(open, 'BAD_WEIGHTS', 'memory access');
  own.script = undefined;
  limits.idle = 0;
  (await open()).close();
  expect(started).toHaveLength(2);
});

test('a file after the other takes the same worker, files at once take one each, and none stays', async () => {
  limits.idle = 60_000;
  (await open()).close();
  const first = await open();
  expect(started).toHaveLength(1);
  const second = await open();
  expect(started).toHaveLength(2);
  const expected = await allNumbers(first);
  expect(await allNumbers(second)).toEqual(expected);
  second.close();
  limits.idle = 0;
  first.close(); // one waits already: ended at once
  await ended(started[0]);
  await expectRefused(() => numbers(first.chain!.dense[0].kernel), 'BAD_ARGUMENT', 'the file is closed');
  const third = await open();
  expect(started).toHaveLength(2);
  third.close();
  await ended(started[1]);
});

test('bytes are sent as a copy', async () => {
  const bytes = new Uint8Array(readFileSync(path));
  const copy = bytes.slice();
  const file = await openWeights(bytes);
  const other = await open();
  expect(await allNumbers(file)).toEqual(await allNumbers(other));
  expect(bytes).toEqual(copy);
  for (const { close } of [file, other]) close();
});

test.each([
  ['that cannot be started', 'throw new Error("no")'],
  ['that says nothing', ''],
])('without a worker, one %s, this thread reads by itself', async (_, script) => {
  const file = await open();
  const expected = await allNumbers(file);
  file.close();
  await Promise.all(started.map(ended));
  own.script = script;
  limits.start = 500;
  const here = await open();
  expect(await allNumbers(here)).toEqual(expected);
  expect(here.parameters).toBe(file.parameters);
  here.close();
  await expectRefused(() => openWeights(readFileSync(path).subarray(0, 5000)), 'BAD_WEIGHTS', 'truncated file');
});
