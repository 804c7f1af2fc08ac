import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { serve } from '../browser/harness.js';
import { freePort } from '../engines/site.js';
import { photo, root, run, weights } from '../package/projects.js';
import { users } from '../package/users.js';

/**
 * The package in tools that are too large for the repository's own dependencies. They are installed once, as the lock
 * file of test/full/frameworks says, into build/frameworks, where the projects lie too.
 */
const own = join(root, 'test/full/frameworks');
const tools = join(root, 'build/frameworks');
const bin = (name: string) => join(tools, 'node_modules/.bin', name);
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** Whether the tools are there; where they cannot be had, one sentence says so. */
function install(): boolean {
  const files = ['package.json', 'package-lock.json'];
  const wanted = files.map((file) => readFileSync(join(own, file), 'utf8')).join('');
  const stamp = join(tools, 'installed.txt');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return true;
  rmSync(tools, { recursive: true, force: true });
  mkdirSync(tools, { recursive: true });
  for (const file of files) copyFileSync(join(own, file), join(tools, file));
  try {
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync(npm, args, { cwd: tools, stdio: 'ignore', timeout: 300_000 });
  } catch {
    console.log('Next, Parcel and Rsbuild were left out: their packages cannot be had from the npm registry here.');
    return false;
  }
  writeFileSync(stamp, wanted);
  return true;
}

describe.runIf(install())('the package in', () => {
  const all = users();
  beforeAll(() => {
    const installed = join(tools, 'node_modules/atrous-cam');
    rmSync(installed, { recursive: true, force: true });
    cpSync(join(all.inNode, 'node_modules/atrous-cam'), installed, { recursive: true });
  });

  /** A fresh project with the programs of test/package/app, and the files that they ask for in `files`. */
  function project(name: string, files: string): string {
    const folder = join(tools, name);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, files), { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
    cpSync(join(root, 'test/package/app'), join(folder, 'src'), { recursive: true });
    copyFileSync(photo, join(folder, files, 'photo.jpg'));
    copyFileSync(weights, join(folder, files, 'weights.h5'));
    return folder;
  }
  /** What the built pages compute. */
  async function answersOf(out: string, page: string) {
    await using site = await serve({ folders: { '/': out } });
    return await all.answersOf(site.origin, page);
  }

  it('Rsbuild, without configuration but for the entry', async () => {
    const folder = project('rsbuild', 'public');
    writeFileSync(
      join(folder, 'rsbuild.config.mjs'),
      "export default { source: { entry: { index: './src/browser.js' } } };\n",
    );
    await run(bin('rsbuild'), ['build'], { cwd: folder });
    expect(await answersOf(join(folder, 'dist'), '/index.html')).toEqual(all.expected);
  });

  it('Parcel, with two settings of package.json, and the package process that it would install by itself', async () => {
    const folder = project('parcel', 'out');
    writeFileSync(join(folder, 'index.html'), '<!doctype html><script type="module" src="src/browser.js"></script>');
    const options = ['--dist-dir', 'out', '--no-cache', '--no-source-maps', '--no-autoinstall'];
    await run(bin('parcel'), ['build', 'index.html', ...options], { cwd: folder });
    expect(await answersOf(join(folder, 'out'), '/index.html')).toEqual(all.expected);
  });

  it('Next: a client component, and a route handler in Node', async () => {
    const folder = project('next', 'public');
    cpSync(join(own, 'next'), folder, { recursive: true });
    const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' as const };
    await run(bin('next'), ['build'], { cwd: folder, env });
    const origin = `http://127.0.0.1:${await freePort()}`;
    const args = [join(tools, 'node_modules/next/dist/bin/next'), 'start', '-p', new URL(origin).port];
    const server = spawn(process.execPath, args, { cwd: folder, env, stdio: 'ignore' });
    try {
      const answers = () => fetch(origin).catch(() => undefined);
      for (let i = 0; i < 300 && !(await answers()); i++) await new Promise((resolve) => setTimeout(resolve, 100));
      const form = new FormData();
      form.set('photo', new Blob([readFileSync(photo)]));
      form.set('weights', new Blob([readFileSync(weights)]));
      const response = await fetch(`${origin}/api/explain`, { method: 'POST', body: form });
      const { page, worker } = all.expected;
      expect(await response.json()).toEqual({ page, worker });
      expect(await all.answersOf(origin, '/')).toEqual(all.expected);
    } finally {
      server.kill();
    }
  });
});
