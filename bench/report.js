#!/usr/bin/env node
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { format } from './goals.js';

/**
 * Makes bench/RESULTS.md and bench/results.svg from bench/results/*.json:
 *
 *     npm run bench -- --peers onnxruntime-node --rounds 4 --json bench/results/goals.json
 *     npm run bench -- --peers onnxruntime-web --peers-only --rounds 1 --json bench/results/onnxruntime-web.json
 *     for k in simd relaxed; do for t in 1 2; do npm run bench -- --weights vgg16.h5 --kernels $k --threads $t --json bench/results/vgg16-$k-$t.json; done; done
 *     npm run bench -- --kernels relaxed --json bench/results/default.json
 *     npm run bench -- --sizes --kernels relaxed --json bench/results/sizes.json
 *     node bench/report.js
 */
const folder = new URL('results/', import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'));

/** Nothing where this machine has not had that run. */
const readIfThere = (name) => (existsSync(new URL(`${name}.json`, folder)) ? [read(name)] : []);

const goals = ['goals', 'onnxruntime-web'].flatMap(readIfThere);
const runs = ['simd-1', 'simd-2', 'relaxed-1', 'relaxed-2'].flatMap((name) => readIfThere(`vgg16-${name}`));
const small = read('default');
const sizes = read('sizes');

const { machine } = goals[0];
const label = ({ mode, outputStride }) => (mode === 'atrous' ? `atrous, stride ${outputStride}` : mode);
const seconds = (ms) => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`);
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const document = `# Results

Made by \`node bench/report.js\` from the runs in bench/results; its header has their commands. ${machine.date}, ${machine.processor},
${machine.cores} cores, ${machine.memory}, Node ${machine.node}. The machine is shared: compare ratios within a run.

## Against other runtimes and against itself

Full-size VGG16 with random weights (\`scripts/make-vgg16.js\`), ${goals[0].threads} threads, ratios of medians of alternating runs; in
brackets the smallest and largest ratio of single rounds, and the two medians.

${goals.flatMap(({ rows }) => rows.map((row) => `- ${format(row)}`)).join('\n')}

Maps and scratch at most: ${Object.entries(goals[0].peaks)
  .map(([mode, bytes]) => `${mode} ${(bytes / 1e6).toFixed(0)} MB`)
  .join(', ')}.

## Grad-CAM of full-size VGG16, by mode, output stride, instruction set and threads

Medians with half the range; GFLOP/s count a direct convolution's operations, so Winograd's are effective ones.

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

## The bundled network (${small.kernels}, ${small.threads} threads)

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

## Growth with the input's side (the bundled network's convolutions)

${table(
  ['side', 'pooled', 'dilated', 'atrous'],
  sizes.rows.map((row) => [row.inputSize, seconds(row.pooled), seconds(row.dilated), seconds(row.atrous)]),
)}
`;
writeFileSync(new URL('RESULTS.md', import.meta.url), document);
writeFileSync(new URL('results.svg', import.meta.url), chart());

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
