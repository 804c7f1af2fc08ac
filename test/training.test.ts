import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load } from '../src/index.js';
import { openDataset } from '../src/training/dataset.js';
import { checkConfig, DEFAULTS, learningRate, type Stage, type TrainOptions } from '../src/training/options.js';
import { evaluate, train } from '../src/training.js';
import { fixturePath, readReferences } from './support/references.js';
import { writeToyPictures } from './support/toy-pictures.js';

const folder = mkdtempSync(join(tmpdir(), 'atrous-cam-training-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = join(folder, 'pictures');
beforeAll(() => writeToyPictures(data, 64));

const tiny: Omit<TrainOptions, 'out'> = {
  widths: [4, 8, 8, 8, 8],
  convs: [1, 1, 1, 1, 1],
  dense: [8],
  dropout: 0.3,
  batch: 16,
  seed: 5,
  learningRate: 0.01,
  cutmix: 0.5,
  stages: [
    { size: 32, epochs: 4 },
    { size: 64, epochs: 1 },
  ],
};

const losses = (out: string): number[] =>
  readFileSync(join(out, 'steps.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => Number(line.split(',')[2]));

/** test/fixtures/training/first-losses.json is what `train` gave when its gradients had just been checked (training-step.test.ts). */
const expected: Record<string, number[]> = JSON.parse(
  readFileSync(fixturePath('../training/first-losses.json'), 'utf8'),
);

describe.each([1, 2])('training on %d threads', (threads) => {
  it.each(['adamw', 'sgd'] as const)('repeats the first 20 steps to the bit, %s', async (optimizer) => {
    const out = join(folder, `first-${optimizer}-${threads}`);
    await train(data, { ...tiny, out, optimizer, threads, maxSteps: 20 });
    expect(losses(out)).toEqual(expected[optimizer]);
  });
});

describe('the learning rate', () => {
  const rates = (stages: readonly Stage[]) =>
    Array.from({ length: 50 }, (_, i) =>
      learningRate({ ...DEFAULTS, stages, warmup: 0.2, learningRate: 1 }, i + 1, 10),
    );

  it('rises in a straight line and falls along a cosine', () => {
    const course = rates([{ size: 32, epochs: 5 }]);
    for (let step = 1; step <= 50; step++) {
      const expected = step <= 10 ? step / 10 : 0.5 + 0.5 * Math.cos((Math.PI * (step - 11)) / 40);
      expect(course[step - 1]).toBeCloseTo(expected, 12);
    }
  });

  it('does the same within a stage that has its own, and goes on underneath', () => {
    const stages = [
      { size: 32, epochs: 2 },
      { size: 32, epochs: 2, rate: 0.3 },
      { size: 64, epochs: 1 },
    ];
    const [course, plain] = [rates(stages), rates([{ size: 32, epochs: 5 }])];
    expect([...course.slice(0, 20), ...course.slice(40)]).toEqual([...plain.slice(0, 20), ...plain.slice(40)]);
    for (let step = 1; step <= 20; step++) {
      const expected = step <= 4 ? (0.3 * step) / 4 : 0.15 + 0.15 * Math.cos((Math.PI * (step - 5)) / 16);
      expect(course[19 + step]).toBeCloseTo(expected, 12);
    }
  });

  it('is the default stages own but where another one or SGD is asked for', () => {
    expect(checkConfig({}).stages).toEqual(DEFAULTS.stages);
    const sizes = DEFAULTS.stages.map(({ rate: _, ...stage }) => stage);
    expect(checkConfig({ learningRate: 0.01 }).stages).toEqual(sizes);
    expect(checkConfig({ optimizer: 'sgd' }).stages).toEqual(sizes);
    const stages = [{ size: 64, epochs: 2, rate: 0.3 }];
    expect(checkConfig({ learningRate: 0.01, stages }).stages).toEqual(stages);
  });

  it('must be a number that can be one', async () => {
    const run = train(data, { ...tiny, out: join(folder, 'rate'), stages: [{ size: 32, epochs: 1, rate: 0 }] });
    await expect(run).rejects.toThrow(
      'stages: expected input sizes with a whole number of epochs and, if wanted, a rate',
    );
  });
});

describe('training', () => {
  const out = join(folder, 'whole');
  let result: Awaited<ReturnType<typeof train>>;
  beforeAll(async () => {
    result = await train(data, { ...tiny, out, stages: [{ size: 32, epochs: 10 }], cutmix: 0.2, dtype: 'float32' });
  });

  it('learns to tell stripes apart, and its network says so', async () => {
    const all = losses(out);
    const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
    expect(mean(all.slice(-8))).toBeLessThan(0.6 * mean(all.slice(0, 8)));
    const last = result.epochs.at(-1)!;
    expect(last.valAccuracy).toBeGreaterThanOrEqual(0.9);
    const network = await load(result.network, { kernels: 'simd' });
    try {
      expect(network.labels).toEqual(['horizontal', 'vertical']);
      expect(network.preprocessing).toEqual({ normalization: 'caffe', resize: 'bilinear', fit: 'squash' });
      expect(network.inputSize).toBe(32);
      const measured = await evaluate(network, data);
      expect(measured.pictures).toBe(32);
      expect(measured.accuracy).toBe(last.valAccuracy);
      expect(Math.abs(measured.loss - last.valLoss!)).toBeLessThan(1e-4);
    } finally {
      network.dispose();
    }
  });

  it('writes a table of the epochs and a curve', () => {
    const rows = readFileSync(join(out, 'epochs.csv'), 'utf8').trim().split('\n');
    expect(rows.length).toBe(11);
    expect(rows[0]).toContain('valAccuracy');
    expect(readFileSync(join(out, 'curve.svg'), 'utf8')).toMatch(/^<svg [\s\S]*polyline[\s\S]*<\/svg>\n$/);
  });

  it('takes the statistics of normalization anew when the last step is done', async () => {
    const course = { ...tiny, stages: [{ size: 32, epochs: 2 }] };
    const [finished, stopped] = [join(folder, 'finished'), join(folder, 'stopped')];
    await train(data, { ...course, out: finished });
    await train(data, { ...course, out: stopped, maxSteps: losses(finished).length });
    const [a, b] = [finished, stopped].map((out) => readReferences(join(out, 'checkpoint.safetensors')));
    expect(a.get('parameters')).toEqual(b.get('parameters'));
    expect(a.get('statistics')).not.toEqual(b.get('statistics'));
  });

  it('weighs every cell of the map alike in the end of a shared stage', async () => {
    const cellsOf = async (shared: boolean) => {
      const shape = { ...tiny, out: join(folder, `cells-${shared}`), dtype: 'float32' as const };
      const { network } = await train(data, { ...shape, stages: [{ size: 64, epochs: 1, shared }], maxSteps: 3 });
      const kernel = readReferences(network).get('fc1.kernel')!.data;
      const each = kernel.length / 4;
      return Array.from({ length: 4 }, (_, cell) => kernel.slice(cell * each, (cell + 1) * each));
    };
    const [alike, apart] = [await cellsOf(true), await cellsOf(false)];
    for (const cell of alike.slice(1)) expect(cell).toEqual(alike[0]);
    expect(apart[1]).not.toEqual(apart[0]);
  });

  it('refuses to begin where a checkpoint lies, or to resume with other options', async () => {
    await expect(train(data, { ...tiny, out })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    const other = train(data, { ...tiny, out, resume: true, seed: 6 });
    await expect(other).rejects.toThrow(/was made with other stages, .*seed/);
  });

  it('goes on after aborts as if there had been none', async () => {
    const [calm, broken] = [join(folder, 'calm'), join(folder, 'broken')];
    const course = {
      ...tiny,
      stages: [...tiny.stages!, { size: 64, epochs: 1, rate: 0.005, inset: 0.5, shared: true }],
    };
    await train(data, { ...course, out: calm });
    let step = 0;
    for (let tries = 0; !existsSync(join(broken, 'network.safetensors')); tries++) {
      expect(tries).toBeLessThan(40);
      const stop = new AbortController();
      const until = step + 3;
      const onStep = (report: { step: number }) => {
        step = report.step;
        if (step >= until) stop.abort();
      };
      const run = train(data, { ...course, out: broken, resume: true, signal: stop.signal, onStep });
      await run.catch((error) => expect(error.code).toBe('ABORTED'));
    }
    for (const name of ['network.safetensors', 'steps.csv'])
      expect(readFileSync(join(broken, name)).equals(readFileSync(join(calm, name))), name).toBe(true);
  });

  it('begins with given weights, in both modes', async () => {
    for (const mode of ['pooled', 'dilated'] as const) {
      const tuned = join(folder, `tuned-${mode}`);
      const options = { out: tuned, from: result.network, mode, batch: 8, learningRate: 1e-3, maxSteps: 2 };
      const { parameters } = await train(data, options);
      expect(parameters).toBe(result.parameters);
      expect(losses(tuned).every(Number.isFinite)).toBe(true);
    }
    const pooled = losses(join(folder, 'tuned-pooled'))[0];
    expect(pooled, 'weights that have learnt').toBeLessThan(0.6);
  });

  it('adds degridding layers to the dilated network, which begin as the identity', async () => {
    const tune = async (name: string, options: Partial<TrainOptions> = {}) => {
      const out = join(folder, name);
      const common = { from: result.network, mode: 'dilated', batch: 8, learningRate: 1e-3, dropout: 0 } as const;
      const { network } = await train(data, { ...common, out, maxSteps: 2, dtype: 'float32', ...options });
      return { network, losses: losses(out) };
    };
    const without = await tune('without-layers');
    const one = await tune('degrid', { degriddingLayers: [4, 1], threads: 1 });
    const two = await tune('degrid-2', { degriddingLayers: [4, 1], threads: 2 });
    expect(Math.abs(one.losses[0] - without.losses[0])).toBeLessThan(1e-5);
    expect(one.losses[1]).not.toBe(without.losses[1]);
    expect(readFileSync(one.network).equals(readFileSync(two.network))).toBe(true);

    const network = await load(one.network, { kernels: 'simd' });
    expect(network.layers.slice(-2)).toEqual(['degrid1', 'degrid2']);
    const asked = network.predict(join(data, 'val/vertical/64.png'));
    await expect(asked).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    network.dispose();

    const on = await tune('degrid-on', { from: one.network, stages: [{ size: 32, epochs: 1 }], maxSteps: undefined });
    const trained = await load(on.network, { kernels: 'simd' });
    const { loss } = await evaluate(trained, data, { mode: 'dilated' });
    const [head, row] = readFileSync(join(folder, 'degrid-on/epochs.csv'), 'utf8').split('\n');
    expect(Math.abs(loss - Number(row.split(',')[head.split(',').indexOf('valLoss')]))).toBeLessThan(1e-4);
    trained.dispose();
    const other = tune('degrid-other', { from: one.network, degriddingLayers: [1] });
    await expect(other).rejects.toThrow(
      'these weights have degridding layers of rates 4, 1, which are trained as they are',
    );
    await expect(tune('degrid-pooled', { from: one.network, mode: 'pooled' })).rejects.toThrow('in mode dilated');
    await expect(tune('degrid-3', { degriddingLayers: [3] })).rejects.toThrow('rates of 1, 2, 4, 8, 16, got 3');
    await expect(tune('degrid-none', { degriddingLayers: [1], mode: 'pooled' })).rejects.toThrow(
      'expected mode dilated',
    );
  });

  it('takes part of the pictures, by the seed, and keeps to it', async () => {
    const out = join(folder, 'part');
    const options = { ...tiny, out, stages: [{ size: 32, epochs: 1 }], trainLimit: 40, valLimit: 12 };
    await train(data, options);
    expect(losses(out).length).toBe(2);
    const resumed = train(data, { ...options, resume: true, trainLimit: undefined });
    await expect(resumed).rejects.toThrow(/was made with other trainLimit/);
    await expect(train(data, { ...tiny, out, trainLimit: 1.5 })).rejects.toThrow('trainLimit: expected a whole number');
  });

  it('refuses what it cannot train', async () => {
    const out = join(folder, 'refused');
    await expect(train(join(folder, 'nothing'), { out })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(train(data, { out, widths: [6, 8, 8, 8, 8] })).rejects.toThrow('widths: expected 5 multiples of 4');
    await expect(train(data, { out, batch: 500 })).rejects.toThrow('batch: expected at most the 128 training pictures');
    await expect(train(data, { out, mode: 'dilated' })).rejects.toThrow('expected weights to begin with');
    const hot = train(data, { ...tiny, out, learningRate: 999, optimizer: 'sgd' });
    await expect(hot).rejects.toThrow(/smaller learning rate/);
  });
});

describe('data sets', () => {
  it.each(['ustar', 'gnu', 'pax'])('reads a tar archive, %s', async (format) => {
    const dataset = await openDataset(fixturePath(`../training/${format}.tar`));
    try {
      expect(dataset.classes).toEqual(['cat', 'dog']);
      expect(dataset.ownVal).toBe(true);
      expect(dataset.train.map(({ label }) => label)).toEqual([0, 0, 1]);
      expect(dataset.val.map(({ path }) => path.split('/').at(-1))).toEqual(['v.png', 'v.png']);
      expect(new TextDecoder().decode(await dataset.train[1].read())).toBe('second cat');
      expect(dataset.train[0].path).toMatch(/a-very-long-name-.*\.png$/);
    } finally {
      await dataset.close();
    }
  });

  it('keeps the same share of each class where there is no val/, by the seed', async () => {
    const flat = join(data, 'train');
    const first = await openDataset(flat, { valShare: 0.25, seed: 3 });
    const again = await openDataset(flat, { valShare: 0.25, seed: 3 });
    const other = await openDataset(flat, { valShare: 0.25, seed: 4 });
    const names = (samples: readonly { path: string }[]) => samples.map(({ path }) => path);
    expect(first.val.filter(({ label }) => label === 0).length).toBe(16);
    expect(first.train.length).toBe(96);
    expect(names(again.val)).toEqual(names(first.val));
    expect(names(other.val)).not.toEqual(names(first.val));
  });

  it('takes as many pictures as wanted, by the seed', async () => {
    const paths = async (options: { trainLimit?: number; valLimit?: number; seed?: number }) => {
      const { train, val } = await openDataset(data, options);
      return { train: train.map(({ path }) => path), val: val.map(({ path }) => path) };
    };
    const all = await paths({});
    const part = await paths({ trainLimit: 50, valLimit: 0, seed: 3 });
    expect([part.train.length, part.val.length]).toEqual([50, 0]);
    expect(part.train).toEqual(all.train.filter((path) => part.train.includes(path)));
    expect(await paths({ trainLimit: 50, valLimit: 0, seed: 3 })).toEqual(part);
    expect((await paths({ trainLimit: 50, seed: 4 })).train).not.toEqual(part.train);
    expect((await paths({ trainLimit: 1000 })).train).toEqual(all.train);
  });

  it('takes neither masks nor hidden folders for classes', async () => {
    const folder = join(data, '../with-masks');
    for (const name of ['cat', 'dog', 'masks', '.thumbnails']) {
      mkdirSync(join(folder, name), { recursive: true });
      writeFileSync(join(folder, name, '1.png'), '');
    }
    const { classes, train } = await openDataset(folder);
    expect(classes).toEqual(['cat', 'dog']);
    expect(train.map(({ path }) => path)).toEqual(['cat/1.png', 'dog/1.png']);
  });

  it('says what is no archive', async () => {
    await expect(openDataset(fixturePath('README.md'))).rejects.toThrow(/it is no tar archive, or damaged/);
  });
});
