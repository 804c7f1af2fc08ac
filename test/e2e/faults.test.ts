import { spawn } from 'node:child_process';
import { copyFileSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
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
