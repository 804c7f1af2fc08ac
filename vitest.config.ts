import { defineConfig } from 'vitest/config';
import { embed } from './scripts/building/embed.js';
import { limitHdf5 } from './scripts/building/limit-hdf5.js';
import { splitHdf5 } from './scripts/building/split-hdf5.js';

export default defineConfig({
  plugins: [embed(), limitHdf5(), splitHdf5()],
  test: {
    server: { deps: { inline: ['h5wasm'] } }, // so that the plugins see it
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    exclude: ['test/full/**', 'test/soak/**', 'node_modules/**'],
  },
});
