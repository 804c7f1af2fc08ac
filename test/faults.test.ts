import { readFileSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { inspect, type LoadOptions, load, type Network, type WeightsSource } from '../src/index.js';
import { bits } from './browser/harness.js';
import { fixturePath } from './support/references.js';
import { expectRefused, float32, readEntries, safetensors } from './support/weight-files.js';

const micro = fixturePath('small/micro-vgg16.torchvision.safetensors');
const tensors = readEntries(micro);
const photo = 'photos/leonberger_abyssinian.jpg';
const picture = (seed: number) => ({
  width: 64,
  height: 64,
  data: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i * seed) % 251),
});

async function loaded(source: WeightsSource | undefined, options: LoadOptions = {}): Promise<Network> {
  const network = await load(source, options);
  onTestFinished(() => network.dispose());
  return network;
}

describe('many calls at once', () => {
  test('50 concurrent ones give the bits of sequential ones', async () => {
    const network = await loaded(micro, { threads: 2 });
    const calls = Array.from({ length: 50 }, (_, i) => {
      const mode = (['pooled', 'dilated', 'atrous'] as const)[i % 3];
      return () => network.explain(picture(i + 1), { mode });
    });
    const print = (results: Awaited<ReturnType<Network['explain']>>[]) =>
      results.map(({ mode, logits, raw, map }) => [mode, bits(logits), bits(raw.data), bits(map.data)]);
    const sequential = [];
    for (const call of calls) sequential.push(await call());
    expect(print(await Promise.all(calls.map((call) => call())))).toEqual(print(sequential));
  });

  test('those that fail leave the others alone', async () => {
    const network = await loaded(micro, { threads: 2 });
    const good = await network.predict(picture(3));
    const results = await Promise.allSettled([
      network.predict(picture(3)),
      network.predict(new Uint8Array(5)),
      network.explain(picture(3), { target: 99 }),
      network.predict(picture(3), { signal: AbortSignal.abort() }),
      network.predict(picture(3)),
    ]);
    expect(
      results.map((result) => (result.status === 'rejected' ? result.reason.code : bits(result.value.logits))),
    ).toEqual([bits(good.logits), 'BAD_IMAGE', 'BAD_ARGUMENT', 'ABORTED', bits(good.logits)]);
  });
});

describe('an abort', () => {
  test('at any moment ends the call, and the next one gives the right bits', async () => {
    const network = await loaded(undefined, { threads: 2 });
    const expected = bits((await network.explain(photo, { mode: 'atrous', outputStride: 8 })).raw.data);
    for (const moment of [-1, 0, 0.01, 0.2, 0.5, 0.8]) {
      const controller = new AbortController();
      const { signal } = controller;
      const onProgress = ({ done }: { done: number }) => {
        if (done >= moment) controller.abort();
      };
      const call = network.explain(photo, { mode: 'dilated', signal, onProgress });
      if (moment < 0) controller.abort(); // before anything was computed
      await expectRefused(() => call, 'ABORTED', 'stopped by the caller');
      expect(bits((await network.explain(photo, { mode: 'atrous', outputStride: 8 })).raw.data)).toBe(expected);
    }
  });

  test('dispose() during a run is one', async () => {
    const network = await load(undefined, { threads: 2 });
    const call = network.explain(photo, { mode: 'dilated', onProgress: () => network.dispose() });
    await expectRefused(() => call, 'ABORTED', /disposed/);
    await expectRefused(() => network.predict(photo), 'ABORTED', 'the network was disposed; load it again');
    network.dispose();
  });
});

describe('a thread that dies', () => {
  const workers: Worker[] = [];
  const note = (worker: Worker) => void workers.push(worker);
  beforeAll(() => void process.on('worker', note));
  afterAll(() => void process.off('worker', note));

  test('ends the call with a sentence instead of hanging it', async () => {
    const network = await loaded(undefined, { threads: 3 });
    expect(workers).toHaveLength(2);
    const call = network.explain(photo, { mode: 'dilated', onProgress: () => void workers[0].terminate() });
    await expectRefused(
      () => call,
      'WORKER_FAILED',
      'a thread of the network has ended by itself; load the network again',
    );
    await expectRefused(() => network.predict(photo), 'WORKER_FAILED', 'load the network again');
  });
});

describe('limits', () => {
  test('memory that is not to be taken: said with what is needed', async () => {
    await expectRefused(
      () => load(micro, { threads: 1, limits: { memoryBytes: 200_000 } }),
      'OUT_OF_MEMORY',
      /^memory: needs \d+ MB, more than the limit of 1 MB \(limits.memoryBytes\)/,
    );
    const network = await loaded(undefined, { threads: 1, limits: { memoryBytes: 16e6 } });
    const before = process.memoryUsage.rss();
    await expectRefused(() => network.explain(photo, { mode: 'dilated' }), 'OUT_OF_MEMORY', /a larger output stride/);
    expect(process.memoryUsage.rss() - before).toBeLessThan(100e6);
    await network.predict(photo);
  });

  test('pixels of pictures', async () => {
    const network = await loaded(micro, { threads: 1, limits: { pixels: 100_000 } });
    await expectRefused(() => network.predict(photo), 'BAD_IMAGE', 'expected at most 100000 pixels');
    await expectRefused(() => network.predict(readFileSync(photo)), 'BAD_IMAGE', 'expected at most 100000 pixels');
    await network.predict(picture(1));
  });

  test('bytes and tensors of weight files', async () => {
    await expectRefused(
      () => inspect(micro, { limits: { fileBytes: 10_000 } }),
      'BAD_WEIGHTS',
      'a file of at most 10000 bytes, got',
    );
    await expectRefused(() => load(micro, { limits: { tensors: 20 } }), 'BAD_WEIGHTS', 'at most 20 tensors, got 32');
  });
});

describe('numbers that are not finite', () => {
  /** The network with the kernels of some layers multiplied. */
  const scaled = (layers: string[], factor: number) => {
    const changed = layers.map((layer) => {
      const { shape, data } = tensors[`${layer}.weight`];
      const values = new Float32Array(data.slice().buffer);
      return [`${layer}.weight`, float32(shape, (i) => values[i] * factor)];
    });
    return safetensors({ ...tensors, ...Object.fromEntries(changed) });
  };

  test('in a tensor are named with it', () =>
    expectRefused(
      () => load(scaled(['features.12'], Number.NaN), { threads: 1 }),
      'BAD_WEIGHTS',
      '"features.12.weight": expected finite numbers, got NaN',
    ));

  test.each([
    ['features.10', 'features.12', 'layer "block3_conv2"'],
    ['features.24', 'features.26', 'layer "block5_conv2"'],
    ['classifier.0', 'classifier.3', 'the dense layers'],
  ])('that %s and %s together make are named with the layer: %s', async (first, second, where) => {
    const network = await loaded(scaled([first, second], 1e30), { threads: 2 });
    for (const mode of ['pooled', 'dilated', 'atrous'] as const) {
      await expectRefused(() => network.predict(picture(1), { mode }), 'BAD_WEIGHTS', where);
      await expectRefused(() => network.explain(picture(1), { mode }), 'BAD_WEIGHTS', where);
    }
  });
});
