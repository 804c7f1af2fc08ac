/**
 * Repeats the first steps of a training run and compares their losses with those that the run logged, to the bit.
 *
 *   node scripts/checks/training.js DATA LOG [--steps 200] [-- options of `atrous-cam train` that the run was started with]
 *
 * DATA is the folder or archive of pictures, LOG the steps.csv of the run. Needs `npm run build`. Exit code 1 where a loss differs.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const split = process.argv.indexOf('--', 2);
const [own, options] =
  split < 0 ? [process.argv.slice(2), []] : [process.argv.slice(2, split), process.argv.slice(split + 1)];
const { positionals, values } = parseArgs({
  args: own,
  allowPositionals: true,
  options: { steps: { type: 'string', default: '200' } },
});
if (positionals.length !== 2 || !/^\d+$/.test(values.steps)) {
  console.error('usage: node scripts/checks/training.js DATA LOG [--steps 200] [-- options of the run]');
  process.exit(2);
}

/** @param {string} path @returns {string[]} */
const rows = (path) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .slice(1, 1 + Number(values.steps));

const [data, log] = positionals;
const logged = rows(log);
const folder = mkdtempSync(join(tmpdir(), 'atrous-cam-check-'));
try {
  const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
  const args = [cli, 'train', data, ...options, '--out', folder, '--max-steps', String(logged.length)];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exitCode = status ?? 1;
  else {
    const repeated = rows(join(folder, 'steps.csv'));
    const first = logged.findIndex((row, i) => row !== repeated[i]);
    if (first < 0) console.log(`${logged.length} steps repeated to the bit`);
    else {
      console.error(`step ${first + 1}: logged ${logged[first]}, repeated ${repeated[first] ?? 'nothing'}`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
