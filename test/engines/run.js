#!/usr/bin/env node
/**
 * `npm run test:engines`, after a build: the same job in every engine that can be had, and whether it has the bits of
 * this Node. With --npm, only in those that come from npm.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { browsers } from './browsers.js';
import { fromNpm, fromSystem, installed, packages, versionOf } from './engines.js';
import { photo } from './files.js';
import { serveJob } from './site.js';
import { runWorkerd } from './workerd.js';

const execute = promisify(execFile);
/** Nothing may hang: each start, load and call ends within a minute. */
const MINUTE = 60_000;
const root = fileURLToPath(new URL('../../', import.meta.url));
const main = fileURLToPath(new URL('main.js', import.meta.url));

/** The job in an engine with files. @param {string} path @param {readonly string[]} args */
async function runScript(path, args) {
  const { stdout } = await execute(path, [...args, main], { timeout: MINUTE, killSignal: 'SIGKILL' });
  return JSON.parse(stdout);
}

/** The job and the package's own page in a browser. @param {string} name @param {string} path */
async function runBrowser(name, path) {
  const site = await serveJob();
  const { close, version = versionOf(path) } = await browsers[name](path, `${site.origin}/test/engines/page.html`);
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('no result within two minutes')), 2 * MINUTE);
  });
  try {
    return { version, ...JSON.parse(await Promise.race([site.result, late])) };
  } finally {
    clearTimeout(timer);
    await close();
    site.close();
  }
}

/** What of a result differs from what this Node computes. @param {any} expected @param {any} result @returns {string[]} */
function faultsOf(expected, result) {
  if (result.error) return [result.error];
  const names = Object.keys(expected.hashes);
  const faults = names.filter((name) => result.hashes[name] !== expected.hashes[name]).map((name) => `${name} differs`);
  const { page } = result;
  if (page && page.maps.length < 2)
    faults.push(`the page shows ${page.maps.length} maps, none sharper than the first; it says "${page.status}"`);
  return [...faults, ...(page?.problems ?? [])];
}

/** @param {any} expected @param {any} answer @returns {string[]} */
function workerdFaults(expected, { predictions, refused }) {
  const same = JSON.stringify(predictions) === JSON.stringify(expected);
  const told = refused.code === 'UNSUPPORTED' && refused.message.includes('{ wasm: module }');
  return [...(same ? [] : ['its predictions differ']), ...(told ? [] : [`forgotten kernels: ${refused.message}`])];
}

let failed = 0;
/** @param {string} name @param {string} version @param {string} what @param {readonly string[]} faults */
function report(name, version, what, faults) {
  failed += faults.length > 0 ? 1 : 0;
  console.log([name.padEnd(10), version.padEnd(12), faults.length > 0 ? faults.join('; ') : what].join(' '));
}

const expected = await runScript(process.execPath, []);
report('Node', process.versions.node, `${Object.keys(expected.hashes).length} hashes`, []);
for (const engine of packages) {
  const path = fromNpm(engine);
  if (!path) {
    console.log(`${engine.name.padEnd(10)} left out: ${engine.package} cannot be had from npm here`);
    continue;
  }
  try {
    if (engine.name === 'workerd') {
      const { load } = await import('../../dist/index.js');
      const net = await load(undefined, { kernels: 'simd', threads: 1 });
      const bytes = readFileSync(`${root}${photo}`);
      const { predictions } = await net.predict(bytes);
      net.dispose();
      const faults = workerdFaults(predictions, await runWorkerd(path, bytes));
      report(engine.name, versionOf(path), 'the same predictions, one thread', faults);
      continue;
    }
    const result = await runScript(path, engine.args);
    const { threads, kernels } = result.engine;
    const faults = faultsOf(expected, result);
    const { flag } = engine;
    if (flag) faults.push(...faultsOf(expected, await runScript(path, [flag, ...engine.args])));
    const said = `the same bits, ${threads} thread(s), ${kernels} by default${flag ? `, also with ${flag}` : ''}`;
    report(engine.name, versionOf(path), said, faults);
  } catch (error) {
    report(engine.name, versionOf(path), '', [error.killed ? 'no end within a minute' : String(error.message)]);
  }
}
for (const engine of process.argv.includes('--npm') ? [] : installed) {
  const path = fromSystem(engine);
  if (!path) {
    console.log(`${engine.name.padEnd(10)} left out: it is not installed (${engine.paths.join(', ')})`);
    continue;
  }
  try {
    const result = await runBrowser(engine.name, path);
    const { threads, kernels } = result.engine ?? {};
    const said = `the same bits, ${threads} thread(s), ${kernels} by default; the page explains`;
    report(engine.name, result.version, said, faultsOf(expected, result));
  } catch (error) {
    report(engine.name, '', '', [String(error.message)]);
  }
}
process.exit(failed > 0 ? 1 : 0);
