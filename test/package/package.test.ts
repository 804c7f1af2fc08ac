import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'vite';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { staticImports } from '../../scripts/checks/static-imports.js';
import { type Browser, serve, startBrowser } from '../browser/harness.js';
import { bundlers } from './bundlers.js';
import { Projects, root, run } from './projects.js';

// The package as users get it: `npm pack`, installed into fresh projects, built by their tools, run where they run it.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 }); // webpack alone takes 20 s of processor time
const photo = join(root, 'photos/leonberger_abyssinian.jpg');
const weights = join(root, 'test/fixtures/references/small/micro-vgg16.keras-official.h5');
const tsc = join(root, 'node_modules/typescript/bin/tsc');

/** What test/package/app/explain.js returns, by where it ran. */
type Answers = { page: Answer; worker: Answer; ownWorker?: Answer };
type Answer = Record<'predictions' | 'logits' | 'raw' | 'keras' | 'figure', unknown[]>;

let projects: Projects;
let browser: Browser;
let project: string;
let expected: Answer;

beforeAll(async () => {
  projects = new Projects();
  [browser, project] = await Promise.all([startBrowser(), projects.create('node')]);
  const { stdout, stderr } = await run(process.execPath, ['src/node.js', photo, weights], { cwd: project });
  expect(stderr).toBe('');
  const { page, worker }: Answers = JSON.parse(stdout);
  expected = page;
  expect(worker).toEqual(page);
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  projects?.[Symbol.dispose]();
});

/** What the page found. */
async function answersOf(origin: string, path: string): Promise<Answers> {
  const page = await browser.page({ origin, [Symbol.asyncDispose]: async () => {} }, path);
  try {
    // polls, because a development server may load the page once more
    const answers = await page.waitForFunction(() => (globalThis as unknown as { answers: Promise<Answers> }).answers);
    return await answers.jsonValue();
  } finally {
    await page.close();
  }
}

/** The same numbers everywhere. */
const inBrowser = (): Answers => ({ page: expected, worker: expected, ownWorker: expected });

/** Runs the page in a folder that a bundler wrote. */
async function runFolder(folder: string): Promise<Answers> {
  copyFileSync(photo, join(folder, 'photo.jpg'));
  copyFileSync(weights, join(folder, 'weights.h5'));
  await using site = await serve({ folders: { '/': folder } });
  return await answersOf(site.origin, '/index.html');
}

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
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--lib', lib];
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

describe.each(Object.entries(bundlers))('built by %s', (name, bundle) => {
  let folder: string;
  beforeAll(async () => {
    folder = await projects.create(name);
  });

  it('gives the numbers that Node gives', async () => {
    const out = join(folder, 'out');
    mkdirSync(out);
    await bundle(folder, 'browser', out);
    expect(await runFolder(out)).toEqual(inBrowser());
  });

  it('leaves out what is not imported', async () => {
    writeFileSync(
      join(folder, 'src/png.js'),
      `import { encodePng } from 'atrous-cam';\nglobalThis.answer = encodePng;\n`,
    );
    const out = join(folder, 'png');
    mkdirSync(out);
    await bundle(folder, 'png', out);
    const script = /src="([^"]*\.js)"/.exec(readFileSync(join(out, 'index.html'), 'utf8'))![1];
    const loaded = [...staticImports(join(out, script))]; // esbuild writes chunks that nothing imports any more
    const code = loaded.map((file) => readFileSync(file, 'utf8')).join('');
    expect(code.includes('AGFzbQ')).toBe(false); // WebAssembly's first bytes as base64: the kernels
    expect(code.includes('block5_conv3')).toBe(false);
    const library = [...staticImports(join(root, 'dist/index.js'))].reduce((sum, file) => sum + statSync(file).size, 0);
    expect(code.length).toBeLessThan(library / 3); // pako and upng-js, and what webpack dares not drop
  });
});

describe('without a bundler', () => {
  it('runs from a page with <script type=module>', async () => {
    const out = join(project, 'page');
    mkdirSync(out);
    const modules = { 'atrous-cam': 'index', 'atrous-cam/worker': 'worker' };
    const imports = Object.fromEntries(
      Object.entries(modules).map(([name, file]) => [name, `/package/dist/${file}.js`]),
    );
    writeFileSync(join(project, 'src/worker.js'), `import '/package/dist/worker-host.js';\n`); // no import map reaches into workers
    writeFileSync(
      join(out, 'index.html'),
      `<!doctype html><meta charset="utf-8"><script type="importmap">${JSON.stringify({ imports })}</script>
       <script type="module" src="/src/browser.js"></script>`,
    );
    copyFileSync(photo, join(out, 'photo.jpg'));
    copyFileSync(weights, join(out, 'weights.h5'));
    const folders = { '/package/': join(project, 'node_modules/atrous-cam'), '/src/': join(project, 'src'), '/': out };
    await using site = await serve({ folders });
    expect(await answersOf(site.origin, '/index.html')).toEqual(inBrowser());
  });

  it("runs from Vite's development server, which bundles dependencies its own way", async () => {
    const folder = await projects.create('vite-dev');
    writeFileSync(join(folder, 'index.html'), '<!doctype html><script type="module" src="/src/browser.js"></script>');
    mkdirSync(join(folder, 'public'));
    copyFileSync(photo, join(folder, 'public/photo.jpg'));
    copyFileSync(weights, join(folder, 'public/weights.h5'));
    const server = await createServer({
      root: folder,
      configFile: false,
      logLevel: 'error',
      server: { host: '127.0.0.1' },
    });
    try {
      await server.listen();
      const [origin] = server.resolvedUrls!.local.map((url) => url.replace(/\/$/, ''));
      expect(await answersOf(origin, '/')).toEqual(inBrowser());
    } finally {
      await server.close();
    }
  });
});
