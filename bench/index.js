#!/usr/bin/env node
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { benchGoals } from './goals.js';
import { benchGradients } from './gradients.js';
import { benchNetworks } from './networks.js';
import { benchSizes } from './sizes.js';

const help = `npm run bench [-- options]

Compares pooled, dilated and atrous Grad-CAM (every output stride) on this machine, with the bundled network.

  --weights FILE     another network, e.g. one made by scripts/makers/vgg16.js
  --threads N        threads, by default what the machine offers
  --kernels SET      auto, simd or relaxed (in Node 20 relaxed sets a V8 flag)
  --seconds S        time for each line, 3 by default
  --sizes            the convolutions of the bundled network at growing input sizes instead
  --peers [NAMES]    full-size VGG16 against other runtimes instead, alternating in one run: onnxruntime-node (default),
                     onnxruntime-web, tfjs-backend-wasm, separated by commas, or none; first: npm ci --ignore-scripts --prefix bench/peers
  --peers-only       with --peers: leave out the comparisons of this package with itself
  --gradients [PART] forward and backward of VGG16's and dilated VGG16's blocks instead (those whose name has PART, such as
                     "dilated block 4"), alternating with PyTorch where --python has it; first: npm run build
  --python FILE      an interpreter that has torch (bench/peers/requirements.txt), python3 by default
  --format NAME      with --gradients: PyTorch's memory format, contiguous or channels-last; by default it tries both
  --rounds N         rounds of --peers (5 by default) and --gradients (3)
  --json FILE        writes the rows of the run as JSON, from which bench/report.js makes RESULTS.md and its chart

node bench/kernels.js, node bench/winograd.js and node bench/depthwise.js measure single kernels, node bench/load.js the loading of weights.
`;

const text = { type: 'string' };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    weights: text,
    threads: text,
    kernels: text,
    seconds: text,
    rounds: text,
    json: text,
    sizes: { type: 'boolean' },
    peers: { type: 'boolean' },
    gradients: { type: 'boolean' },
    python: text,
    format: text,
    'peers-only': { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});

/** Full-size VGG16 with random weights, made once. */
function fullSize() {
  const folder = new URL('../node_modules/.cache/atrous-cam/', import.meta.url);
  const file = new URL('vgg16.h5', folder);
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    execFileSync(process.execPath, [new URL('../scripts/makers/vgg16.js', import.meta.url).pathname, file.pathname]);
  }
  return file.pathname;
}

if (values.help) console.log(help);
else {
  const number = (name) => (values[name] === undefined ? undefined : Number(values[name]));
  const { weights, kernels } = values;
  const threads = number('threads');
  const names = positionals[0] === 'none' ? [] : positionals[0]?.split(',');
  const result = values.peers
    ? await benchGoals({
        weights: weights ?? fullSize(),
        peers: names,
        rounds: number('rounds'),
        threads,
        peersOnly: values['peers-only'],
      })
    : values.gradients
      ? await benchGradients({
          threads,
          kernels,
          rounds: number('rounds'),
          python: values.python,
          filter: positionals[0],
          format: values.format,
        })
      : values.sizes
        ? await benchSizes({ threads, kernels, rounds: number('rounds') })
        : await benchNetworks({ weights, threads, kernels, seconds: number('seconds') });
  if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, 1)}\n`);
}
