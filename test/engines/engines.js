import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * An engine that runs the job.
 * @typedef {object} Engine
 * @property {string} name
 * @property {string} path its executable
 * @property {string} version
 */

const cache = fileURLToPath(new URL('../../node_modules/.cache/atrous-cam/engines/', import.meta.url));

/** V8's, for vectors of 256 bits. Node 22 computes no faster with it, Node 26 ends with a fault of its compiler. */
const flag = process.arch === 'x64' ? '--experimental-wasm-revectorize' : undefined;

/** Engines of npm: the package that ships the executable, its name, the arguments before a script's path, a flag to be tried too. */
export const packages = [
  { name: 'Node 22', package: 'node@22.23.3', bin: 'node', args: [] },
  { name: 'Node 24', package: 'node@24.21.0', bin: 'node', args: [], flag },
  { name: 'Node 26', package: 'node@26.10.0', bin: 'node', args: [] },
  { name: 'Bun', package: 'bun@1.4.5', bin: 'bun', args: [] },
  { name: 'Deno', package: 'deno@2.9.6', bin: 'deno', args: ['run', '--allow-all'] },
  { name: 'workerd', package: 'workerd@1.20261117.1', bin: 'workerd', args: [] },
];

/** Engines that only a system has, and where they are looked for. */
export const installed = [
  { name: 'Firefox', paths: ['/usr/bin/firefox-esr', '/usr/bin/firefox'] },
  { name: 'WebKitGTK', paths: ['/usr/bin/WebKitWebDriver'] },
];

/**
 * Takes an engine out of its npm package, once, into the project's cache folder.
 * @param {typeof packages[number]} engine
 * @returns {string | undefined} its executable; undefined where the package cannot be had
 */
export function fromNpm({ package: name, bin }) {
  const folder = join(cache, name.replace('@', '-'));
  const path = join(folder, 'node_modules/.bin', bin);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  console.error(`fetching ${name} from npm ...`);
  try {
    const options = ['--prefix', folder, '--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync('npm', ['install', name, ...options], { stdio: 'ignore', timeout: 240_000 });
  } catch {
    return undefined;
  }
  return existsSync(path) ? path : undefined;
}

/** @param {typeof installed[number]} engine */
export const fromSystem = ({ paths }) => paths.find((path) => existsSync(path));

/** The first line of what an executable says of itself. @param {string} path */
export function versionOf(path) {
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  const [line] = (stdout ?? '').split('\n');
  return /\d+(\.\d+)+|\d{4}-\d\d-\d\d/.exec(line)?.[0] ?? '';
}
