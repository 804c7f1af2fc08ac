import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageInput, Network, PixelInput, Progress } from '../src/api.js';
import type { Mode } from '../src/base/types.js';
import * as library from '../src/index.js';
import { inspect, load, type WorkerNetwork } from '../src/worker.js';
import { fixturePath } from './support/references.js';

const dist = new URL('../dist/', import.meta.url);
const hostUrl = new URL('worker-host.js', dist);
const weights = fixturePath('small/micro-vgg16.torchvision.safetensors');
const keras = fixturePath('small/micro-vgg16.keras-official.h5');
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;
const options = { kernels: 'simd', preprocessing } as const;
const modes = ['pooled', 'dilated', 'atrous'] as const;
const picture = (seed: number): PixelInput => ({
  width: 64,
  height: 64,
  data: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i + seed * i) % 251),
});

/** Everything of a result but the time that it took. */
const numbers = <Result extends object>(result: Result) => ({ ...result, seconds: 0, overlay: undefined });

it('several files go to a worker together', async () => {
  const path = (name: string) => new URL(`fixtures/onnx/${name}`, import.meta.url);
  const files = ['residual-open.onnx.data', 'residual-open.onnx'].map(
    (name) => new File([new Uint8Array(readFileSync(path(name)))], name),
  );
  const [here, there] = [await library.load(files), await load(files)];
  const tensor = new Float32Array(here.inputShape.reduce((a, b) => a * b)).fill(0.5);
  expect((await there.predict({ tensor })).logits).toEqual((await here.predict({ tensor })).logits);
  for (const network of [here, there]) network.dispose();
});

describe('a network in a worker', () => {
  let here: Network;
  let there: WorkerNetwork;
  beforeAll(async () => {
    here = await library.load(weights, options);
    there = await load(weights, options);
  });
  afterAll(() => {
    here.dispose();
    there.dispose();
  });

  it('says of itself what the library says', () => {
    const facts = ({ source, parameters, inputSize, labels, layers, preprocessing, kernels, threads }: Network) => [
      [source, parameters, inputSize, labels, layers, preprocessing, kernels, threads],
      modes.map((mode) => (mode === 'atrous' ? here : there).plan(mode, { outputStride: 4 })),
    ];
    expect(facts(there)).toEqual(facts(here));
    expect(there.plan('dilated')).toEqual(here.plan('dilated'));
    expect(() => there.plan('pool' as Mode)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });

  it.each(modes)('gives the same numbers: %s', async (mode) => {
    expect(await there.predict(picture(1), { mode })).toEqual(await here.predict(picture(1), { mode }));
    const [a, b] = [await there.explain(picture(1), { mode }), await here.explain(picture(1), { mode })];
    expect(numbers(a)).toEqual(numbers(b));
    expect(a.overlay({ alpha: 0.3 })).toEqual(b.overlay({ alpha: 0.3 }));
    const wrt = ['input', 'block3_conv1', 'weights'];
    expect(await there.gradients(picture(1), { mode, wrt })).toEqual(await here.gradients(picture(1), { mode, wrt }));
    const layers = ['block1_conv2', 'block3_conv1'];
    const maps = await there.activations(picture(1), { mode, layers });
    expect(Object.keys(maps)).toEqual(layers);
    expect(maps).toEqual(await here.activations(picture(1), { mode, layers }));
  });

  it('reports the same progress, refined maps included', async () => {
    const reports = async (net: Network) => {
      const all: Progress[] = [];
      await net.explain(picture(2), { onProgress: (progress: Progress) => all.push(progress) });
      return all;
    };
    const expected = await reports(here);
    expect(expected.filter(({ map }) => map).map(({ outputStride }) => outputStride)).toEqual([16, 8, 4, 2, 1]);
    expect(await reports(there)).toEqual(expected);
  });

  it('answers twenty calls at once as one after the other, in order', async () => {
    const order: number[] = [];
    const all = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const result = await there.explain(picture(i), { mode: modes[i % 3] });
        order.push(i);
        return numbers(result);
      }),
    );
    expect(order).toEqual(Array.from(all, (_, i) => i));
    for (const [i, result] of all.entries())
      expect(result, `call ${i}`).toEqual(numbers(await here.explain(picture(i), { mode: modes[i % 3] })));
  });

  it.each<[string, ImageInput, object]>([
    ['a path that is not there', 'no/such.png', {}],
    ['a URL that is not there', pathToFileURL('no/such.png'), {}],
    ['a text file', new Blob(['text']), {}],
    ['a named text file', new File(['text'], 'notes.txt'), {}],
    ['another mode', picture(1), { mode: 'pool' }],
    ['another label', picture(1), { target: 'clas 3' }],
    ['no picture', 7 as unknown as ImageInput, {}],
    ['pixels of another number', { width: 3, height: 3, data: new Uint8Array(3) }, {}],
  ])('refuses %s in the same words', async (_, image, more) => {
    const refusal = await here.explain(image, more).catch((error) => error);
    expect(refusal).toBeInstanceOf(library.AtrousCamError);
    const error = await there.explain(image, more).catch((reason) => reason);
    expect(error).toBeInstanceOf(library.AtrousCamError);
    expect([error.code, error.message]).toEqual([refusal.code, refusal.message]);
  });

  it('refuses what cannot be sent', async () => {
    const target = (() => 1) as unknown as string;
    await expect(there.explain(picture(1), { target })).rejects.toMatchObject({
      code: 'BAD_ARGUMENT',
      message: expect.stringMatching(/^explain: an argument cannot be sent to the worker \(.*\)$/),
    });
  });

  it('copies arrays, and hands them over where asked to', async () => {
    const png = readFileSync(fixturePath('../images/chelsea.png'));
    const file = new Uint8Array(png).buffer;
    const expected = await here.predict(file);
    expect(await there.predict(file)).toEqual(expected);
    expect(await there.predict(new Blob([file]))).toEqual(expected);
    const surrounded = new Uint8Array(file.byteLength + 20);
    surrounded.set(new Uint8Array(file), 10);
    const part = surrounded.subarray(10, -10);
    expect(await there.predict(part, { transfer: true })).toEqual(expected); // not the whole buffer, so copied
    expect([file.byteLength, part.byteLength]).toEqual([png.byteLength, png.byteLength]);
    expect(await there.predict(file, { transfer: true })).toEqual(expected);
    expect(file.byteLength).toBe(0);
    const pixels = picture(1);
    const same = await there.predict(pixels);
    expect(pixels.data.length).toBe(64 * 64 * 3);
    expect(await there.predict(pixels, { transfer: true })).toEqual(same);
    expect(pixels.data.length).toBe(0);
  });

  it('stops when the caller says so, and goes on working', async () => {
    const controller = new AbortController();
    let reports = 0;
    const stopped = there.explain(picture(1), {
      mode: 'dilated',
      signal: controller.signal,
      onProgress: () => {
        reports++;
        controller.abort('enough');
      },
    });
    const waiting = there.predict(picture(1), { signal: controller.signal });
    const next = there.predict(picture(2));
    for (const call of [stopped, waiting])
      await expect(call).rejects.toMatchObject({ code: 'ABORTED', message: 'stopped by the caller', cause: 'enough' });
    expect(await next).toEqual(await here.predict(picture(2)));
    expect(reports).toBe(1);
    const early = there.predict(picture(1), { signal: AbortSignal.abort() });
    await expect(early).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('ends a call whose onProgress throws with what it threw', async () => {
    const thrown = new TypeError('not now');
    const onProgress = () => {
      throw thrown;
    };
    await expect(here.explain(picture(1), { onProgress })).rejects.toBe(thrown);
    await expect(there.explain(picture(1), { onProgress })).rejects.toBe(thrown);
    await expect(there.predict(picture(1))).resolves.toBeDefined();
  });
});

describe('weight files', () => {
  it.each<[string, () => library.WeightsSource | undefined]>([
    ['nothing: the embedded network', () => undefined],
    ['HDF5 by its path', () => keras],
    ['HDF5 as a File', () => new File([readFileSync(keras)], 'micro.h5')],
    ['safetensors by its URL', () => pathToFileURL(weights)],
    ['safetensors as bytes', () => new Uint8Array(readFileSync(weights))],
  ])('are read in the worker: %s', async (_, source) => {
    const [there, here] = await Promise.all([load(source(), options), library.load(source(), options)]);
    expect(there.source).toBe(here.source);
    expect(await there.predict(picture(3))).toEqual(await here.predict(picture(3)));
    there.dispose();
    here.dispose();
  });

  it('are looked at', async () => {
    const [there, here] = [await inspect(keras), await library.inspect(keras)];
    expect({ ...there }).toEqual({ ...here });
    expect(there.plan('atrous')).toEqual(here.plan('atrous'));
  });

  it.each([['no-such.h5'], [new File(['PK'], 'x.h5')], [new Blob([])]])(
    'are refused in the same words: %o',
    async (source) => {
      const refusal = await library.load(source).catch((error) => error);
      await expect(load(source)).rejects.toMatchObject({ code: refusal.code, message: refusal.message });
      await expect(inspect(source)).rejects.toMatchObject({ code: refusal.code, message: refusal.message });
    },
  );

  it('report how far they are read, and stop', async () => {
    const controller = new AbortController();
    const reports: Progress[] = [];
    const onProgress = (progress: Progress) => {
      reports.push(progress);
      controller.abort();
    };
    const stopped = load(undefined, { signal: controller.signal, onProgress });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    expect(reports).toEqual([{ stage: 'load', done: expect.any(Number) }]);
    const early = load(undefined, { signal: AbortSignal.abort() });
    await expect(early).rejects.toMatchObject({ code: 'ABORTED' });
    const soon = load(undefined, { signal: AbortSignal.timeout(1) });
    await expect(soon).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('the end of a worker', () => {
  const failed = (message: RegExp) =>
    expect.objectContaining({ code: 'WORKER_FAILED', message: expect.stringMatching(message) });
  const refusalsOf = (calls: Promise<unknown>[]) =>
    Promise.all(
      calls.map((call) =>
        call.then(
          () => 'no error',
          (error) => error,
        ),
      ),
    );

  /** A network in a worker that the test holds. */
  async function held(more: ConstructorParameters<typeof Worker>[1] = {}) {
    let worker: Worker | undefined;
    const createWorker = () => {
      worker = new Worker(hostUrl, more);
      return worker;
    };
    return { net: await load(undefined, { ...options, threads: 1, createWorker }), worker: worker! };
  }

  it('fails running and waiting calls when the network is disposed, any number of times', async () => {
    const { net, worker } = await held();
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    const calls = [1, 2, 3].map((seed) => net.explain(picture(seed), { onProgress: () => net.dispose() }));
    const disposed = { code: 'ABORTED', message: 'the network was disposed while it was computing' };
    expect(await refusalsOf(calls)).toEqual(calls.map(() => expect.objectContaining(disposed)));
    net.dispose();
    await exit;
    await expect(net.predict(picture(1))).rejects.toMatchObject({
      code: 'ABORTED',
      message: 'the network was disposed; load it again',
    });
    expect(net.plan('pooled').rows.length).toBeGreaterThan(10);
    const other = await load(undefined, { ...options, threads: 1 });
    other[Symbol.dispose](); // what `using` calls
    other.dispose();
    await expect(other.predict(picture(1))).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('fails all calls with one sentence when somebody terminates it', async () => {
    const { net, worker } = await held();
    const calls = [1, 2, 3].map((seed) => net.explain(picture(seed), { onProgress: () => worker.terminate() }));
    const died = failed(/^worker: it ended by itself \(exit code 1\); load the network again$/);
    expect(await refusalsOf(calls)).toEqual(calls.map(() => died));
    await expect(net.predict(picture(1))).rejects.toEqual(died);
    net.dispose();
  });

  it('says that it ran out of memory', async () => {
    // As Node says it. A heap that really is full ends the whole process in Node 24 and 26.
    const full = Object.assign(new Error('Worker terminated due to reaching memory limit: JS heap out of memory'), {
      code: 'ERR_WORKER_OUT_OF_MEMORY',
    });
    const { net, worker } = await held();
    const fail = () => {
      worker.emit('error', full);
      void worker.terminate();
    };
    const call = net.explain(picture(1), { onProgress: fail });
    const message = 'worker: it ran out of memory and ended; use a smaller network or picture';
    await expect(call).rejects.toMatchObject({ code: 'OUT_OF_MEMORY', message });
  });

  it.each([
    [
      'a script that is not there',
      { workerUrl: new URL('no-such.js', dist) },
      /could not be started \(Cannot find module/,
    ],
    [
      'a script that throws',
      { createWorker: () => new Worker('throw new Error("broken")', { eval: true }) },
      /\(broken\)/,
    ],
    ['a script that ends', { createWorker: () => new Worker('', { eval: true }) }, /\(exit code 0\)/],
    ['a factory that throws', { createWorker: () => Promise.reject(new Error('none')) }, /\(none\)/],
  ])('is told of %s', async (_, how, message) => {
    await expect(load(undefined, how)).rejects.toEqual(failed(message));
    await expect(load(undefined, how)).rejects.toEqual(failed(/^worker: it could not be started/));
  });

  it('starts from a script as from the text', async () => {
    const net = await load(undefined, { ...options, workerUrl: hostUrl });
    const here = await library.load(undefined, options);
    expect(await net.predict(picture(5))).toEqual(await here.predict(picture(5)));
    net.dispose();
    here.dispose();
  });

  it('does not keep a process alive that waits for nothing', async () => {
    const script = `
      import { load } from ${JSON.stringify(new URL('worker.js', dist).href)};
      const net = await load();
      const { predictions } = await net.predict(${JSON.stringify(fileURLToPath(new URL('../photos/leonberger_abyssinian.jpg', import.meta.url)))});
      console.log(predictions.length);
    `;
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 30_000 });
    expect((await run).stdout).toBe('2\n');
  });
});
