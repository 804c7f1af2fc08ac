#!/usr/bin/env node
import { execFileSync } from 'node:child_process';
import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { load } from '../dist/index.js';
import { waves } from './goals.js';

const help = `node bench/gradcam.js FILE [--modes pooled,dilated,atrous] [--output-stride N] [--kernels relaxed] [--threads 2] [--runs 3]

Grad-CAM end to end, each mode in a fresh process, so that peak memory is its own. One JSON line each, of the same form as those of
bench/peers/peers.py: times in milliseconds and the peak resident set in bytes. Behind a run of more than ten seconds there is no other.
`;

/** Milliseconds of a run that is not repeated. */
const LONG = 10_000;

/** Explains the top class `runs` times. */
async function measure(file, { modes: mode, 'output-stride': stride, kernels, threads, runs }) {
  const net = await load(file, { kernels, threads: Number(threads) });
  const image = waves();
  const milliseconds = [];
  for (let run = 0; run < Number(runs); run++) {
    const start = performance.now();
    await net.explain(image, { mode, ...(mode === 'atrous' && stride && { outputStride: Number(stride) }) });
    milliseconds.push(Math.round(performance.now() - start));
    if (milliseconds[run] > LONG) break;
  }
  const residentBytes = 1024 * process.resourceUsage().maxRSS;
  console.log(
    JSON.stringify({
      name: `atrous-cam, ${net.kernels}`,
      network: basename(file, extname(file)),
      mode,
      ...(stride && { outputStride: Number(stride) }),
      threads: net.threads,
      milliseconds,
      residentBytes,
    }),
  );
  net.dispose();
}

const text = (fallback) => ({ type: 'string', default: fallback });
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    modes: text('pooled,dilated,atrous'),
    kernels: text('relaxed'),
    threads: text('2'),
    runs: text('3'),
    'output-stride': { type: 'string' },
    one: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help || positionals.length === 0) console.log(help);
else if (values.one) await measure(positionals[0], values);
else
  for (const mode of values.modes.split(',')) {
    const own = ['modes', 'kernels', 'threads', 'runs'].flatMap((name) => [
      `--${name}`,
      name === 'modes' ? mode : values[name],
    ]);
    if (values['output-stride']) own.push('--output-stride', values['output-stride']);
    const script = fileURLToPath(import.meta.url);
    execFileSync(process.execPath, [script, '--one', ...own, positionals[0]], { stdio: 'inherit' });
  }
