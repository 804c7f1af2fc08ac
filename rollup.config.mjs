import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import commonjs from '@rollup/plugin-commonjs';
import nodeResolve from '@rollup/plugin-node-resolve';
import { transform } from 'esbuild';
import license from 'rollup-plugin-license';
import { avifGlue } from './scripts/building/avif-glue.js';
import { embed } from './scripts/building/embed.js';
import { limitHdf5 } from './scripts/building/limit-hdf5.js';
import { shrinkDependencies } from './scripts/building/shrink-dependencies.js';
import { splitHdf5 } from './scripts/building/split-hdf5.js';

/** TypeScript is compiled to build/js first (`npm run build`); everything the package needs at run time is bundled. */
const output = {
  dir: 'dist',
  format: 'es',
  onlyExplicitManualChunks: true,
  chunkFileNames: 'chunks/[name].js',
  generatedCode: 'es2015',
  hoistTransitiveImports: false, // bare imports of chunks, of which esbuild warns
};
const plugins = [
  embed(),
  limitHdf5(),
  splitHdf5(),
  avifGlue(),
  nodeResolve({ preferBuiltins: true }),
  commonjs(),
  shrinkDependencies(),
];
/**
 * What the chunks that are loaded when needed share with the library; without a chunk of its own it would turn
 * dist/index.js into a mere list of exports.
 */
const sharedWithLazyChunks =
  /build\/js\/(base\/(base64|channel|errors|lazy|messages|patience|platform|random|shape|suggest)|image\/(bytes|resize)|weights\/(assets|family|floats|source|tensor-file))\.js$/;
/** What the methods that are loaded when needed share with the others. */
const sharedMethods = /build\/js\/(map\/resample|methods\/field)\.js$/;
/** By themselves, because metrics need none of it, and who only writes PNG files nothing else. */
const compression = /node_modules\/(pako|upng-js)\/|build\/js\/image\/(png-encode|upng)\.js$/;
/** What training shares with the library: pictures and weight files. */
const sharedWithTraining =
  /build\/js\/(image\/(bad-image|decode|decoding|exif|orient|place|sniff)|weights\/(open|degridding|check-chain|labels|preprocessing|source|tensor|packed|safetensors|types))\.js$/;
/** What describes networks: the engine, the readers and the worker's caller have it, so it stands by itself. */
const graphs = /build\/js\/(graph\/(?!resized).*|image\/normalization)\.js$/;
/** The licences of what is bundled, collected from the modules that really are. */
const licences = (name) => license({ thirdParty: { output: `dist/licences/${name}.txt` } });
/** What the collector does not see: the figure's font, which is embedded as data, and what was changed in whose code. */
const changes = `h5wasm 0.10.3, by the National Institute of Standards and Technology, was changed for this package in November 2026: its memory may grow
to 256 MB instead of 2 GB (scripts/building/limit-hdf5.js), and its WebAssembly module, itself unchanged, comes from a file of its own and is
started when it is needed (scripts/building/split-hdf5.js). @jsquash/avif 2.1.1 no longer asks where its JavaScript lies
(scripts/building/avif-glue.js). Of all bundled code, white space and local names were shortened.
`;
const notices = {
  name: 'notices',
  buildStart() {
    const emit = (name, source) => this.emitFile({ type: 'asset', fileName: `licences/${name}.txt`, source });
    emit('open-sans', readFileSync('node_modules/@fontsource/open-sans/LICENSE', 'utf8'));
    emit('picture-decoders', readFileSync('scripts/building/picture-decoders.txt', 'utf8'));
    emit('imagenet-network', readFileSync('weights/imagenet-mobilenet.LICENSE.txt', 'utf8'));
    emit('changes', changes);
  },
};
/** The kernels once more, as the files that `load({ wasm })` takes. */
const kernelFiles = {
  name: 'kernel-files',
  buildStart() {
    for (const name of ['simd', 'simd-shared', 'relaxed', 'relaxed-shared']) {
      const source = readFileSync(`build/kernels.${name}.wasm`);
      this.emitFile({ type: 'asset', fileName: `wasm/${name}.wasm`, source });
    }
  },
};
const [library, metrics, training] = ['index', 'metrics', 'training'].map((name) => resolve(`build/js/${name}.js`));
const ASSETS = ['weights', 'image'].map((folder) => resolve(`build/js/${folder}/assets.js`));
/**
 * Workers as classic scripts, which the library then contains as text. A worker that is started from text has no files
 * beside it: large data comes from the thread that started it.
 */
const textOnly = {
  name: 'text-only',
  resolveId: (id, importer) =>
    importer && ASSETS.includes(resolve(importer, '..', id)) ? resolve('build/js/worker/caller-assets.js') : null,
  resolveImportMeta: () => '""',
  // Half the size; names stay, so that stacks can be read.
  renderChunk: (code) => transform(code, { minifyWhitespace: true, minifySyntax: true, legalComments: 'none' }),
};

/** Without comments: those of the public things stand in dist/types as well, and all together are a sixth of what a page loads. */
const withoutComments = {
  name: 'without-comments',
  renderChunk: (code) => transform(code, { legalComments: 'inline', charset: 'utf8' }),
};

const asText = (input, file) => ({
  input,
  output: { file, format: 'iife', name: 'atrousCam', inlineDynamicImports: true },
  plugins: [textOnly, ...plugins],
});

export default [
  asText('build/js/weights/hdf5-worker.js', 'build/hdf5-worker.js'),
  asText('build/js/worker-host.js', 'build/worker-host.js'),
  {
    input: {
      index: 'build/js/index.js',
      kernels: 'build/js/kernels.js',
      metrics: 'build/js/metrics.js',
      training: 'build/js/training.js',
      worker: 'build/js/worker.js',
      'worker-host': 'build/js/worker-host.js',
    },
    output: {
      ...output,
      manualChunks: (id) => {
        if (compression.test(id)) return 'compression';
        if (graphs.test(id)) return 'graphs';
        if (sharedMethods.test(id)) return 'methods';
        return sharedWithLazyChunks.test(id) ? 'shared' : sharedWithTraining.test(id) ? 'files' : undefined;
      },
    },
    plugins: [...plugins, withoutComments, licences('library'), notices, kernelFiles],
  },
  {
    // The command is a user of the library like any other, so that dist/index.js and dist/metrics.js hold the library
    // and nothing of the command.
    input: { cli: 'build/js/cli.js' },
    output: {
      ...output,
      chunkFileNames: 'chunks/cli-[name].js',
      paths: { [library]: './index.js', [metrics]: './metrics.js', [training]: './training.js' },
    },
    external: (id, importer) =>
      id.startsWith('node:') ||
      (importer !== undefined && [library, metrics, training].includes(resolve(importer, '..', id))),
    plugins: [...plugins, withoutComments, licences('command')],
  },
];
