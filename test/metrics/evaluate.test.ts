import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ExplainOptions, Explanation, ImageInput, TensorInput } from '../../src/api.js';
import type { RgbImage } from '../../src/base/types.js';
import { encodePng } from '../../src/image/decode.js';
import { readImage } from '../../src/image/input.js';
import { preprocess } from '../../src/image/preprocess.js';
import {
  type EvaluateExplanationsOptions,
  type Explainer,
  evaluateExplanations,
  summarizeEvaluations,
} from '../../src/metrics/evaluate-maps.js';
import { type MaskedPicture, readMaskedPictures } from '../../src/metrics/masked-pictures.js';
import { pictureGrid } from '../../src/metrics/picture-grid.js';
import { choosePictures } from '../../src/metrics/random-choice.js';
import { maskOf } from '../support/masked-pictures.js';

/** The shape of a square colour input. */
const shapeOf = (side: number) => ({ h: side, w: side, c: 3 });

const SIDE = 32;
const labels = ['red', 'green', 'blue'];

/** Counts what is asked of it; finds a class where its colour is. */
class ColourNet implements Explainer {
  readonly labels = labels;
  readonly inputSize = SIDE;
  readonly preprocessing = { normalization: 'torch', resize: 'bilinear', fit: 'crop' } as const;
  readonly explained: ExplainOptions[] = [];

  async preprocess(image: ImageInput) {
    const upright = await readImage(image);
    const { input, rect } = preprocess(upright, shapeOf(SIDE), { ...this.preprocessing, fit: 'squash' });
    return { tensor: input, rect, image: upright };
  }
  async predict(image: ImageInput | TensorInput) {
    const { tensor } = image as TensorInput;
    const sums = [0, 1, 2].map((c) => tensor.reduce((sum, value, i) => (i % 3 === c ? sum + Math.exp(value) : sum), 0));
    const total = sums.reduce((a, b) => a + b);
    const probabilities = Float32Array.from(sums, (sum) => sum / total);
    return { logits: probabilities.map(Math.log), probabilities, predictions: [] };
  }
  async explain(image: ImageInput, options: ExplainOptions = {}): Promise<Explanation> {
    this.explained.push(options);
    const { seen } = preprocess(await readImage(image), shapeOf(SIDE), { ...this.preprocessing, fit: 'squash' });
    const data = Float32Array.from(
      { length: SIDE * SIDE },
      (_, i) => seen.data[3 * i + (options.target as number)] / 255,
    );
    return { map: { width: SIDE, height: SIDE, data, flat: false }, seconds: 0.5 } as Explanation;
  }
}

/** A square of a class's colour on black. */
function square(label: string, [x0, y0, x1, y1]: readonly number[]): RgbImage {
  const data = new Uint8Array(3 * 40 * 40);
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) data[3 * (40 * y + x) + labels.indexOf(label)] = 250;
  return { width: 40, height: 40, data };
}

let folder: string;
let net: ColourNet;
let pictures: MaskedPicture[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'evaluate-'));
  net = new ColourNet();
  mkdirSync(join(folder, 'masks'));
  const rows = labels.flatMap((label, k) =>
    [0, 1, 2].map((i) => {
      const box = [10 + i, 8, 30, 28 + k];
      const name = `${label}-${i}.png`;
      writeFileSync(join(folder, name), encodePng(square(label, box)));
      writeFileSync(join(folder, 'masks', name), encodePng(maskOf(40, 40, box)));
      return `${name},masks/${name},${label}`;
    }),
  );
  writeFileSync(join(folder, 'index.csv'), ['file,mask,species', ...rows].join('\n'));
  pictures = await readMaskedPictures(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const evaluate = (options: Partial<EvaluateExplanationsOptions> = {}, chosen = pictures) =>
  evaluateExplanations(net, chosen, { maps: { colour: { mode: 'pooled' }, even: 'uniform' }, ...options });

describe('evaluateExplanations', () => {
  it("measures maps of each picture's own class beside baselines", async () => {
    const progress: number[] = [];
    const evaluations = await evaluate({ steps: 4, percentiles: [50], onProgress: (done) => progress.push(done) });
    expect(evaluations.map(({ file }) => file)).toEqual(pictures.map(({ file }) => file));
    for (const { label, target, maps, probability, grid } of evaluations) {
      expect(target).toEqual({ label, index: labels.indexOf(label) });
      expect(probability).toBeGreaterThan(1 / 3);
      expect(grid).toBeGreaterThan(0);
      expect(Object.keys(maps.colour).sort()).toEqual(
        [
          ...[
            'grid',
            'pointing',
            'energy',
            'precision',
            'maskiou',
            'box',
            'deletion',
            'insertion',
            'road',
            'morf',
            'lerf',
          ],
          ...['drop', 'increase', 'gain', 'mosaic2', 'mosaic4', 'seconds'],
        ].sort(),
      );
      // the map is the object itself: it lies inside but for what resizing has blurred, in mosaics wholly in its cell
      expect(maps.colour.pointing).toBe(1);
      expect(maps.colour.energy).toBeGreaterThan(0.9);
      expect(maps.colour).toMatchObject({ mosaic2: 1, mosaic4: 1, seconds: 0.5 });
      expect(maps.even).toMatchObject({ mosaic2: 0.5, mosaic4: 0.25, grid: 0 });
      expect(maps.even.seconds).toBeUndefined();
      expect(maps.colour.deletion).toBeLessThan(maps.even.deletion!);
    }
    expect(net.explained.map(({ target }) => target)).toEqual(labels.flatMap((_, k) => Array(9).fill(k)));
    expect(net.explained.slice(0, 3).map(({ mode, preprocessing }) => [mode, preprocessing?.fit])).toEqual([
      ['pooled', undefined],
      ['pooled', 'squash'],
      ['pooled', 'squash'],
    ]);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress[0]).toBe(0);
    expect(progress.at(-1)).toBe(9);
  });

  it('measures only what is asked for, of one class where one is named', async () => {
    const [one, ...others] = await evaluate({ metrics: ['energy', 'box'], target: 'green' });
    expect(others).toHaveLength(8);
    expect(one.target.label).toBe('green');
    expect(Object.keys(one.maps.even)).toEqual(['energy', 'box']);
    const none = await evaluate({ target: 'top', percentiles: [50], steps: 1 }, pictures.slice(0, 1));
    expect(none[0].maps.even.mosaic2).toBeUndefined();
    const alike = await evaluate({ percentiles: [50], steps: 1 }, pictures.slice(0, 2));
    expect(alike[0].maps.even.mosaic2).toBeUndefined();
  });

  it('goes on behind pictures that fail, where there is somebody to tell', async () => {
    rmSync(pictures[1].maskPath);
    rmSync(pictures[2].path);
    await expect(evaluate({ metrics: ['energy'] })).rejects.toThrow('no such file');
    const failed: unknown[] = [];
    const options = {
      onError: ({ file }: MaskedPicture, error: unknown) => failed.push([file, (error as Error).message]),
    };
    expect(await evaluate({ metrics: ['energy'], ...options })).toHaveLength(7);
    expect(failed).toEqual([
      ['red-1.png', `mask "${pictures[1].maskPath}": no such file`],
      ['red-2.png', `image "${pictures[2].path}": no such file`],
    ]);
  });

  it('ends when it is stopped, whoever is told', async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    const onPicture = ({ file }: { file: string }) => {
      seen.push(file);
      stop.abort();
    };
    const call = evaluate({ metrics: ['energy'], signal: stop.signal, onPicture, onError: () => seen.push('told') });
    await expect(call).rejects.toMatchObject({ code: 'ABORTED' });
    expect(seen).toEqual(['red-0.png']);
  });

  it('refuses what cannot be before anything is computed', async () => {
    const refused = (options: object, chosen = pictures) =>
      evaluate({ onError: () => {}, ...options }, chosen).catch((error) => `${error.code} ${error.message}`);
    expect(await refused({ metrics: ['energie'] })).toContain(
      "BAD_ARGUMENT evaluateExplanations: expected metrics of grid, pointing, energy, precision, maskiou, box, deletion, insertion, road, drop, mosaic2, mosaic4, got 'energie'",
    );
    expect(await refused({ maps: { a: 'even' } })).toContain('a baseline of uniform, gaussian');
    expect(await refused({ metrics: ['mosaic2'], target: 'red' })).toContain("each picture's own class as the target");
    expect(await refused({ metrics: ['mosaic4'] }, pictures.slice(0, 5))).toContain('3 pictures of other classes');
    expect(await refused({}, [{ ...pictures[0], label: 'pink' }])).toContain(
      "classes of the network (red, green, blue), got 'pink'",
    );
    expect(net.explained).toEqual([]);
  });
});

describe('summarizeEvaluations', () => {
  it('gives means with intervals by map and metric', async () => {
    const evaluations = await evaluate({ metrics: ['energy', 'box', 'mosaic2'] });
    const { grid, maps } = summarizeEvaluations(evaluations);
    const mean = evaluations.reduce((sum, { maps }) => sum + maps.colour.energy! / 9, 0);
    expect(maps.colour.energy.value).toBeCloseTo(mean, 12);
    expect(maps.colour.energy.low).toBeLessThan(mean);
    expect(maps.even.mosaic2).toEqual({ value: 0.5, low: 0.5, high: 0.5, count: 9 });
    expect(Object.keys(maps.colour)).toEqual([
      ...['energy', 'maxbox', 'box30', 'box50', 'box70', 'maxboxv2', 'mosaic2', 'seconds'],
    ]);
    expect(maps.colour.box70.value).toBe(1);
    expect(grid.value).toBeCloseTo(
      evaluations.reduce((sum, { grid }) => sum + grid / 9, 0),
      12,
    );
    expect(() => summarizeEvaluations([])).toThrow('at least one picture');
  });
});

describe('choosePictures', () => {
  it('draws as many of each class by the seed', () => {
    const files = (count: number, seed?: number) => choosePictures(pictures, count, seed).map(({ file }) => file);
    expect(files(9)).toEqual(pictures.map(({ file }) => file));
    const two = files(2);
    expect(two.map((file) => file.slice(0, -6))).toEqual(['red', 'red', 'green', 'green', 'blue', 'blue']);
    expect(two).toEqual(
      [...two].sort((a, b) => pictures.findIndex((p) => p.file === a) - pictures.findIndex((p) => p.file === b)),
    );
    expect(files(2)).toEqual(two);
    expect(new Set([0, 1, 2, 3, 4].map((seed) => files(1, seed).join()))).not.toHaveProperty('size', 1);
  });
});

describe('pictureGrid', () => {
  it('is the grid number of the mean of the channels', () => {
    const side = 224;
    const tensor = (channel: (x: number, y: number, c: number) => number) => ({
      tensor: Float32Array.from({ length: 3 * side * side }, (_, i) =>
        channel(Math.floor(i / 3) % side, Math.floor(i / 3 / side), i % 3),
      ),
    });
    expect(pictureGrid(tensor((x, _, c) => (c === 2 && x % 16 === 0 ? 50 : 0)))).toBeGreaterThan(0.99);
    expect(pictureGrid(tensor((x, _, c) => (x % 16 === 0 ? [50, -20, -30][c] : 0)))).toBe(0);
  });
});
