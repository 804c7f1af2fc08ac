import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { avifGlue } from '../scripts/building/avif-glue.js';
import { embed } from '../scripts/building/embed.js';
import { limitHdf5 } from '../scripts/building/limit-hdf5.js';
import { splitHdf5 } from '../scripts/building/split-hdf5.js';

const library = () => [embed(), limitHdf5(), splitHdf5(), avifGlue()];

const NO_ASSETS = "export const loadAsset = () => Promise.reject(new Error('the worker loads its own data'));";
/**
 * The page starts demo/worker.ts, which has files beside it: the library's text of a worker and the data it would post
 * stay out of the page.
 */
const STUBS = {
  '/src/worker/host-text.ts': "export const hostText = '';",
  '/src/weights/assets.ts': NO_ASSETS,
  '/src/image/assets.ts': NO_ASSETS,
};
const ownWorker = {
  name: 'own-worker',
  enforce: 'pre',
  load: (id) => Object.entries(STUBS).find(([path]) => id.endsWith(path))?.[1] ?? null,
};

/** The page of `atrous-cam serve`: `npm run build` makes dist/demo, a folder that any static server can serve. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  logLevel: 'warn',
  plugins: [ownWorker, ...library()],
  worker: { format: 'es', plugins: library },
  build: {
    outDir: '../dist/demo',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // nothing as data: URLs, which the page's policy forbids
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // The photographs and their thumbnails have the same names.
        assetFileNames: ({ originalFileNames }) =>
          originalFileNames.some((path) => path.includes('photos/'))
            ? 'photographs/[name]-[hash][extname]'
            : 'assets/[name]-[hash][extname]',
      },
    },
    chunkSizeWarningLimit: 10_000, // the network and the HDF5 reader, loaded when needed
  },
});
