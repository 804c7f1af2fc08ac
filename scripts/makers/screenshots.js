/** Takes the README's pictures of the page with its tests: `npm run screenshots`, after `npm run build`. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const tests = [
  resolve(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  'test/browser/demo.test.ts',
  '-t',
  'without findings of axe',
];
const env = { ...process.env, ATROUS_CAM_PICTURES: 'docs' };
process.exitCode = spawnSync(process.execPath, tests, { cwd: root, env, stdio: 'inherit' }).status ?? 1;
