import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeToyPictures } from '../support/toy-pictures.js';
import { micro, photo, root, start, temporaryFolder } from './command.js';

const folder = temporaryFolder();

describe('kill -9 while a file is written', () => {
  test('leaves the old file or the new one, never half of one', async () => {
    const out = join(folder, 'packed.safetensors');
    copyFileSync(micro, out);
    const old = readFileSync(out);
    const fresh = await start(['weights', 'pack', 'default', join(folder, 'fresh.safetensors')]).finished;
    expect(fresh.code).toBe(0);
    const whole = readFileSync(join(folder, 'fresh.safetensors'));
    for (let i = 0; i < 8; i++) {
      const { child, finished } = start(['weights', 'pack', 'default', out]);
      while (!readdirSync(folder).some((name) => name.endsWith(`.${child.pid}.tmp`)) && child.exitCode === null)
        await new Promise((resolve) => setImmediate(resolve));
      setTimeout(() => child.kill('SIGKILL'), i * 3);
      await finished;
      const now = readFileSync(out);
      expect(now.equals(old) || now.equals(whole), `run ${i}: ${now.length} bytes`).toBe(true);
    }
  });
});

describe('a disk that takes no more', () => {
  /** The command where no file may grow beyond so many kB: writing fails half-way, as on a full disk. */
  const limited = async (kilobytes: number, ...args: string[]) => {
    const shell = [
      '-c',
      `ulimit -f ${kilobytes} && exec "$0" "$@"`,
      process.execPath,
      join(root, 'dist/cli.js'),
      ...args,
    ];
    const child = spawn('bash', shell, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    return { code, stderr };
  };

  test('leaves the packed file that was there', async () => {
    const out = join(folder, 'old.safetensors');
    copyFileSync(micro, out);
    const before = readdirSync(folder);
    const { code, stderr } = await limited(16, 'weights', 'pack', 'default', out);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^atrous-cam: ".*old\.safetensors": cannot be written: EFBIG.*\n$/);
    expect(readdirSync(folder)).toEqual(before);
    expect(readFileSync(out).equals(readFileSync(micro))).toBe(true);
  });

  test('leaves no half figure', async () => {
    const out = join(folder, 'figures');
    const { code, stderr } = await limited(16, 'explain', photo, '--mode', 'pooled', '--threads', '1', '--out', out);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^atrous-cam: photos\/.*\.jpg: ".*\.png": cannot be written: EFBIG.*\n$/);
    expect(existsSync(out)).toBe(false);
  });

  test('leaves the checkpoint that was there, and training goes on from it', async () => {
    const data = join(folder, 'pictures');
    writeToyPictures(data, 8);
    const train = (out: string) => [
      ...['train', data, '--out', join(folder, out), '--widths', '4,8,8,8,8', '--convs', '1,1,1,1,1', '--dense', '8'],
      ...['--stages', '32:2', '--batch', '8', '--seed', '3', '--threads', '1', '--resume'],
    ];
    const { code, stderr } = await limited(8, ...train('full'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^atrous-cam: ".*checkpoint\.safetensors": cannot be written: EFBIG.*; resume goes on.*\n$/);
    expect(readdirSync(join(folder, 'full')).filter((name) => /part|tmp/.test(name))).toEqual([]);
    for (const out of ['full', 'calm']) expect((await start(train(out)).finished).code).toBe(0);
    const network = (out: string) => readFileSync(join(folder, out, 'network.safetensors'));
    expect(network('full').equals(network('calm'))).toBe(true);
  });
});

describe('output that nobody takes', () => {
  const run = (args: string[], stdout: number | 'pipe') => {
    const child = spawn(process.execPath, [join(root, 'dist/cli.js'), ...args], {
      cwd: root,
      stdio: ['ignore', stdout, 'pipe'],
    });
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const finished = new Promise<{ code: number | null; stderr: string }>((resolve) =>
      child.on('close', (code) => resolve({ code, stderr })),
    );
    return { child, finished };
  };

  test('a closed pipe ends the command without a word', async () => {
    const { child, finished } = run(['weights', 'list'], 'pipe');
    child.stdout!.destroy();
    expect(await finished).toEqual({ code: 0, stderr: '' });
  });

  test.runIf(statSync('/dev/full', { throwIfNoEntry: false }))('a full disk is said', async () => {
    const full = openSync('/dev/full', 'w');
    const { code, stderr } = await run(['predict', photo, '--weights', micro], full).finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^atrous-cam: standard output: ENOSPC: no space left on device/);
  });
});
