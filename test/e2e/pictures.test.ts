import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { command, fixture, micro, root, start, temporaryFolder } from './command.js';

const folder = temporaryFolder();
const inputs = join(folder, 'inputs');
mkdirSync(join(inputs, 'more'), { recursive: true });
copyFileSync(fixture('formats/lossy.webp'), join(inputs, 'web.jpg'));
copyFileSync(fixture('formats/animation.gif'), join(inputs, 'moving.gif'));
writeFileSync(join(inputs, 'no-end.jpe'), readFileSync(fixture('images/baseline-420.jpg')).subarray(0, -2));
writeFileSync(join(inputs, 'scan.tiff'), 'II*\0');
const pooled = ['--weights', micro, '--mode', 'pooled'];

describe('folders', () => {
  test('take every picture by its content, and name what they leave out', async () => {
    const table = join(folder, 'table.csv');
    execFileSync('mkfifo', [join(inputs, 'pipe.png')]);
    const { code, stdout, stderr } = await command('predict', inputs, ...pooled, '--json', '--summary', table);
    expect(code).toBe(0);
    const at = (name: string) => join(inputs, name);
    expect(stderr.split('\n').slice(0, 2)).toEqual([
      `atrous-cam: ${at('no-end.jpe')}: truncated JPEG: it ends at byte ${readFileSync(at('no-end.jpe')).length}, before its end marker`,
      `atrous-cam: left out 3 files of the folders: ${['more', 'pipe.png', 'scan.tiff'].map(at).join(', ')}`,
    ]);
    const { images, leftOut } = JSON.parse(stdout);
    expect(images.map(({ file }: { file: string }) => file)).toEqual(['moving.gif', 'no-end.jpe', 'web.jpg'].map(at));
    expect(images[1].warnings).toEqual([expect.stringContaining('before its end marker')]);
    expect(leftOut.map(({ reason }: { reason: string }) => reason)).toEqual([
      'a folder; --recursive looks into it',
      'no ordinary file',
      'not named like a picture that is read',
    ]);
    expect(readFileSync(table, 'utf8')).toContain(`${at('scan.tiff')},,,,,,,,,,,LEFT_OUT,not named like`);
  });

  test('--strict refuses what is damaged, --max-pixels what is large', async () => {
    const cut = join(inputs, 'no-end.jpe');
    const strict = await command('predict', cut, ...pooled, '--strict');
    expect(strict).toMatchObject({ code: 1, stderr: expect.stringContaining('before its end marker') });
    const small = await command('predict', join(inputs, 'web.jpg'), ...pooled, '--max-pixels', '1k');
    expect(small).toMatchObject({ code: 1, stderr: expect.stringContaining('at most 1000 pixels, got 41x31') });
  });
});

describe('streams and names', () => {
  test('- reads standard input and --out - writes the figure', async () => {
    const args = [join(root, 'dist/cli.js'), 'explain', '-', ...pooled, '--out', '-'];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin.end(readFileSync(fixture('formats/444.avif')));
    const pieces: Buffer[] = [];
    child.stdout.on('data', (piece) => pieces.push(piece));
    const code = await new Promise((resolve) => child.on('close', resolve));
    const figure = Buffer.concat(pieces);
    expect(code).toBe(0);
    expect(figure.toString('latin1', 1, 4)).toBe('PNG');
    expect(figure.toString('latin1', figure.length - 8, figure.length - 4)).toBe('IEND');
  });

  test('a pipe is read, and Ctrl-C ends the wait for one that nobody writes to', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reading = start(['predict', pipe, ...pooled]);
    writeFileSync(pipe, readFileSync(fixture('formats/8.bmp'))); // waits until the command has opened it
    expect((await reading.finished).code).toBe(0);
    const waiting = start(['predict', pipe, ...pooled]);
    setTimeout(() => waiting.child.kill('SIGINT'), 1500);
    expect(await waiting.finished).toMatchObject({ code: 130, stderr: 'atrous-cam: interrupted\n' });
  });

  test('names of up to 255 bytes have outputs of their own, and long ones are cut in messages', async () => {
    const names = ['x'.repeat(251), `${'x'.repeat(250)}y`, 'ü'.repeat(120)].map((name) => `${name}.gif`);
    for (const name of names) copyFileSync(fixture('formats/animation.gif'), join(folder, name));
    const out = join(folder, 'out');
    const files = names.map((name) => join(folder, name));
    const { code } = await command('explain', ...files, ...pooled, '--npy', '--out', out);
    expect(code).toBe(0);
    expect(readdirSync(out)).toHaveLength(9);
    const { stderr } = await command('predict', `data:image/png;base64,${'A'.repeat(100_000)}`, ...pooled);
    expect(stderr).toMatch(/^atrous-cam: data:image.{0,100}: it is a data URL; pass the bytes that it holds\n$/);
  });
});
