#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { launchOptions } from '../scripts/find-browser.js';
import { median } from './alternate.js';

/**
 * How long the page takes from its address to the first map, cold: `node bench/page.js [ROUNDS]`, 5 by default, each in a Chromium of its
 * own without a cache, over `atrous-cam serve` on this machine. Needs `npm run build`.
 */
const rounds = Number(process.argv[2] ?? 5);
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const server = spawn(process.execPath, [cli, 'serve', '--port', '8963'], { stdio: ['ignore', 'pipe', 'inherit'] });
const address = await new Promise((resolve, reject) => {
  let said = '';
  server.once('exit', () => reject(new Error(`serve has ended: ${said}`)));
  server.stdout.on('data', (text) => {
    said += text;
    const [found] = /http:\S+/.exec(said) ?? [];
    if (found) resolve(found);
  });
});
const times = { 'classes known': [], 'first map': [] };
for (let round = 0; round < rounds; round++) {
  const browser = await chromium.launch(launchOptions());
  const page = await browser.newPage();
  await page.goto('about:blank');
  const begin = performance.now();
  await page.goto(address, { waitUntil: 'commit' });
  await page.waitForFunction(() => document.querySelector('#predictions button'), null, { polling: 'raf' });
  times['classes known'].push(performance.now() - begin);
  await page.waitForFunction(() => document.querySelector('#save-npy:not([disabled])'), null, { polling: 'raf' });
  times['first map'].push(performance.now() - begin);
  await browser.close();
}
server.kill();
for (const [name, list] of Object.entries(times))
  console.log(
    `${name}: ${(median(list) / 1000).toFixed(2)} s (${list.map((time) => (time / 1000).toFixed(2)).join(', ')})`,
  );
