#!/usr/bin/env node
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { familiesReport } from './families-report.js';
import { format } from './goals.js';
import { formatGradients } from './gradients.js';

/**
 * Makes bench/RESULTS.md and bench/results.svg from bench/results/, which these commands fill (about 45 minutes on an otherwise idle
 * machine; some need Python, see peers.py):
 *
 *     npm run bench -- --peers onnxruntime-node --json bench/results/goals.json
 *     for p in onnxruntime-web tfjs-backend-wasm; do npm run bench -- --peers $p --peers-only --rounds 1 --json bench/results/$p.json; done
 *     for k in simd relaxed; do for t in 1 2; do npm run bench -- --weights vgg16.h5 --kernels $k --threads $t --json bench/results/vgg16-$k-$t.json; done; done
 *     npm run bench -- --kernels relaxed --json bench/results/default.json
 *     npm run bench -- --sizes --kernels relaxed --json bench/results/sizes.json
 *     node bench/winograd.js 9 bench/results/winograd.json
 *     node bench/load.js --json bench/results/load.json vgg16.h5 vgg16.f16.safetensors
 *     node bench/network-gradients.js vgg16.h5 --kernels relaxed --json bench/results/network-gradients.json
 *     for k in simd relaxed; do node bench/gradcam.js vgg16.h5 --kernels $k; done > bench/results/gradcam.jsonl
 *     .venv/bin/python bench/peers/peers.py vgg16.h5 > bench/results/python.jsonl
 *     for b in 1 2 3 4 5; do npm run bench -- --gradients "block $b" --python .venv/bin/python --json bench/results/gradients-$b.json; done
 *     sh bench/families.sh FOLDER .venv/bin/python
 *     node bench/report.js
 */
const folder = new URL('results/', import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'));

/** Nothing where this machine has not had that run. */
const readIfThere = (name) => (existsSync(new URL(`${name}.json`, folder)) ? [read(name)] : []);

/** Rows of a file with one JSON document a line. */
const readLines = (name) => {
  const file = new URL(`${name}.jsonl`, folder);
  return existsSync(file)
    ? readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    : [];
};

const goals = ['goals', 'onnxruntime-web', 'tfjs-backend-wasm'].flatMap(readIfThere);
const runs = ['simd-1', 'simd-2', 'relaxed-1', 'relaxed-2'].flatMap((name) => readIfThere(`vgg16-${name}`));
const small = read('default');
const sizes = read('sizes');

const ends = readLines('gradcam');
const python = readLines('python').filter(({ error }) => !error);
const [winograd, loads] = [readIfThere('winograd'), readIfThere('load')];
const networks = readIfThere('network-gradients');

const families = readIfThere('families');

const { machine } = goals[0];
const isCam = ({ name }) => name === 'grad-cam';
const label = ({ mode, outputStride }) => (mode === 'atrous' ? `atrous, stride ${outputStride}` : mode);
const seconds = (ms) => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`);
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const document = `# Results

Made by \`node bench/report.js\` from the runs in bench/results; its header has their commands. ${machine.processor},
${machine.cores} cores, ${machine.memory}, Node ${machine.node}. The machine is shared: compare ratios within a run. Each part says of which day it is.

## Against other runtimes and against itself

Full-size VGG16 with random weights (\`scripts/makers/vgg16.js\`), ${goals[0].threads} threads, ratios of medians of alternating runs; in
brackets the smallest and largest ratio of single rounds, and the two medians. ${machine.date}.

${goals.flatMap(({ rows }) => rows.map((row) => `- ${format(row)}`)).join('\n')}

Maps and scratch at most: ${Object.entries(goals[0].peaks)
  .map(([mode, bytes]) => `${mode} ${(bytes / 1e6).toFixed(0)} MB`)
  .join(', ')}.

## Grad-CAM of full-size VGG16, by mode, output stride, instruction set and threads

Medians with half the range; GFLOP/s count a direct convolution's operations, so Winograd's are effective ones. ${runs[0].machine.date}.

${table(
  ['mode', ...runs.map(({ kernels, threads }) => `${kernels}, ${threads} thread${threads > 1 ? 's' : ''}`), 'maps'],
  runs[0].rows.map((row, i) => [
    label(row),
    ...runs.map(({ rows }) => {
      const { median, spread, macs } = rows[i];
      return `${seconds(median)} ±${spread.toFixed(0)}%, ${((2e-6 * macs) / median).toFixed(0)} GF/s`;
    }),
    `${(row.peakBytes / 1e6).toFixed(0)} MB`,
  ]),
)}

![Time against output stride](results.svg)

${winograd.map(roofline).join('')}${loads.map(loading).join('')}${networks.map(networkGradients).join('')}${processes()}${familiesReport(families, { pixels: readLines('every-pixel'), ends: readLines('resnet50') }, { table, seconds })}## The bundled network (${small.kernels}, ${small.threads} threads, ${small.machine.date})

${table(
  ['mode', 'median', 'GFLOP/s', 'maps', 'first map'],
  small.rows.map((row) => [
    label(row),
    `${seconds(row.median)} ±${row.spread.toFixed(0)}%`,
    ((2e-6 * row.macs) / row.median).toFixed(0),
    `${(row.peakBytes / 1e6).toFixed(0)} MB`,
    row.firstMap ? seconds(row.firstMap) : '',
  ]),
)}

${gradients()}## Growth with the input's side (the bundled network's convolutions, ${sizes.machine.date})

${table(
  ['side', 'pooled', 'dilated', 'atrous'],
  sizes.rows.map((row) => [row.inputSize, seconds(row.pooled), seconds(row.dilated), seconds(row.atrous)]),
)}
`;
writeFileSync(new URL('RESULTS.md', import.meta.url), document);
writeFileSync(new URL('results.svg', import.meta.url), chart());

/** Forward and backward of single blocks; files are named gradients-*.json. */
function gradients() {
  const files = readdirSync(folder).filter((name) => name.startsWith('gradients-'));
  if (files.length === 0) return '';
  const results = files.map((name) => read(name.replace('.json', '')));
  return `## Gradients of VGG16's blocks and of dilated VGG16's

Medians in milliseconds of the forward pass and of the gradients at the input, all weights and biases, ${results[0].threads} threads, alternating with
PyTorch in the memory format that is named; in brackets the smallest and largest ratio of single rounds. ${results[0].machine.date},
${results[0].machine.processor}, Node ${results[0].machine.node}. PyTorch takes the widest vectors that the processor has; where a line
says AVX2, ONEDNN_MAX_CPU_ISA=AVX2 and ATEN_CPU_CAPABILITY=avx2 were set.

${results.flatMap(({ rows }) => rows.map((row) => `- ${formatGradients(row)}`)).join('\n')}

`;
}

/** What limits the convolutions: the matrix products' own rate, and the share of the transforms around them. */
function roofline({ machine, rows }) {
  const percent = (share) => `${(100 * share).toFixed(0)}%`;
  return `## Where a convolution's time goes (one thread, processor time, \`node bench/winograd.js\`, ${machine.date})

Effective GFLOP/s count a direct convolution's operations; the products' rate counts what Winograd's form really multiplies. WebAssembly's
vectors have 128 bits: two fused multiply-adds a cycle are 16 FLOP, the most that the products can reach.

${table(
  [
    'map',
    'channels',
    'phases',
    'build',
    'effective GFLOP/s',
    'products GFLOP/s',
    'transform',
    'products',
    'transform back',
  ],
  rows.map(({ side, dilation, cin, cout, kernels, effective, gemm, shares }) => [
    `${side}x${side}`,
    `${cin} to ${cout}`,
    dilation ** 2,
    kernels,
    effective.toFixed(0),
    gemm.toFixed(0),
    ...shares.map(percent),
  ]),
)}

`;
}

function loading({ machine, rows }) {
  return `## Loading VGG16 (\`node bench/load.js\`, medians of fresh processes, ${machine.date})

${table(
  ['file', 'seconds', 'processor seconds', 'resident at most', 'resident afterwards'],
  rows.map(({ file, seconds: time, cpu, peak, rss }) => [
    file,
    time.toFixed(2),
    cpu.toFixed(2),
    `${peak.toFixed(0)} MB`,
    `${rss.toFixed(0)} MB`,
  ]),
)}

`;
}

/** Gradients of whole networks against the forward pass of the same process. */
function networkGradients({ machine, wrt, rows }) {
  return `## Gradient of VGG16 at the ${wrt} (\`node bench/network-gradients.js\`; ${rows[0].kernels}, ${rows[0].threads} threads, a process for each row, ${machine.date})

'mean' is \`atrous\` with the dense score, its forward pass Grad-CAM's. Resident: the process at its highest, weights and all.

${table(
  ['mode', 'forward', 'gradient', 'ratio', 'the first, adjoint kernels included', 'maps', 'resident at most'],
  rows.map(({ name, forward, gradient, first, peakBytes, resident }) => [
    name,
    `${forward.toFixed(2)} s`,
    `${gradient.toFixed(2)} s`,
    (gradient / forward).toFixed(2),
    `${first.toFixed(2)} s`,
    `${(peakBytes / 1e6).toFixed(0)} MB`,
    `${resident.toFixed(0)} MB`,
  ]),
)}

`;
}

/** This package's Grad-CAM and Python's runtimes, each in processes of their own. */
function processes() {
  const row = ({ name, version = '', mode, milliseconds, residentBytes }) => [
    `${name} ${version}`.trim(),
    mode,
    seconds([...milliseconds].sort((a, b) => a - b)[milliseconds.length >> 1]),
    `${(residentBytes / 1e6).toFixed(0)} MB`,
  ];
  const head = ['runtime', 'mode', 'median', 'resident at most'];
  const [cams, stacks] = [python.filter(isCam), python.filter((each) => !isCam(each))];
  return `${ends.length ? `## Grad-CAM of VGG16 end to end, dense layers included (\`node bench/gradcam.js\`, \`bench/peers/peers.py\`; separate runs)\n\n${table(head, [...ends, ...cams].map(row))}\n\n` : ''}${
    stacks.length
      ? `## VGG16's convolutions in Python's runtimes (\`bench/peers/peers.py\`)\n\n${table(head, stacks.map(row))}\n\n`
      : ''
  }`;
}

/** Seconds (logarithmic) against output stride, a line for each instruction set and number of threads. */
function chart() {
  const [width, height, left, top, right, bottom] = [720, 400, 70, 40, 170, 50];
  const strides = [16, 8, 4, 2, 1];
  const times = runs.flatMap(({ rows }) => rows.filter(({ mode }) => mode === 'atrous').map(({ median }) => median));
  const [low, high] = [Math.floor(Math.log10(Math.min(...times))), Math.ceil(Math.log10(Math.max(...times)))];
  const x = (stride) => left + ((width - left - right) * strides.indexOf(stride)) / (strides.length - 1);
  const y = (ms) => height - bottom - ((height - top - bottom) * (Math.log10(ms) - low)) / (high - low);
  const text = (px, py, content, anchor = 'middle') =>
    `<text x="${px}" y="${py}" text-anchor="${anchor}">${content}</text>`;
  const colours = ['#8da0cb', '#3b528b', '#fdae6b', '#d94801'];
  const grid = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)).map(
    (ms) =>
      `<path d="M${left} ${y(ms)}H${width - right}" stroke="#ddd"/>${text(left - 8, y(ms) + 4, seconds(ms).replace('.00', ''), 'end')}`,
  );
  const axis = strides.map((stride) => text(x(stride), height - bottom + 20, stride));
  const lines = runs.map(({ kernels, threads, rows }, i) => {
    const points = rows
      .filter(({ mode }) => mode === 'atrous')
      .map(({ outputStride, median }) => [x(outputStride), y(median)]);
    const [endX, endY] = points.at(-1);
    const name = `${kernels}, ${threads} thread${threads > 1 ? 's' : ''}`;
    return `<polyline points="${points.map((point) => point.map((v) => v.toFixed(1)).join()).join(' ')}" fill="none" stroke="${colours[i]}" stroke-width="2.5"/>
${text(endX + 8, endY + 4, name, 'start')}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13" fill="#222">
<title>Time of atrous Grad-CAM against output stride</title>
<rect width="${width}" height="${height}" fill="white"/>
${text(left, 22, 'Grad-CAM of full-size VGG16 in atrous mode: time against output stride', 'start')}
${[...grid, ...axis, ...lines].join('\n')}
${text((left + width - right) / 2, height - 8, 'output stride (pixels between points of the map)')}
</svg>
`;
}
