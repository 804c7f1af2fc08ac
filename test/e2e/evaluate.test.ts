import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { encodePng } from '../../src/image/decode.js';
import { maskOf, writeMaskedPictures } from '../support/masked-pictures.js';
import { command, start, temporaryFolder } from './command.js';

const folder = temporaryFolder();
const pets = join(folder, 'pets');
beforeEach(() => {
  rmSync(pets, { recursive: true, force: true });
  writeMaskedPictures(pets, ['cat', 'dog'], 4);
});

const explanations = (...args: string[]) => command('evaluate', pets, '--explanations', '--threads', '1', ...args);
/** Metrics without forward passes, and the quickest mode. */
const quick = ['--mode', 'pooled', '--metrics', 'pointing,energy,box'];

describe('evaluate --explanations', () => {
  test('prints a table of metrics by map', async () => {
    const { code, stdout, stderr } = await explanations(...quick, '--baselines', 'uniform,gaussian', '--limit', '2');
    expect([code, stderr]).toEqual([0, '']);
    const lines = stdout.split('\n').map((line) => line.split(/ {2,}/));
    expect(lines[0]).toEqual(['4 pictures; means and 95% intervals']);
    expect(lines[2]).toEqual(['metric', 'better', 'pooled', 'uniform', 'gaussian']);
    expect(lines.slice(3, 11).map(([name]) => name)).toEqual([
      ...['pointing', 'energy', 'maxbox', 'box30', 'box50', 'box70', 'maxboxv2', 'seconds'],
    ]);
    const interval = /^\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]$/;
    for (const cells of lines.slice(3, 10)) for (const cell of cells.slice(2)) expect(cell).toMatch(interval);
    expect(lines[10].slice(3)).toEqual(['-', '-']);
    expect(stdout).toMatch(/\ngrid number of the photographs themselves: \d\.\d{3} \[/);
  });

  test('prints one JSON document and writes a table of all pictures', async () => {
    const out = join(folder, 'tables/maps.csv');
    const options = ['--mode', 'atrous', '--output-stride', '8', '--metrics', 'box,mosaic2,drop', '--seed', '3'];
    const { code, stdout } = await explanations(...options, '--limit', '1', '--json', '--summary', out);
    expect(code).toBe(0);
    const document = JSON.parse(stdout);
    expect(document.maps).toEqual({ atrous: expect.objectContaining({ mode: 'atrous', outputStride: 8 }) });
    expect(document.pictures.map(({ label, target }: { label: string; target: object }) => [label, target])).toEqual([
      ['cat', { index: 0, label: 'cat' }],
      ['dog', { index: 1, label: 'dog' }],
    ]);
    const values = document.pictures.map(({ maps }: { maps: Record<string, Record<string, number>> }) => maps.atrous);
    expect(Object.keys(values[0]).sort()).toEqual(['drop', 'gain', 'increase', 'iou', 'mosaic2', 'seconds']);
    expect(document.summary.maps.atrous.mosaic2.value).toBeCloseTo((values[0].mosaic2 + values[1].mosaic2) / 2, 12);
    const [head, ...rows] = readFileSync(out, 'utf8')
      .trim()
      .split('\r\n')
      .map((line) => line.split(','));
    const cells = Object.fromEntries(head.map((name, i) => [name, rows[1][i]]));
    expect(rows).toHaveLength(2);
    expect(cells).toMatchObject({ label: 'dog', target_index: '1', map: 'atrous', deletion: '', error: '' });
    expect(Number(cells.iou)).toBe(values[1].iou);
  });

  test('replaces layers by random numbers', async () => {
    const { code, stdout } = await explanations(
      ...quick,
      '--baselines',
      'uniform',
      '--limit',
      '1',
      '--randomize',
      '2',
      '--json',
    );
    expect(code).toBe(0);
    const { randomization } = JSON.parse(stdout);
    expect(randomization[0].layer).toBe('predictions');
    expect(randomization.at(-1).layer).toBe('block1_conv1');
    expect(Object.keys(randomization[0].maps)).toEqual(['pooled']);
    expect(randomization.at(-1).maps.pooled.correlation).toBeLessThan(0.9);
  });

  test('goes on behind a picture that fails', async () => {
    rmSync(join(pets, 'masks/cat-1.png'));
    writeFileSync(join(pets, 'masks/dog-2.png'), encodePng(maskOf(30, 40, [1, 1, 9, 9])));
    const out = join(folder, 'failed.csv');
    const { code, stdout, stderr } = await explanations(...quick, '--summary', out);
    expect(code).toBe(1);
    expect(stdout).toContain('6 pictures; means');
    expect(stderr).toBe(
      `atrous-cam: cat/1.png: mask "${join(pets, 'masks/cat-1.png')}": no such file\n` +
        `atrous-cam: dog/2.png: mask "${join(pets, 'masks/dog-2.png')}": expected the photograph's 40 x 40 pixels, got 30 x 40\n` +
        'atrous-cam: left out 2 files that cannot be measured: cat/1.png, dog/2.png\n',
    );
    expect(readFileSync(out, 'utf8')).toMatch(/\r\ncat\/1\.png,(,)+NOT_FOUND,/);
  });

  test('says what is wrong with the data', async () => {
    const fails = async (...args: string[]) => {
      const { code, stdout, stderr } = await explanations(...args);
      expect([code, stdout]).toEqual([1, '']);
      return stderr;
    };
    const index = join(pets, 'index.csv');
    expect(await fails('--class-column', 'breed')).toBe(
      `atrous-cam: "${index}": expected the columns file, mask and breed (the class), got file, mask, species, body_x0, body_y0, body_x1, body_y1\n`,
    );
    writeFileSync(index, readFileSync(index, 'utf8').replaceAll(',cat,', ',boxer,').replaceAll(',dog,', ',pug,'));
    expect(await fails()).toBe(
      `atrous-cam: "${pets}": expected labels of the network (cat, dog) in column species, got boxer, pug; --class-column takes another column, --target one class for all\n`,
    );
    expect((await explanations(...quick, '--target', 'cat', '--limit', '1')).code).toBe(0);
    writeFileSync(index, 'file,mask,species\n');
    expect(await fails()).toBe(`atrous-cam: "${index}": has no picture\n`);
    rmSync(index);
    expect(await fails()).toBe(`atrous-cam: "${pets}": expected a folder with an index.csv, but it has no index.csv\n`);
  });

  test('leaves out classes that the network does not have', async () => {
    const index = join(pets, 'index.csv');
    writeFileSync(index, readFileSync(index, 'utf8').replace(',cat,', ',horse,'));
    const { code, stdout, stderr } = await explanations(...quick);
    expect([code, stderr]).toEqual([0, 'atrous-cam: left out 1 pictures of classes that the network does not have\n']);
    expect(stdout).toContain('7 pictures;');
  });

  test('knows its options from those of accuracy', async () => {
    const usage = async (...args: string[]) => {
      const { code, stderr } = await command('evaluate', pets, ...args);
      expect(code).toBe(2);
      expect(stderr).toContain('Try "atrous-cam evaluate --help".');
      return stderr.split('\n')[0];
    };
    expect(await usage('--explanations', '--metrics', 'grid,pointin')).toBe(
      'atrous-cam: --metrics: expected names of grid, pointing, energy, precision, maskiou, box, deletion, insertion, road, drop, mosaic2, mosaic4, got "pointin"; did you mean "pointing"?',
    );
    expect(await usage('--explanations', '--part', 'val')).toBe(
      'atrous-cam: --part: is for accuracy, not for --explanations',
    );
    expect(await usage('--method', 'layercam')).toBe('atrous-cam: --method: is for --explanations, not for accuracy');
    expect(await usage('--mode', 'all')).toBe('atrous-cam: --mode: expected pooled, dilated or atrous, got "all"');
    expect(await usage('--explanations', '--limit', '0')).toBe(
      'atrous-cam: --limit: expected a whole number from 1 on, got "0"',
    );
  });

  test('stops at once, without debris', async () => {
    mkdirSync(join(folder, 'empty'));
    const out = join(folder, 'empty/new/maps.json');
    const { child, finished } = start([
      'evaluate',
      pets,
      '--explanations',
      '--method',
      'occlusion',
      '--yes',
      '--summary',
      out,
    ]);
    while (!existsSync(join(folder, 'empty/new'))) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    await once(child, 'close');
    const { code, stdout, stderr } = await finished;
    expect([code, stdout, stderr]).toEqual([130, '', 'atrous-cam: interrupted\n']);
    expect(readdirSync(join(folder, 'empty'))).toEqual([]);
  });
});
