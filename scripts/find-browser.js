import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';

/**
 * A Chromium that starts on this machine.
 * @typedef {object} FoundBrowser
 * @property {string} executablePath
 * @property {Record<string, string>} env variables that it needs beside the process's own
 */

const CACHE = resolve(fileURLToPath(new URL('..', import.meta.url)), 'node_modules/.cache/atrous-cam/chromium');
/** An npm package (MIT; Chromium itself BSD-3-Clause) that holds a headless Chromium for Linux x64, 70 MB, instead of downloading one. */
const SHIPPED = '@sparticuz/chromium@153.0.0';

const NONE =
  'no Chromium, Chrome or Edge was found, and none could be fetched from npm; install one, or set CHROME_PATH to its executable';
/** Nothing graphical, nothing over the network. */
const FLAGS = [
  '--no-sandbox', // it refuses to run as root, and as anybody where a system forbids user namespaces
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** What is said at the end of tests where no browser can be had. */
export const LEFT_OUT = `The browser tests were left out: ${NONE}.`;

/**
 * Finds a Chromium for the tests: `CHROME_PATH` or `CHROMIUM_PATH`; an installed Chromium, Chrome or Edge; Playwright's own; the
 * one that `fetchBrowser` left in the cache. Changes nothing.
 * @returns {FoundBrowser | undefined}
 * @throws {Error} where `CHROME_PATH` names no Chromium that starts
 */
export function findBrowser() {
  const named = process.env.CHROME_PATH || process.env.CHROMIUM_PATH;
  if (named) {
    const browser = { executablePath: named, env: {} };
    if (starts(browser)) return browser;
    throw new Error(`CHROME_PATH: expected a Chromium that starts, got "${named}"`);
  }
  return firstThatStarts(candidates) ?? firstThatStarts(fromPlaywright) ?? unpacked();
}

/**
 * As `findBrowser`; where there is none, unpacks the one inside an npm package into the project's cache folder. Nothing outside the
 * project's folder changes. Says on standard error what it fetches.
 * @returns {FoundBrowser | undefined}
 */
export function fetchBrowser() {
  return findBrowser() ?? fromNpm();
}

/**
 * What Playwright starts the tests' Chromium with.
 * @throws {Error} where none can be had, saying what to do
 */
export function launchOptions() {
  const browser = fetchBrowser();
  if (!browser) throw new Error(NONE);
  const env = /** @type {Record<string, string>} */ ({ ...process.env, ...browser.env });
  return { executablePath: browser.executablePath, args: FLAGS, env };
}

/**
 * @param {() => string[]} paths
 * @returns {FoundBrowser | undefined}
 */
function firstThatStarts(paths) {
  return paths()
    .filter((path) => existsSync(path))
    .map((executablePath) => ({ executablePath, env: {} }))
    .find(starts);
}

/** @returns {string[]} where `npx playwright install` puts the Chromium of the version used here */
function fromPlaywright() {
  try {
    return [createRequire(import.meta.url)('playwright-core').chromium.executablePath()];
  } catch {
    return []; // a system that Playwright has no browser for
  }
}

/** @returns {string[]} where Chromium, Chrome and Edge lie on Linux, macOS and Windows */
function candidates() {
  if (process.platform === 'darwin')
    return [
      'Chromium.app/Contents/MacOS/Chromium',
      'Google Chrome.app/Contents/MacOS/Google Chrome',
      'Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
    ].flatMap((app) => [join('/Applications', app), join(process.env.HOME ?? '', 'Applications', app)]);
  if (process.platform === 'win32')
    return [
      'Chromium\\Application\\chrome.exe',
      'Google\\Chrome\\Application\\chrome.exe',
      'Microsoft\\Edge\\Application\\msedge.exe',
    ].flatMap((path) =>
      ['PROGRAMFILES', 'PROGRAMFILES(X86)', 'LOCALAPPDATA'].map((folder) => join(process.env[folder] ?? '', path)),
    );
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'microsoft-edge'];
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/bin',
    '/usr/local/bin',
    '/snap/bin',
    '/opt/google/chrome',
  ];
  return names.flatMap((name) => folders.map((folder) => join(folder, name)));
}

/**
 * Whether the browser starts: some systems put a script at `/usr/bin/chromium-browser` that only says how to install it.
 * @param {FoundBrowser} browser
 */
function starts({ executablePath, env }) {
  if (process.platform === 'win32') return existsSync(executablePath); // there, --version opens a window
  try {
    return /\d+\.\d+/.test(run(executablePath, ['--version'], { env: { ...process.env, ...env }, timeout: 30_000 }));
  } catch {
    return false;
  }
}

/** @returns {FoundBrowser | undefined} */
function fromNpm() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  say(`fetching the Chromium inside the npm package ${SHIPPED}`);
  try {
    unpackShipped();
  } catch (error) {
    say(`it could not be unpacked: ${lastLine(error)}`);
  }
  return unpacked();
}

/** @returns {FoundBrowser | undefined} what `fromNpm` left in the cache, now or in an earlier run */
function unpacked() {
  const browser = { executablePath: join(CACHE, 'chromium'), env: { LD_LIBRARY_PATH: join(CACHE, 'lib') } };
  return existsSync(browser.executablePath) && starts(browser) ? browser : undefined;
}

/** Fetches the npm package and unpacks its program and the libraries that small systems lack (NSS, expat) into `CACHE`. */
function unpackShipped() {
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(join(CACHE, 'package.json'), '{ "private": true }\n');
  const flags = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--engine-strict=false'];
  run('npm', ['install', ...flags, '--prefix', CACHE, '--cache', join(CACHE, 'npm'), SHIPPED], { cwd: CACHE });
  const bin = join(CACHE, 'node_modules/@sparticuz/chromium/bin');
  run('tar', ['-xf', '-', '-C', CACHE], { input: brotliDecompressSync(readFileSync(join(bin, 'al2023.tar.br'))) });
  const whole = join(CACHE, 'chromium.part'); // renamed when complete: an interrupted run leaves no half program
  writeFileSync(whole, brotliDecompressSync(readFileSync(join(bin, 'chromium.br'))), { mode: 0o755 });
  renameSync(whole, join(CACHE, 'chromium'));
  for (const folder of ['node_modules', 'npm']) rmSync(join(CACHE, folder), { recursive: true, force: true });
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {import('node:child_process').ExecFileSyncOptions} options
 */
function run(command, args, options) {
  const stdin = options.input ? 'pipe' : 'ignore';
  return execFileSync(command, args, {
    stdio: [stdin, 'pipe', 'pipe'],
    timeout: 600_000,
    maxBuffer: 2 ** 26,
    ...options,
  }).toString();
}

/** @param {unknown} error */
const lastLine = (error) =>
  String(error instanceof Error ? error.message : error)
    .trim()
    .split('\n')
    .at(-1);

/** @param {string} text */
const say = (text) => process.stderr.write(`find-browser: ${text}\n`);

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  console.log(fetchBrowser()?.executablePath ?? LEFT_OUT);
