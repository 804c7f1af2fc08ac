#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { load } from '../dist/index.js';

const help = `node bench/abort.js [WEIGHTS] [--threads N] [--aborts 8] [--picture photos/leonberger_abyssinian.jpg]

How long an abort takes to end a call: the longest of several at moments spread over the call, in milliseconds.
`;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string' },
    aborts: { type: 'string', default: '8' },
    picture: { type: 'string', default: 'photos/leonberger_abyssinian.jpg' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [source] = positionals;
const threads = Number(values.threads) || undefined;
const aborts = Number(values.aborts);

/**
 * Prints the longest time from an abort to the call's end.
 * @param {string} name
 * @param {(signal: AbortSignal) => Promise<{ dispose?(): void }>} call
 */
async function measure(name, call) {
  const start = performance.now();
  (await call(new AbortController().signal)).dispose?.();
  const whole = performance.now() - start;
  const delays = [];
  for (let i = 0; i < aborts; i++) {
    const controller = new AbortController();
    let at = 0;
    setTimeout(
      () => {
        at = performance.now();
        controller.abort();
      },
      (whole * 0.9 * (i + 0.5)) / aborts,
    );
    try {
      (await call(controller.signal)).dispose?.(); // it was faster than the abort
    } catch {
      delays.push(performance.now() - at);
    }
  }
  console.log(
    `${name.padEnd(10)} ${(whole / 1000).toFixed(2)} s, ${delays.length} aborts, longest ${Math.max(...delays).toFixed(0)} ms`,
  );
}

if (values.help) console.log(help);
else {
  await measure('load', (signal) => load(source, { threads, signal }));
  const net = await load(source, { threads });
  for (const mode of /** @type {const} */ (['pooled', 'dilated', 'atrous']))
    await measure(mode, (signal) => net.explain(values.picture, { mode, signal }));
  await measure('gradients', (signal) => net.gradients(values.picture, { mode: 'dilated', signal }));
  net.dispose();
}
