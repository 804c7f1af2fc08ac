import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Answer, answersInNode, Projects, root, run } from './projects.js';

// The package as users get it in Node: `npm pack`, installed into a fresh project.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
const tsc = join(root, 'node_modules/typescript/bin/tsc');

let projects: Projects;
let project: string;
let expected: Answer;

beforeAll(async () => {
  projects = new Projects();
  project = await projects.create('node');
  expected = await answersInNode(project);
});
afterAll(() => projects?.[Symbol.dispose]());

describe('in Node', () => {
  it('explains a photograph', () => {
    const labels = expected.predictions.map((prediction) => (prediction as { label: string }).label);
    expect(labels.sort()).toEqual(['cat', 'dog']);
    expect(expected.raw).toHaveLength(56 * 56);
    expect(expected.keras.every(Number.isFinite)).toBe(true);
    expect(expected.figure[2]).toBe(true);
  });

  it('has the command', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const { stdout } = await run(join(project, 'node_modules/.bin/atrous-cam'), ['--version'], { cwd: project });
    expect(stdout.trim()).toBe(version);
  });

  it('installs nothing but itself', () => {
    const modules = join(project, 'node_modules');
    expect(readdirSync(modules).filter((name) => !name.startsWith('.'))).toEqual(['atrous-cam']);
    expect(readdirSync(join(modules, 'atrous-cam')).sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
  });

  it.each([
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('has types for module %s with moduleResolution %s', async (module, moduleResolution) => {
    const lib = 'es2022,dom,dom.iterable,esnext.disposable';
    const options = ['--noEmit', '--strict', '--skipDefaultLibCheck', '--target', 'es2022', '--lib', lib];
    const args = [tsc, ...options, '--module', module, '--moduleResolution', moduleResolution, 'src/types.ts'];
    await run(process.execPath, args, { cwd: project }).catch(({ stdout }) => expect.fail(stdout));
  });

  it('runs nothing when imported', async () => {
    // every way to do something is a trap while the modules are evaluated
    const script = `
      const trap = (name) => () => { throw new Error('at import: ' + name); };
      for (const name of ['compile', 'instantiate', 'validate']) WebAssembly[name] = trap(name);
      for (const name of ['Module', 'Instance', 'Memory']) WebAssembly[name] = trap(name);
      for (const name of ['fetch', 'atob', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']) globalThis[name] = trap(name);
      process.getBuiltinModule = trap('getBuiltinModule');
      const before = Object.keys(globalThis).length;
      for (const entry of ${JSON.stringify(entries())}) await import(entry);
      if (Object.keys(globalThis).length !== before) throw new Error('at import: a global variable');
    `;
    await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project, timeout: 30_000 }); // ends by itself
  });
});

/** What users may import, apart from package.json and from the script of a worker, whose purpose is to run. */
function entries(): string[] {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const targets = Object.entries<string | { default: string }>(exports);
  return targets
    .filter(([path, target]) => typeof target === 'object' && path !== './worker-host')
    .map(([path]) => name + path.slice(1));
}
