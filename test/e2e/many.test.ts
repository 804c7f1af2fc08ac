import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodePng } from '../../src/image/decode.js';
import { decodeImage } from '../support/decode.js';
import { command, micro, readNpy, root, start, temporaryFolder } from './command.js';

// Many pictures in one call: folders, shards, a call that was killed and goes on, the summary.
const folder = temporaryFolder();
const pictures = join(folder, 'pictures');
const count = 8;
const name = (i: number) => `picture-${i}`;
const options = ['--weights', micro, '--mode', 'atrous', '--kernels', 'simd', '--threads', '1', '--npy'];
const explain = (out: string, ...more: string[]) => command('explain', pictures, ...options, '--out', out, ...more);

beforeAll(() => {
  mkdirSync(pictures);
  for (let i = 0; i < count; i++) {
    const data = Uint8Array.from({ length: 48 * 32 * 3 }, (_, j) => (j * (i + 3) * 7) % 251);
    writeFileSync(join(pictures, `${name(i)}.png`), encodePng({ width: 48, height: 32, data }));
  }
});

/** The files of finished pictures in a folder; the numbers of the maps, which do not depend on time. */
function finished(out: string): Record<string, string> {
  const maps = readdirSync(out).filter((file) => file.endsWith('.npy'));
  return Object.fromEntries(maps.map((file) => [file, readFileSync(join(out, file)).toString('base64')]));
}

describe('a folder', () => {
  const out = join(folder, 'whole');

  test('is explained picture by picture, and counted at the end', async () => {
    const { code, stdout, stderr } = await explain(out);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(readdirSync(out)).toHaveLength(3 * count);
    expect(stdout).toMatch(
      new RegExp(
        `^wrote the files of 8 pictures to ${out}\\n${count} pictures: ${count} done; \\d+ s, [\\d.]+ pictures/s\\n$`,
      ),
    );
  });

  test('in shards gives the same files, each shard its part', async () => {
    const parts = join(folder, 'parts');
    for (const shard of ['1/3', '2/3', '3/3']) {
      const { code, stdout } = await explain(parts, '--shard', shard, '--json');
      expect(code).toBe(0);
      const first = Number(shard[0]) - 1;
      expect(JSON.parse(stdout).images.map(({ file }: { file: string }) => file)).toEqual(
        Array.from({ length: count }, (_, i) => i)
          .filter((i) => i % 3 === first)
          .map((i) => join(pictures, `${name(i)}.png`)),
      );
    }
    expect(finished(parts)).toEqual(finished(out));
  });
});

describe('--resume', () => {
  const out = join(folder, 'resumed');
  const entries = async (...more: string[]) => {
    const { code, stdout } = await explain(out, '--resume', '--json', ...more);
    expect(code).toBe(0);
    return JSON.parse(stdout).images as {
      file: string;
      skipped?: boolean;
      modes: Record<string, { seconds: number }>;
    }[];
  };
  const redone = async (...more: string[]) =>
    (await entries(...more)).flatMap(({ skipped }, i) => (skipped ? [] : [name(i)]));

  test('after kill -9 no file is half, and only what was missing is done', async () => {
    const { child, finished: ended } = start(['explain', pictures, ...options, '--out', out, '--resume']);
    let hasEnded = false;
    child.once('close', () => {
      hasEnded = true;
    });
    while (!existsSync(join(out, `${name(2)}.png`))) {
      if (hasEnded) throw new Error('the command ended before it was killed');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    child.kill('SIGKILL');
    await ended;
    const files = readdirSync(out).filter((file) => !file.endsWith('.tmp'));
    for (const file of files.filter((file) => file.endsWith('.png')))
      expect(decodeImage(readFileSync(join(out, file))).width).toBeGreaterThan(400);
    for (const file of files.filter((file) => file.endsWith('.npy'))) readNpy(join(out, file)); // throws where it is half
    const done = files.filter((file) => file.endsWith('.png')).length;
    expect(done).toBeGreaterThanOrEqual(3);
    expect(done).toBeLessThan(count);

    writeFileSync(join(out, `.${name(7)}.png.4711.tmp`), 'half');
    const again = await entries();
    expect(again.map(({ skipped = false }) => skipped)).toEqual(Array.from({ length: count }, (_, i) => i < done));
    expect(finished(out)).toEqual(finished(join(folder, 'whole')));
    expect(readdirSync(out).filter((file) => file.endsWith('.tmp'))).toEqual([]);
  });

  test('a finished call is skipped whole, and its document and summary are complete', async () => {
    const times = () => readdirSync(out).map((file) => statSync(join(out, file)).mtimeMs);
    const before = times();
    const table = join(folder, 'summary.json');
    const again = await entries('--summary', table);
    expect(again.every(({ skipped }) => skipped)).toBe(true);
    expect(again[0].modes.atrous).toMatchObject({
      predictions: expect.any(Array),
      logits: expect.any(Array),
      files: { picture: join(out, `${name(0)}.png`), raw: join(out, `${name(0)}.atrous.raw.npy`) },
    });
    expect(times()).toEqual(before);
    const summary = JSON.parse(readFileSync(table, 'utf8'));
    expect(summary).toMatchObject({ done: 0, failed: 0, skipped: count, kernels: 'simd' });
    expect(summary.rows.map((row: { seconds: number }) => row.seconds)).toEqual(
      again.map(({ modes }) => modes.atrous.seconds),
    );
  });

  test('a picture is done again where a file is cut off, missing or changed, its bytes differ, or an option does', async () => {
    truncateSync(join(out, `${name(0)}.png`), statSync(join(out, `${name(0)}.png`)).size - 5);
    truncateSync(join(out, `${name(1)}.atrous.map.npy`), 1000);
    rmSync(join(out, `${name(2)}.atrous.raw.npy`));
    appendFileSync(join(pictures, `${name(3)}.png`), 'more');
    copyFileSync(join(root, 'docs/leonberger_abyssinian.png'), join(out, `${name(4)}.png`)); // another's figure
    expect(await redone()).toEqual([0, 1, 2, 3, 4].map(name));
    expect(await redone()).toEqual([]);
    expect(await redone('--threads', '2')).toEqual([]); // changes no number
    expect(await redone('--target', '1')).toHaveLength(count);
    expect(await redone('--target', '1')).toEqual([]);
  });
});

describe('--summary', () => {
  const out = join(folder, 'summarised');

  test('CSV: a row a mode, failures with their code; one bad picture does not stop the rest', async () => {
    const bad = join(folder, 'bad, "very".png');
    writeFileSync(bad, 'no picture');
    const file = join(folder, 'tables', 'all.csv');
    const arguments_ = [bad, join(pictures, '*-[01].png'), '--mode', 'all', '--summary', file, '--out', out];
    const { code, stdout, stderr } = await command('explain', ...arguments_, '--weights', micro);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^atrous-cam: .*very.*expected a PNG, JPEG, WebP, GIF, BMP or AVIF file.*\n$/);
    expect(stdout).toMatch(/^wrote .*\nwrote .*all\.csv\n3 pictures: 2 done, 1 failed; .*\n$/);
    const lines = readFileSync(file, 'utf8').split('\r\n');
    expect(lines[0]).toBe(
      'file,mode,index,label,probability,target_index,target_label,score,flat,seconds,skipped,error,message,warnings,picture,raw,map,overlay,heatmap',
    );
    expect(lines[1]).toMatch(
      /^"[^"]*bad, ""very"".png",,,,,,,,,,,BAD_IMAGE,"?expected a PNG, JPEG, WebP, GIF, BMP or AVIF file/,
    );
    expect(lines.slice(2).map((line) => line.split(',').slice(0, 2))).toEqual([
      ...[0, 1].flatMap((i) => ['pooled', 'dilated', 'atrous'].map((mode) => [join(pictures, `${name(i)}.png`), mode])),
      [''],
    ]);
    const [, , index, label, probability, target, , score, flat, seconds, skipped, error] = lines[2].split(',');
    expect(target).toBe(index);
    expect(label).not.toBe('');
    expect(Number(probability)).toBeGreaterThan(0);
    expect(Number(score)).not.toBeNaN();
    expect(['true', 'false']).toContain(flat);
    expect(Number(seconds)).toBeGreaterThan(0);
    expect([skipped, error]).toEqual(['false', '']);
  });

  test('of predict, as JSON', async () => {
    const file = join(folder, 'predictions.json');
    const { code } = await command('predict', join(pictures, 'picture-0.png'), '--weights', micro, '--summary', file);
    expect(code).toBe(0);
    const { rows, done } = JSON.parse(readFileSync(file, 'utf8'));
    expect(done).toBe(1);
    expect(rows).toEqual([
      {
        file: join(pictures, 'picture-0.png'),
        mode: 'pooled',
        index: expect.any(Number),
        label: expect.any(String),
        probability: expect.any(Number),
        skipped: false,
      },
    ]);
  });

  test('another ending is wrong usage', async () => {
    const { code, stderr } = await explain(out, '--summary', join(folder, 'table.xlsx'));
    expect(code).toBe(2);
    expect(stderr).toContain('--summary: expected a name that ends in .csv or .json, got "');
  });
});
