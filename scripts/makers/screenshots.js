/** Takes the pictures of the page in docs/ with its tests, in few colours each: `npm run screenshots`, after `npm run build`. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import upng from 'upng-js';

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const tests = [
  resolve(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  'test/browser/demo-visitors.test.ts',
  '-t',
  'without findings of axe',
];
const env = { ...process.env, ATROUS_CAM_PICTURES: 'docs' };
process.exitCode = spawnSync(process.execPath, tests, { cwd: root, env, stdio: 'inherit' }).status ?? 1;

const COLOURS = 200;
for (const name of readdirSync(join(root, 'docs')).filter((file) => /^demo-.*\.png$/.test(file))) {
  const path = join(root, 'docs', name);
  const picture = upng.decode(readFileSync(path));
  const few = upng.encode(upng.toRGBA8(picture), picture.width, picture.height, COLOURS);
  writeFileSync(path, Buffer.from(few));
}
