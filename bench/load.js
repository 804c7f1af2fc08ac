#!/usr/bin/env node
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from './alternate.js';

const help = `node bench/load.js FILE... [--threads N] [--runs 3] [--json FILE]

Time and memory of load() for weight files, each run in a fresh process with the file in the page cache. Make them by

  node scripts/makers/vgg16.js vgg16.h5 && node dist/cli.js weights pack vgg16.h5 vgg16.f16.safetensors
`;

/**
 * What one process needs to load `file`: seconds of the clock and of the processors from before the library is imported, and the
 * resident set in MB: at its highest, and when everything is loaded.
 *
 * @param {string} file @param {number | undefined} threads
 */
async function loadOnce(file, threads) {
  const start = performance.now();
  const before = process.cpuUsage();
  const { load } = await import('../dist/index.js');
  const net = await load(file, { threads });
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  const rss = process.memoryUsage.rss() / 1e6;
  const peak = (process.resourceUsage().maxRSS * 1024) / 1e6;
  const result = { seconds, cpu: (user + system) / 1e6, peak, rss, threads: net.threads, parameters: net.parameters };
  net.dispose();
  return result;
}

/**
 * Median of `runs` processes for each file, which take turns.
 * @param {string[]} files
 * @param {{ threads?: string, runs: string, json?: string }} options
 */
function compare(files, { threads = '', runs, json }) {
  const self = fileURLToPath(import.meta.url);
  const results = files.map(() => /** @type {Awaited<ReturnType<typeof loadOnce>>[]} */ ([]));
  for (const file of files) readFileSync(file);
  for (let run = 0; run < Number(runs); run++)
    for (const [i, file] of files.entries())
      results[i].push(
        JSON.parse(execFileSync(process.execPath, [self, '--one', '--threads', threads, file]).toString()),
      );
  console.log(
    `${cpus()[0].model}, Node ${process.version}, ${results[0][0].threads} thread(s), median of ${runs} processes`,
  );
  console.log('seconds   CPU s   peak MB   after MB   peak/after   file');
  /** @type {object[]} */
  const rows = [];
  for (const [i, file] of files.entries()) {
    const median = (/** @type {'seconds' | 'cpu' | 'peak' | 'rss'} */ field) => {
      const sorted = results[i].map((result) => result[field]).sort((a, b) => a - b);
      return sorted[Math.floor(sorted.length / 2)];
    };
    const [seconds, cpu, peak, rss] = [median('seconds'), median('cpu'), median('peak'), median('rss')];
    rows.push({ file: basename(file), seconds, cpu, peak, rss });
    const cells = [
      seconds.toFixed(2).padStart(7),
      cpu.toFixed(2).padStart(8),
      peak.toFixed(0).padStart(10),
      rss.toFixed(0).padStart(11),
      (peak / rss).toFixed(2).padStart(13),
    ];
    console.log(`${cells.join('')}   ${file}, ${results[i][0].parameters} parameters`);
  }
  if (json) writeFileSync(json, `${JSON.stringify({ machine: machine(), rows }, null, 1)}\n`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string' },
    runs: { type: 'string', default: '3' },
    json: { type: 'string' },
    one: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help || positionals.length === 0) console.log(help);
else if (values.one) console.log(JSON.stringify(await loadOnce(positionals[0], Number(values.threads) || undefined)));
else compare(positionals, values);
