import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { command, micro, photo, start, temporaryFolder, writeSparseVgg16 } from './command.js';

const folder = temporaryFolder();

describe('plan', () => {
  const vgg16 = join(folder, 'vgg16.safetensors');
  writeSparseVgg16(vgg16, [4096, 4096, 1000]);

  test('VGG16 has 138,357,544 parameters in every mode, and only its header is read', async () => {
    expect(statSync(vgg16).size).toBeGreaterThan(553e6);
    const { code, stdout, stderr } = await command('plan', '--weights', vgg16);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const tables = stdout.split(/^(?=Mode )/m);
    expect(tables.map((table) => table.split('\n')[0])).toEqual(['Mode pooled', 'Mode dilated', 'Mode atrous']);
    for (const table of tables) expect(table).toContain('\nTotal parameters: 138,357,544\n');
    const [pooled, dilated, atrous] = tables.map((table) => table.replace(/ {2,}/g, ' | '));
    expect(pooled).toContain('\nblock5_conv3 | conv 3x3 | (14, 14, 512) | 16 | 2,359,808 | 462,422,016 | 401,408\n');
    expect(pooled).toContain('\nblock5_pool | max pool 2x2, stride 2 | (7, 7, 512) | 32 | 0 | 0 | 100,352\n');
    expect(dilated).toContain(
      '\nblock5_conv3 | conv 3x3 | (224, 224, 512) | 1 | 2,359,808 | 118,380,036,096 | 102,760,448\n',
    );
    expect(dilated).toContain('\nmax_pool_32 | max pool into 7x7 | (7, 7, 512) | 32 | 0 | 0 | 100,352\n');
    expect(dilated).not.toContain('block1_pool');
    expect(atrous).toContain('\nblock4_pool | max pool 2x2, stride 2 | (224, 224, 512) | 1 |');
    expect(atrous).toContain('\npredictions | dense | (1000,) | 4,097,000 | 4,096,000 | 4,000\n');
  });

  test('--json', async () => {
    const { stdout } = await command('plan', '--weights', vgg16, '--mode', 'atrous', '--output-stride', '4', '--json');
    const { weights, modes } = JSON.parse(stdout);
    expect(weights).toEqual({ source: vgg16, parameters: 138357544, input: [224, 224, 3] });
    expect(Object.keys(modes)).toEqual(['atrous']);
    expect(modes.atrous.outputStride).toBe(4);
    expect(modes.atrous.macs / 1e9).toBeCloseTo(50.03 + 0.12, 1);
  });
});

test('--input-size gives files without dense layers their input', async () => {
  const headless = join(folder, 'headless.safetensors');
  writeSparseVgg16(headless, []);
  const { stdout } = await command('plan', '--weights', headless, '--input-size', '96', '--mode', 'pooled', '--json');
  expect(JSON.parse(stdout).weights).toMatchObject({ parameters: 14_714_688, input: [96, 96, 3] });
});

describe('usage', () => {
  test.each([
    [['explain', photo, '--mode', 'poold'], '--mode: expected pooled, dilated, atrous, all or auto, got "poold"'],
    [['explain'], "missing required argument 'image'"],
    [['explain', photo, '--colour'], "unknown option '--colour'"],
    [['explian', photo], "unknown command 'explian'"],
    [['plan', '--input-size', '0'], '--input-size: expected a side, or HEIGHTxWIDTH, up to 4096, got "0"'],
    [['plan', '--output-stride', '3'], '--output-stride: expected 16, 8, 4, 2 or 1, got "3"'],
  ])('%j is refused with 2', async (args, message) => {
    const { code, stdout, stderr } = await command(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`atrous-cam: ${message}`);
    expect(stderr).toMatch(/Try "atrous-cam .*--help"\.\n$/);
  });

  test.each(['', 'explain', 'predict', 'plan'])('%s --help', async (name) => {
    const names = name ? [name] : [];
    const { code, stdout, stderr } = await command(...names, '--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^Usage: ${['atrous-cam', ...names].join(' ')} `));
    for (const heading of ['Examples:', 'Exit codes:']) expect(stdout).toContain(`\n${heading}\n`);
  });

  test.each(['NO_COLOR', 'FORCE_COLOR'])('no colours in what is piped, even with %s', async (variable) => {
    const args = ['predict', photo, 'missing.jpg', '--weights', micro];
    const { stdout, stderr } = await start(args, { [variable]: '1' }).finished;
    expect(stdout).toContain('with probability');
    expect(stderr).toBe('atrous-cam: missing.jpg: no such file\n');
    expect(stdout).not.toContain('\x1b');
  });
});

test('Ctrl-C ends a long computation at once and leaves nothing behind', async () => {
  const weights = join(folder, 'wide.safetensors');
  const out = join(folder, 'maps');
  writeSparseVgg16(weights, [10]); // 738 GMAC in dilated: many seconds
  const { child, finished } = start(['explain', photo, '--weights', weights, '--out', out, '--npy']);
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve()); // pooled is done
    child.once('close', () => reject(new Error('the command ended before it was interrupted')));
  });
  child.kill('SIGINT');
  const { code, stdout, stderr } = await finished;
  expect(code).toBe(130);
  expect(stderr).toBe('atrous-cam: interrupted\n');
  expect(stdout).not.toContain('dilated'); // which would be there had it not ended at once
  expect(existsSync(out)).toBe(false);
});
