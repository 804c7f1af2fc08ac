import { defineConfig } from 'vitest/config';
import { embed } from './scripts/embed.js';

export default defineConfig({
  plugins: [embed()],
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000, exclude: ['test/full/**', 'node_modules/**'] },
});
