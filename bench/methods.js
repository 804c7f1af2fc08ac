#!/usr/bin/env node
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { load, methodNames } from '../dist/index.js';

/**
 * Time and memory of every method of explanation on photos/leonberger_abyssinian.jpg, once each:
 *
 *     node bench/methods.js --json bench/results/methods-default.json
 *     node bench/methods.js --weights vgg16.h5 --modes pooled,atrous --json bench/results/methods-vgg16.json
 *     node bench/methods.js --report
 *
 * A method that is estimated to take longer than --limit seconds (default 600), at the pace of a pooled prediction, is not run; its
 * estimate is kept. --json adds to what is there, so that methods can be run in turns (--methods a,b). --report writes the tables
 * into docs/methods.md. Needs `npm run build`.
 */
const options = {
  weights: { type: 'string' },
  modes: { type: 'string', default: 'pooled,atrous,dilated' },
  methods: { type: 'string', default: methodNames.join(',') },
  target: { type: 'string', default: 'top' },
  threads: { type: 'string' },
  limit: { type: 'string', default: '600' },
  json: { type: 'string' },
  report: { type: 'boolean' },
};
const { values } = parseArgs({ options });
const photo = new URL('../photos/leonberger_abyssinian.jpg', import.meta.url);
const results = new URL('results/', import.meta.url);

if (values.report) report();
else await measure();

async function measure() {
  const threads = values.threads ? Number(values.threads) : availableParallelism();
  const net = await load(values.weights, { threads });
  const known = values.json && existsSync(values.json) ? JSON.parse(readFileSync(values.json, 'utf8')).rows : [];
  const rows = new Map(known.map((row) => [`${row.mode} ${row.method}`, row]));
  for (const mode of values.modes.split(','))
    for (const method of values.methods.split(',')) {
      await net.predict(photo); // for the pace of the estimate
      const { seconds: estimate, macs } = net.estimate({ mode, method });
      const row = { mode, method, gmac: macs / 1e9, estimate };
      if (estimate <= Number(values.limit)) {
        const { seconds, peakBytes, heads, layers, map } = await net.explain(photo, {
          mode,
          method,
          target: values.target,
        });
        Object.assign(row, { seconds, peakBytes, heads, layers, flat: map.flat });
      }
      rows.set(`${mode} ${method}`, row);
      console.log(describe(row));
      if (values.json)
        writeFileSync(values.json, `${JSON.stringify({ machine: machine(net), rows: [...rows.values()] }, null, 1)}\n`);
    }
  net.dispose();
}

function describe({ mode, method, seconds, estimate, gmac, peakBytes }) {
  const time = seconds === undefined ? `not run, about ${format(estimate)}` : format(seconds);
  return `${mode} ${method}: ${time}, ${gmac.toFixed(0)} GMAC${peakBytes ? `, ${megabytes(peakBytes)}` : ''}`;
}

function machine({ threads, kernels, parameters }) {
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus()[0].model.trim(),
    node: process.versions.node,
    threads,
    kernels,
    parameters,
  };
}

function format(seconds) {
  if (seconds < 10) return `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  return seconds < 100 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(0)} min`;
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

/** The tables between the marks of docs/methods.md. */
function report() {
  const page = new URL('../docs/methods.md', import.meta.url);
  const text = readFileSync(page, 'utf8');
  const [begin, end] = ['<!-- times -->', '<!-- /times -->'];
  const tables = ['default', 'vgg16'].map((name) =>
    table(name, JSON.parse(readFileSync(new URL(`methods-${name}.json`, results), 'utf8'))),
  );
  const [before, after] = [text.slice(0, text.indexOf(begin) + begin.length), text.slice(text.indexOf(end))];
  writeFileSync(page, `${before}\n${tables.join('\n\n')}\n${after}`);
}

function table(name, { machine, rows }) {
  const modes = [...new Set(rows.map((row) => row.mode))];
  const cell = (row) => {
    if (!row) return '';
    if (row.seconds === undefined) return `not run: ${row.gmac.toFixed(0)} GMAC`;
    return `${format(row.seconds)}, ${megabytes(row.peakBytes)}`;
  };
  const lines = methodNames.map((method) => {
    const cells = modes.map((mode) => cell(rows.find((row) => row.mode === mode && row.method === method)));
    return `| \`${method}\` | ${cells.join(' | ')} |`;
  });
  const title = name === 'default' ? 'The bundled network' : 'Full-size VGG16 (random weights)';
  const { parameters, date, processor, node, threads, kernels } = machine;
  const measured = `${processor}, ${threads} threads, ${kernels}, Node ${node}, ${date}`;
  return `${title}, ${parameters.toLocaleString('en')} parameters: time, memory without weights.
${measured}.

| method | ${modes.join(' | ')} |
|---|${modes.map(() => '---').join('|')}|
${lines.join('\n')}`;
}
