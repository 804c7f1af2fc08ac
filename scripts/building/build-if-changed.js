/** `npm run build`, unless what it made last time is newer than everything it is made of. */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
/** Files and folders that the build reads; npm rewrites the last one whenever it installs. */
const SOURCES = ['assembly', 'src', 'demo', 'scripts', 'weights', 'photos', 'node_modules/.package-lock.json'];
/** The first and the last file that a build writes. */
const [FIRST, LAST] = ['build/kernels.simd.wasm', 'dist/demo/index.html'];

/**
 * When a file was written, or anything in a folder, or what lies in it was last added or removed.
 * @param {string} path
 * @returns {number} milliseconds; 0 where there is nothing
 */
function changed(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.mtimeMs ?? 0;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => changed(join(path, name))));
}

const atRoot = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isFile());
const sources = [...SOURCES, ...atRoot.map(({ name }) => name)].map((name) => join(root, name));
const [first, last] = [FIRST, LAST].map((name) => changed(join(root, name)));
if (first <= Math.max(...sources.map(changed)) || last < first) {
  const { status } = spawnSync('npm', ['run', 'build'], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  process.exitCode = status ?? 1;
}
