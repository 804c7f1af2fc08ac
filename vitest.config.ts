import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { embed } from './scripts/building/embed.js';
import { limitHdf5 } from './scripts/building/limit-hdf5.js';
import { splitHdf5 } from './scripts/building/split-hdf5.js';
import { findBrowser, LEFT_OUT } from './scripts/find-browser.js';
import { dataLeftOut } from './test/support/shared.js';

const MINUTE = 60_000;
const inBrowser = ['test/browser/**', 'test/package/bundlers.test.ts', 'test/package/examples.test.ts'];
const long = { timeout: 30 * MINUTE, workers: 1 };
/** The files that take half of the time of those that `npm run test:quick` could run. */
const longest = [
  ...[
    'cli',
    'degridding',
    'faults',
    'fuzz',
    'gradients',
    'graph-engine',
    'graph-reference',
    'hdf5-reader',
    'pack',
    'snippets',
  ],
  ...['backward-plan', 'kernels-window-pool', 'runtime', 'torch-graph', 'weights-formats', 'weights-keras-refused'],
  ...['training', 'training-step', 'wasm', 'weights-hdf5', 'weights-keras-changed', 'worker'],
  ...['methods/definitions', 'methods/graph-methods', 'methods/options', 'methods/smoothing'],
].map((name) => `test/${name}.test.ts`);

/** `vitest run --mode MODE`: which files, what may be left out of them and why, how long each test may take, how many files at a time. */
const modes = {
  /** `npm test` */
  test: { include: ['test/**'], exclude: ['test/full/**', 'test/soak/**'], timeout: 2 * MINUTE, workers: 0 },
  /** `npm run test:quick`: no browser, no packed package, no processes of the command, none of the longest. */
  quick: {
    include: ['test/**'],
    exclude: ['test/full/**', 'test/soak/**', 'test/browser/**', 'test/package/**', 'test/e2e/**', ...longest],
    timeout: MINUTE,
    workers: 0,
  },
  /** `npm run test:full`: what takes minutes and gigabytes. */
  full: { include: ['test/full/**'], exclude: [], ...long },
  /** `npm run test:soak`: 22,500 damaged files and a thousand explanations. */
  soak: { include: ['test/soak/**'], exclude: [], ...long },
};

/** Files that cannot run here, and the sentence that says so when the others are done. */
function leftOut(mode: string): { files: string[]; because: string } | undefined {
  if (mode === 'test' && !findBrowser()) return { files: inBrowser, because: LEFT_OUT };
  return mode === 'full' ? dataLeftOut() : undefined;
}

export default defineConfig(({ mode }) => {
  const { include, exclude, timeout, workers } = modes[mode as keyof typeof modes];
  const missing = leftOut(mode);
  if (missing) process.once('exit', () => console.log(missing.because));
  return {
    plugins: [embed(), limitHdf5(), splitHdf5()],
    test: {
      server: { deps: { inline: ['h5wasm'] } }, // so that the plugins see it
      include: include.map((files) => `${files}/*.test.ts`),
      exclude: ['**/node_modules/**', ...exclude, ...(missing?.files ?? [])],
      setupFiles: ['test/support/equality.ts'],
      testTimeout: timeout,
      hookTimeout: timeout,
      maxWorkers: workers || Math.max(2, availableParallelism()),
    },
  };
});
