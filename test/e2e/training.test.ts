import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeToyPictures } from '../support/toy-pictures.js';
import { command, start, temporaryFolder } from './command.js';

const folder = temporaryFolder();
const data = join(folder, 'pictures');
writeToyPictures(data, 32);

const options = (out: string) => [
  ...['train', data, '--out', join(folder, out), '--widths', '4,8,8,8,8', '--convs', '1,1,1,1,1', '--dense', '8'],
  ...['--stages', '32:12,64:4', '--batch', '8', '--seed', '3'],
];
const file = (out: string, name: string) => join(folder, out, name);

test('a run that is killed again and again ends with the weights of an undisturbed one', async () => {
  expect((await command(...options('calm'))).code).toBe(0);
  let killed = 0;
  for (let delay = 400; !existsSync(file('killed', 'network.safetensors')); delay += 150) {
    const { child, finished } = start([...options('killed'), '--resume', '--threads', delay % 300 === 100 ? '1' : '2']);
    const timer = setTimeout(() => child.kill('SIGKILL'), delay);
    const { code, stderr } = await finished;
    clearTimeout(timer);
    expect(stderr).toBe('');
    if (code === null) killed++;
    else expect(code).toBe(0);
    expect(delay).toBeLessThan(30_000);
  }
  expect(killed).toBeGreaterThan(1);
  const same = (name: string) => readFileSync(file('killed', name)).equals(readFileSync(file('calm', name)));
  expect(same('network.safetensors')).toBe(true);
  expect(same('steps.csv')).toBe(true);
});

test('evaluate prints accuracy and what is taken for what', async () => {
  const weights = file('calm', 'network.safetensors');
  const { code, stdout } = await command('evaluate', data, '--weights', weights);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^accuracy [01]\.\d{4} on 16 pictures, cross-entropy \d+\.\d{4}\n\nis \\ said +horizontal +vertical +accuracy\n/,
  );
  const json = JSON.parse((await command('evaluate', data, '--weights', weights, '--part', 'all', '--json')).stdout);
  expect(json).toMatchObject({ mode: 'pooled', pictures: 80, labels: ['horizontal', 'vertical'] });
  expect(json.confusion.flat().reduce((a: number, b: number) => a + b)).toBe(80);
  const wrong = await command('evaluate', data);
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain('expected folders named like labels of the network (cat, dog), got "horizontal"');
});
