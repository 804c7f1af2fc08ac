import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load } from '../src/index.js';
import type { TrainOptions } from '../src/training/options.js';
import { evaluate, train } from '../src/training.js';
import { writeToyPictures } from './support/toy-pictures.js';

const folder = mkdtempSync(join(tmpdir(), 'atrous-cam-left-out-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = join(folder, 'pictures');
const broken = join(data, 'train/horizontal/3.png');
const brokenVal = join(data, 'val/vertical/17.png');
beforeAll(() => {
  writeToyPictures(data, 16);
  for (const path of [broken, brokenVal]) writeFileSync(path, readFileSync(path).subarray(0, 100));
  const cut = join(data, 'train/vertical/5.png');
  writeFileSync(cut, readFileSync(cut).subarray(0, -12)); // without its end, which takes no pixel away
  writeFileSync(join(data, 'train/vertical/notes.txt'), '');
});

/** What is said of a picture that was cut off; how much of it can be read depends on the compressor. */
const missing = (path: string) =>
  expect.stringMatching(new RegExp(`^${path}: truncated PNG: expected 4840 bytes of pixel data, got \\d+$`));

const tiny: Omit<TrainOptions, 'out'> = {
  widths: [4, 4, 4, 4, 4],
  convs: [1, 1, 1, 1, 1],
  dense: [4],
  batch: 8,
  threads: 1,
  stages: [{ size: 32, epochs: 2 }],
};

describe('pictures that cannot be read', () => {
  it('are left out of training, named once, and the weights stay the same in every run', async () => {
    const networks: Buffer[] = [];
    for (const out of ['a', 'b']) {
      const named: string[] = [];
      const result = await train(data, {
        ...tiny,
        out: join(folder, out),
        onLeftOut: (path, error) => named.push(`${path}: ${error.message.replace(/^[^:]*: /, '')}`),
        onWarning: (path, warning) => named.push(`${path}: ${warning}`),
      });
      expect([...new Set(named)].sort()).toEqual([
        missing('train/horizontal/3.png'),
        expect.stringMatching(/^train\/vertical\/5\.png: truncated PNG: it ends at byte \d+, before "IEND"$/),
        missing('val/vertical/17.png'),
      ]);
      expect(result.leftOut.map(({ path }) => path).sort()).toEqual(['train/horizontal/3.png', 'val/vertical/17.png']);
      expect(result.others).toEqual(['train/vertical/notes.txt']);
      networks.push(readFileSync(result.network));
    }
    expect(networks[0].equals(networks[1])).toBe(true);
    const net = await load(join(folder, 'a/network.safetensors'));
    const measured = await evaluate(net, data);
    expect(measured).toMatchObject({ pictures: 7, leftOut: [{ path: 'val/vertical/17.png' }] });
    await expect(evaluate(net, data, { strict: true })).rejects.toThrow(/17\.png": truncated PNG/);
    net.dispose();
  });

  it('end the call where that is asked for', async () => {
    const out = join(folder, 'strict');
    await expect(train(data, { ...tiny, out, strict: true })).rejects.toThrow(/\.png": truncated PNG/);
    expect(readdirSync(out)).not.toContain('network.safetensors');
  });
});
