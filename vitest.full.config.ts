import { defineConfig } from 'vitest/config';
import { embed } from './scripts/embed.js';

/** `npm run test:full`: what takes minutes and gigabytes, one file at a time. */
export default defineConfig({
  plugins: [embed()],
  test: {
    include: ['test/full/**/*.test.ts'],
    testTimeout: 30 * 60_000,
    hookTimeout: 30 * 60_000,
    fileParallelism: false,
  },
});
