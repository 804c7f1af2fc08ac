import { defineConfig } from 'vitest/config';
import { embed } from './scripts/building/embed.js';
import { limitHdf5 } from './scripts/building/limit-hdf5.js';
import { splitHdf5 } from './scripts/building/split-hdf5.js';

/** `npm run test:full`: what takes minutes and gigabytes, one file at a time. */
export default defineConfig({
  plugins: [embed(), limitHdf5(), splitHdf5()],
  test: {
    server: { deps: { inline: ['h5wasm'] } }, // so that the plugins see it
    include: ['test/full/**/*.test.ts'],
    testTimeout: 30 * 60_000,
    hookTimeout: 30 * 60_000,
    fileParallelism: false,
  },
});
