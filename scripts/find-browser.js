import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
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
/** An npm package that carries a headless Chromium for Linux x64 (67 MB) instead of downloading one when installed. */
const SHIPPED = '@sparticuz/chromium@153.0.0';
const isRoot = process.getuid?.() === 0;

/** The flags every test starts Chromium with: nothing graphical, nothing over the network. */
export const browserFlags = [
  ...(isRoot ? ['--no-sandbox'] : []), // Chromium's sandbox refuses to run as root
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Finds a Chromium for the tests, or gets one: `CHROME_PATH` or `CHROMIUM_PATH`; an installed Chromium, Chrome or Edge; Debian's
 * package, where it may be installed; one shipped inside an npm package. Says on standard error what it installs.
 * @returns {FoundBrowser}
 * @throws {Error} where there is none, saying what to do
 */
export function findBrowser() {
  const named = process.env.CHROME_PATH || process.env.CHROMIUM_PATH;
  if (named) {
    const browser = { executablePath: named, env: {} };
    if (starts(browser)) return browser;
    throw new Error(`CHROME_PATH: expected a Chromium that starts, got "${named}"`);
  }
  const browser = installed() ?? unpacked() ?? fromDebian() ?? fromNpm();
  if (browser) return browser;
  throw new Error('no Chromium found: install Chromium, Chrome or Edge, or set CHROME_PATH to its executable');
}

/** @returns {FoundBrowser | undefined} */
function installed() {
  return candidates()
    .filter((path) => existsSync(path))
    .map((executablePath) => ({ executablePath, env: {} }))
    .find(starts);
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
function fromDebian() {
  if (!isRoot || !existsSync('/usr/bin/apt-get')) return undefined;
  say('no Chromium found; installing the "chromium" package with apt-get');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    run('apt-get', ['update'], { env });
    run('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], { env });
  } catch (error) {
    say(`apt-get could not install it: ${lastLine(error)}`);
  }
  return installed();
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
  run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', CACHE, SHIPPED], {
    cwd: CACHE,
  });
  const bin = join(CACHE, 'node_modules/@sparticuz/chromium/bin');
  run('tar', ['-xf', '-', '-C', CACHE], { input: brotliDecompressSync(readFileSync(join(bin, 'al2023.tar.br'))) });
  const whole = join(CACHE, 'chromium.part'); // renamed when complete: an interrupted run leaves no half program
  writeFileSync(whole, brotliDecompressSync(readFileSync(join(bin, 'chromium.br'))), { mode: 0o755 });
  renameSync(whole, join(CACHE, 'chromium'));
  rmSync(join(CACHE, 'node_modules'), { recursive: true });
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
  console.log(findBrowser().executablePath);
