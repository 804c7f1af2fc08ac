/**
 * Prints the sizes of what the package consists of and checks them against the budget below: `npm run sizes`, after
 * `npm run build`.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { staticImports } from './static-imports.js';

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const dist = join(root, 'dist');

/** Of a file without a line below. */
const OTHERS = 20;

/**
 * The most that brotli may leave of a file or an entry, in kB (1000 bytes). An entry is a module with all that it imports at once;
 * a chunk is loaded when first needed. docs/library.md states these numbers.
 */
const BUDGET = {
  'kernels.simd.wasm': 21,
  'kernels.simd-shared.wasm': 21,
  'kernels.relaxed.wasm': 21,
  'kernels.relaxed-shared.wasm': 21,
  'kernels.js': 61,
  'index.js': 145,
  'metrics.js': 25,
  'training.js': 85,
  'worker.js': 62,
  'worker-host.js': 147,
  'cli.js': 218,
  'chunks/avif-library.js': 390,
  'chunks/default-network.js': 1000,
  'chunks/imagenet-network.js': 1000,
  'chunks/hdf5-library.js': 800,
  'chunks/graph.js': 25,
  'chunks/host-text.js': 265,
  'chunks/hdf5-text.js': 60,
  'chunks/hdf5.js': 60,
  'chunks/text.js': 130,
  'chunks/webp-library.js': 60,
  demo: 156,
};

/** What the page of dist/demo loads only when it is needed: the network, photographs, and the readers of other weight files and pictures. */
const LATER_ON_PAGE =
  /\/((ablation|kpca|more|score|shapley)-cams?|eigenvector|finer|full-grad|input-gradients|occlusion|project|avif(-library)?|bmp|gif|png|webp(-library)?|(default|imagenet)-network|hdf5(-library|-text)?|imagenet-labels|keras-file|pako|values|layout|data|cache|normalization|random|onnx|pth|computed|evidence|graph|network-builder|open|reductions|safetensors-shards|siblings|several|label-lists|slices|folding|refusals|moments|torch|tfjs|torch-graph)-|photographs\//;

/** @param {string[]} files */
const concatenate = (files) => Buffer.concat(files.map((file) => readFileSync(file)));
const files = /** @type {string[]} */ (readdirSync(dist, { recursive: true })).filter((path) => /\.\w+$/.test(path));
const modules = files.filter((path) => path.endsWith('.js') && !path.startsWith('demo'));
const page = files.filter((path) => path.startsWith('demo') && !LATER_ON_PAGE.test(path));
const entries = modules.filter((path) => dirname(path) === '.').sort();
const atOnce = new Set(entries.flatMap((entry) => [...staticImports(join(dist, entry))]));
const chunks = modules.filter((path) => !atOnce.has(join(dist, path))).sort();
const builds = ['simd', 'simd-shared', 'relaxed', 'relaxed-shared'].map((name) => `kernels.${name}.wasm`);

/** @type {{ name: string, note: string, bytes: Buffer }[]} */
const rows = [
  ...builds.map((name) => ({ name, note: 'kernels', bytes: concatenate([join(root, 'build', name)]) })),
  ...entries.map((name) => {
    const files = [...staticImports(join(dist, name))];
    const note = files.length > 1 ? `with ${files.length - 1} more` : '';
    return { name, note, bytes: concatenate(files) };
  }),
  ...chunks.map((name) => ({ name, note: 'when needed', bytes: concatenate([join(dist, name)]) })),
  { name: 'demo', note: `${page.length} files`, bytes: concatenate(page.map((path) => join(dist, path))) },
];

if (!existsSync(dist)) throw new Error('dist is missing: run `npm run build` first');
console.log(`${'in kB'.padEnd(46)}${['raw', 'gzip', 'brotli', 'at most'].map((title) => title.padStart(10)).join('')}`);
for (const { name, note, bytes } of rows) {
  const brotli = brotliCompressSync(bytes).length / 1000;
  const limit = /** @type {Record<string, number>} */ (BUDGET)[name] ?? OTHERS;
  const sizes = [bytes.length / 1000, gzipSync(bytes).length / 1000, brotli].map((size) =>
    size.toFixed(1).padStart(10),
  );
  console.log(`${name.padEnd(30)}${note.padEnd(16)}${sizes.join('')}${String(limit).padStart(10)}`);
  if (!(brotli <= limit)) {
    console.error(`sizes: ${name}: expected at most ${limit} kB, got ${brotli.toFixed(1)} kB; see BUDGET`);
    process.exitCode = 1;
  }
}
