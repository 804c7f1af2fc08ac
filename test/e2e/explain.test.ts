import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Explanation, load, type Mode } from '../../src/index.js';
import { gridNumber } from '../../src/metrics.js';
import { decodeImage } from '../support/decode.js';
import { command, micro, photo, type Result, readNpy, root, temporaryFolder } from './command.js';

// The command as people run it: the built dist/cli.js in a process of its own, with the bundled network.
const folder = temporaryFolder();
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const sides = { pooled: 14, dilated: 224, atrous: 224 };
const modes = ['pooled', 'dilated', 'atrous'] as const;
const name = 'leonberger_abyssinian';

/** What the library says of the photograph: the same kernels give the command the same bits. */
const expected = {} as Record<Mode, Explanation>;
/** The pooled network's top class, which all modes explain. */
let top: Explanation['target'];
beforeAll(async () => {
  const net = await load(undefined, { kernels: 'simd' });
  const { predictions } = await net.predict(photo);
  for (const mode of modes) expected[mode] = await net.explain(photo, { mode, target: predictions[0].index });
  top = expected.pooled.target;
  net.dispose();
});
/** The predictions as the post prints them. */
const lines = (mode: Mode): string =>
  expected[mode].predictions
    .map(({ label, index, probability }) => `${label} (${index}) with probability ${probability.toFixed(3)}\n`)
    .join('');
const nothing = ' (flat: nothing speaks for it)';

describe('the bundled photograph in all modes', () => {
  const out = join(folder, 'all');
  let result: Result;
  let document: ReturnType<typeof JSON.parse>;
  beforeAll(async () => {
    result = await command('explain', photo, '--kernels', 'simd', '--threads', '2', '--json', '--npy', '--out', out);
    document = JSON.parse(result.stdout);
  });

  test('standard output holds one JSON document on one line and nothing else', () => {
    expect(result.code).toBe(0);
    expect(result.stderr).toBe('');
    expect(result.stdout).toMatch(/^\{.*\}\n$/);
    const { images, ...head } = document;
    expect(head).toEqual({
      version,
      kernels: 'simd',
      threads: 2,
      weights: { source: 'default', parameters: 698666, input: [224, 224, 3] },
    });
    expect(images).toHaveLength(1);
    expect(Object.keys(images[0])).toEqual(['file', 'modes']);
    expect(images[0].file).toBe(photo);
    expect(Object.keys(images[0].modes)).toEqual(modes);
  });

  test.each(modes)('%s: every field of the document', (mode) => {
    const entry = document.images[0].modes[mode];
    expect(entry).toEqual({
      method: 'gradcam',
      layers: ['block5_conv3'],
      heads: 'one',
      predictions: expected[mode].predictions,
      logits: [...expected[mode].logits],
      target: top, // whatever the mode itself prefers
      score: entry.logits[top.index],
      outputStride: 224 / sides[mode],
      placement: expected[mode].placement,
      zoom: [1],
      map: { width: sides[mode], height: sides[mode], flat: expected[mode].map.flat },
      grid: {
        raw: gridNumber(expected[mode].raw, { spacing: 224 / sides[mode] }),
        map: gridNumber(expected[mode].map),
        picture: document.images[0].modes.pooled.grid.picture,
      },
      seconds: expect.any(Number),
      peakBytes: expect.any(Number),
      files: {
        picture: join(out, `${name}.png`),
        raw: join(out, `${name}.${mode}.raw.npy`),
        map: join(out, `${name}.${mode}.map.npy`),
      },
    });
    expect(entry.seconds).toBeGreaterThan(0);
    expect(entry.peakBytes).toBeGreaterThan(1e6);
    const [best, other] = entry.predictions;
    expect(Object.keys(best)).toEqual(['index', 'label', 'probability']);
    expect([best.label, other.label].sort()).toEqual(['cat', 'dog']);
    expect(best.probability).toBeGreaterThanOrEqual(other.probability);
    expect(best.probability + other.probability).toBeCloseTo(1, 5);
    if (mode !== 'dilated') expect(best.index).toBe(top.index);
  });

  test('atrous has the logits of pooled', () => {
    const { pooled, atrous } = document.images[0].modes;
    expect(atrous.logits).toEqual(pooled.logits);
    expect(atrous.score).toBe(pooled.score);
  });

  test('exactly the files of the document are there, with their shapes', () => {
    const arrays = modes.flatMap((mode) => [`${name}.${mode}.map.npy`, `${name}.${mode}.raw.npy`]);
    expect(readdirSync(out).sort()).toEqual([...arrays, `${name}.png`].sort());
    for (const mode of modes) {
      const { raw, map } = document.images[0].modes[mode].files;
      expect(readNpy(raw).shape).toEqual([sides[mode], sides[mode]]);
      const { shape, data } = readNpy(map);
      expect(shape).toEqual([224, 224]);
      expect(data.every((value) => value >= 0 && value <= 1)).toBe(true);
      // max / (1e-7 + max) after the second normalisation; all zeros where nothing speaks for the class
      const { flat } = expected[mode].map;
      expect(data.reduce((a, b) => Math.max(a, b))).toBeCloseTo(flat ? 0 : 1, 5);
      expect(flat).toBe(!readNpy(raw).data.some((value) => value > 0));
    }
  });

  test('every 16th point of the atrous map is the pooled one, bit for bit, and the raw maps are as the library gives them', () => {
    const pooled = readNpy(join(out, `${name}.pooled.raw.npy`)).data;
    const atrous = readNpy(join(out, `${name}.atrous.raw.npy`)).data;
    const coarse = pooled.map((_, i) => atrous[16 * 224 * Math.floor(i / 14) + 16 * (i % 14)]);
    expect(Buffer.from(coarse.buffer)).toEqual(Buffer.from(pooled.buffer));
    expect(pooled).toEqual(expected.pooled.raw.data);
    expect(atrous).toEqual(expected.atrous.raw.data);
  });

  test('the figure is a picture of four panels', () => {
    const { width, height } = decodeImage(readFileSync(join(out, `${name}.png`)));
    expect(width).toBeGreaterThan(4 * 400);
    expect(height).toBeGreaterThan(300);
  });

  test('a mode by itself explains the same class with the same bits', async () => {
    const alone = join(folder, 'alone');
    const flags = ['--kernels', 'simd', '--mode', 'dilated', '--npy', '--out', alone];
    const { code, stdout } = await command('explain', photo, ...flags);
    expect(code).toBe(0);
    const flat = expected.dilated.map.flat ? nothing : '';
    expect(stdout).toContain(`224 x 224 map${flat} for ${top.label} (${top.index})`);
    const file = `${name}.dilated.raw.npy`;
    expect(readFileSync(join(alone, file)).equals(readFileSync(join(out, file)))).toBe(true);
  });
});

describe('as text', () => {
  test('the post-style lines of each mode, then what was written', async () => {
    const out = join(folder, 'text');
    const { code, stdout, stderr } = await command('explain', photo, '--kernels', 'simd', '--out', out);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const timeless = stdout.replace(/ in \d+(\.\d+)? (ms|s)\n/g, ' in TIME\n');
    const blocks = modes.map((mode) => {
      const map = `${sides[mode]} x ${sides[mode]} map${expected[mode].map.flat ? nothing : ''}`;
      return `${photo}, ${mode}: ${map} for ${top.label} (${top.index}) in TIME\n${lines(mode)}\n`;
    });
    expect(timeless).toBe(`${blocks.join('')}wrote ${join(out, `${name}.png`)}\n`);
  });

  test('predict', async () => {
    const { code, stdout, stderr } = await command('predict', photo, '--kernels', 'simd');
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: `${photo}, pooled:\n${lines('pooled')}\n`,
      stderr: '',
    });
  });

  test('five classes at most, with the labels of the file or numbers', async () => {
    const { stdout } = await command('predict', photo, '--weights', micro, '--mode', 'all');
    const blocks = stdout.trim().split('\n\n');
    expect(blocks.map((block) => block.split('\n')[0])).toEqual(modes.map((mode) => `${photo}, ${mode}:`));
    for (const block of blocks) {
      const lines = block.split('\n').slice(1);
      expect(lines).toHaveLength(5);
      for (const line of lines) expect(line).toMatch(/^class (\d) \(\1\) with probability 0\.\d{3}$/);
    }
  });
});

describe('options', () => {
  /** The only mode's entry of a run in `mode` with the small network of the references. */
  async function explain(mode: keyof typeof sides, ...flags: string[]) {
    const out = join(folder, flags.join('') || 'plain');
    const args = ['explain', photo, '--weights', micro, '--mode', mode, '--json', '--npy', '--out', out, ...flags];
    const { code, stdout, stderr } = await command(...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [{ modes: byMode }] = JSON.parse(stdout).images;
    expect(Object.keys(byMode)).toEqual([mode]);
    const entry = byMode[mode];
    return { ...entry, raw: readNpy(entry.files.raw), finished: readNpy(entry.files.map) };
  }

  test('--target by label and by index, --score', async () => {
    const byLabel = await explain('pooled', '--target', 'class 5');
    expect(byLabel.target).toEqual({ index: 5, label: 'class 5' });
    expect(byLabel.score).toBe(byLabel.logits[5]);
    const byIndex = await explain('pooled', '--target', '5');
    expect(byIndex.raw).toEqual(byLabel.raw);
    const other = await explain('pooled', '--target', '0');
    expect(other.raw).not.toEqual(byLabel.raw);
    const probability = await explain('pooled', '--target', '5', '--score', 'probability');
    const wanted = probability.predictions.find(({ index }: { index: number }) => index === 5).probability;
    expect(probability.score).toBe(wanted);
    expect(probability.raw).not.toEqual(byLabel.raw);
  });

  test('--output-stride and --degrid', async () => {
    const full = await explain('atrous');
    const coarse = await explain('atrous', '--output-stride', '4');
    expect(coarse.raw.shape).toEqual([16, 16]);
    expect(coarse.map).toEqual({ width: 16, height: 16, flat: false });
    expect(coarse.finished.shape).toEqual([64, 64]);
    const every4th = coarse.raw.data.map((_: number, i: number) => {
      const [y, x] = [Math.floor(i / 16), i % 16];
      return full.raw.data[4 * 64 * y + 4 * x];
    });
    expect(coarse.raw.data).toEqual(every4th);
    const lattice = await explain('atrous', '--degrid', 'none');
    expect(lattice.raw).toEqual(full.raw); // never smoothed
    expect(lattice.finished).not.toEqual(full.finished);
  });

  test('--fit crop and --resize change what the network sees', async () => {
    const [plain, squashed, nearest] = [
      await explain('pooled', '--target', '3'),
      await explain('pooled', '--target', '3', '--fit', 'squash'),
      await explain('pooled', '--target', '3', '--resize', 'nearest'),
    ];
    expect(squashed.logits).not.toEqual(plain.logits); // torchvision's files are cropped
    expect(nearest.logits).not.toEqual(plain.logits);
  });
});

describe('several pictures', () => {
  const out = join(folder, 'several');
  const copy = (path: string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    copyFileSync(join(root, photo), join(folder, path));
    return join(folder, path);
  };

  test('equal names get a number; a bad picture does not stop the others', async () => {
    const files = [copy('a/dog.jpg'), join(folder, 'nothing.jpg'), copy('b/dog.jpg'), copy('c/Dog.jpg')];
    const args = ['explain', ...files, '--weights', micro, '--mode', 'pooled', '--out', out];
    const { code, stdout, stderr } = await command(...args, '--json');
    expect(code).toBe(1);
    expect(stderr).toBe(`atrous-cam: ${files[1]}: no such file\n`);
    const { images } = JSON.parse(stdout);
    expect(images.map(({ file }: { file: string }) => file)).toEqual(files);
    expect(images[1]).toEqual({ file: files[1], error: { code: 'NOT_FOUND', message: 'no such file' } });
    expect(readdirSync(out).sort()).toEqual(['Dog-3.png', 'dog-2.png', 'dog.png']);
    expect(images[2].modes.pooled.files).toEqual({ picture: join(out, 'dog-2.png') });

    const part = join(folder, 'part');
    const shard = await command(...args, '--out', part, '--shard', '3/3');
    expect(shard.code).toBe(0);
    expect(readdirSync(part)).toEqual(['dog-2.png']); // named as in the whole call
    expect(readFileSync(join(part, 'dog-2.png')).length).toBeGreaterThan(10_000);
  });
});
