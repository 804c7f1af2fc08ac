#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from './alternate.js';

const help = `node bench/many.js [options]

What many pictures cost: runs the command over a folder, mode by mode, and prints pictures a second, the share of it that the network
takes, and the resident set of the process over its first and its last hundred pictures (Linux).

  --count N          pictures (1000): copies of the bundled photograph
  --pictures FOLDER  these pictures instead
  --modes LIST       pooled,dilated,atrous by default; atrous/4 is atrous with --output-stride 4
  --threads N        of the command
  --json FILE        also writes the rows as JSON
`;

const root = fileURLToPath(new URL('..', import.meta.url));
const HUNDRED = 100;

/** Resident set of a process in MB; undefined where the system does not tell so, or the process has ended. @param {number} pid */
function residentSet(pid) {
  try {
    return Number(/VmRSS:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000;
  } catch {
    return undefined;
  }
}

/** @param {number[]} values */
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

/**
 * Runs the command over a folder and looks at its memory after each picture.
 *
 * @param {string} pictures @param {string} folder for what it writes @param {string} name a mode, with /STRIDE or without
 * @param {string | undefined} threads
 */
async function explainFolder(pictures, folder, name, threads) {
  const [mode, stride] = name.split('/');
  const summary = join(folder, 'summary.json');
  const args = [
    'explain',
    pictures,
    '--recursive',
    '--mode',
    mode,
    '--out',
    join(folder, 'maps'),
    '--summary',
    summary,
  ];
  if (stride) args.push('--output-stride', stride);
  if (threads) args.push('--threads', threads);
  const child = spawn(process.execPath, [join(root, 'dist/cli.js'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  /** @type {number[]} */
  const memory = [];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const resident = /^wrote /m.test(text) ? residentSet(/** @type {number} */ (child.pid)) : undefined;
    if (resident !== undefined) memory.push(resident);
  });
  const code = await new Promise((done) => child.on('close', done));
  const { rows, done, seconds } = JSON.parse(readFileSync(summary, 'utf8'));
  if (code !== 0) throw new Error(`explain ended with ${code}`);
  const network = rows.reduce(
    (/** @type {number} */ sum, /** @type {{ seconds: number }} */ row) => sum + row.seconds,
    0,
  );
  return {
    mode: name,
    pictures: done,
    perSecond: done / seconds,
    networkShare: network / seconds,
    firstHundred: mean(memory.slice(0, HUNDRED)),
    lastHundred: mean(memory.slice(-HUNDRED)),
    peak: Math.max(...memory),
  };
}

const text = /** @type {const} */ ({ type: 'string' });
const { values } = parseArgs({
  options: {
    count: { ...text, default: '1000' },
    modes: { ...text, default: 'pooled,dilated,atrous' },
    pictures: text,
    threads: text,
    json: text,
    help: { type: 'boolean', short: 'h' },
  },
});

if (values.help) console.log(help);
else {
  const folder = mkdtempSync(join(tmpdir(), 'atrous-cam-many-'));
  try {
    const copies = join(folder, 'pictures');
    mkdirSync(copies);
    if (!values.pictures)
      for (let i = 0; i < Number(values.count); i++)
        copyFileSync(join(root, 'photos/leonberger_abyssinian.jpg'), join(copies, `${String(i).padStart(5, '0')}.jpg`));
    const rows = [];
    console.log('mode          pictures   pictures/s   network   first 100   last 100   peak');
    for (const mode of values.modes.split(',')) {
      const row = await explainFolder(
        values.pictures ?? copies,
        join(folder, mode.replace('/', '-')),
        mode,
        values.threads,
      );
      rows.push(row);
      const cells = [
        row.mode.padEnd(12),
        String(row.pictures).padStart(10),
        row.perSecond.toFixed(2).padStart(13),
        `${(100 * row.networkShare).toFixed(0)}%`.padStart(10),
        ...[row.firstHundred, row.lastHundred].map((value) => `${value.toFixed(0)} MB`.padStart(11)),
        `${row.peak.toFixed(0)} MB`.padStart(9),
      ];
      console.log(cells.join(''));
    }
    if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine: machine(), rows }, null, 2)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
