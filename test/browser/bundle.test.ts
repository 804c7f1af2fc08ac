import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Browser, bits, root, serve, startBrowser } from './harness.js';
import explain from './jobs/explain.js';

const dist = join(root, 'dist');

/** What a module imports, at once or later. By its syntax: TypeScript's quick scan for imports takes some regular expressions for divisions. */
function specifiers(file: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const isImport = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
    const from = ts.isImportDeclaration(node) || ts.isExportDeclaration(node) ? node.moduleSpecifier : undefined;
    const specifier = isImport ? node.arguments[0] : from;
    if (specifier && ts.isStringLiteral(specifier)) found.push(specifier.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest));
  return found;
}

/** The modules that are loaded, or may be later, when `entry` is: paths from dist. */
function reachable(entry: string, seen = new Set<string>()): Set<string> {
  const file = join(dist, entry);
  if (seen.has(entry) || !existsSync(file)) return seen;
  seen.add(entry);
  for (const specifier of specifiers(file))
    if (specifier.startsWith('.')) reachable(relative(dist, join(dirname(file), specifier)), seen);
  return seen;
}

/** All but the page's, which are bundled apart. */
const modules = (readdirSync(dist, { recursive: true }) as string[]).filter(
  (path) => path.endsWith('.js') && !path.startsWith('demo'),
);
const entries = modules.filter((path) => dirname(path) === '.' && path !== 'cli.js');
const library = new Set(entries.flatMap((entry) => [...reachable(entry)]));
const ofCommand = reachable('cli.js');

describe('dist', () => {
  it('holds no module that nothing loads', () => {
    expect(modules.filter((path) => !library.has(path) && !ofCommand.has(path))).toEqual([]);
  });

  it.each([...library])('%s imports only its siblings', (path) => {
    for (const specifier of specifiers(join(dist, path))) {
      expect(specifier).toMatch(/^\.\.?\//);
      expect(existsSync(join(dist, dirname(path), specifier)), specifier).toBe(true);
    }
  });
});

type Results = Awaited<ReturnType<typeof explain>>;

/** What must be equal between two runs: every number, bit for bit. */
const fingerprint = (results: Results) =>
  Object.fromEntries(
    Object.entries(results.modes).map(([mode, { logits, raw, map, predictions }]) => [
      mode,
      { logits: bits(logits), raw: bits(raw), map: bits(map), predictions },
    ]),
  );

describe('dist/index.js in Chromium', () => {
  const photo = 'photos/leonberger_abyssinian.jpg';
  const modes = ['pooled', 'dilated', 'atrous'];
  // Relaxed SIMD rounds as the processor does and Node 20 has it behind a flag only: `simd` is what all engines compute alike.
  const task = { modes, target: 'cat', options: { kernels: 'simd' } };
  let browser: Browser;
  let inNode: ReturnType<typeof fingerprint>;

  beforeAll(async () => {
    browser = await startBrowser();
    const library = pathToFileURL(join(dist, 'index.js')).href;
    const data = `data:image/jpeg;base64,${readFileSync(join(root, photo)).toString('base64')}`;
    const results = await explain({ ...task, library, photo: data });
    expect(results.modes.atrous.raw).toHaveLength(224 * 224);
    inNode = fingerprint(results);
  });
  afterAll(() => browser?.[Symbol.asyncDispose]());

  it('is, with all it may load, what Node imports', async () => {
    const site = await serve();
    try {
      const files = [...library].sort();
      const inBrowser = await browser.run<string[]>(site, 'hash', { urls: files.map((path) => `/dist/${path}`) });
      expect(files).toContain('index.js');
      expect(inBrowser).toEqual(files.map((path) => bits(readFileSync(join(dist, path)))));
    } finally {
      await site[Symbol.asyncDispose]();
    }
  });

  it.each([
    { where: 'worker', isolated: true, csp: true, threads: undefined },
    { where: 'worker', isolated: true, csp: false, threads: 1 },
    { where: 'page', isolated: true, csp: false, threads: undefined },
    { where: 'page', isolated: false, csp: true, threads: 1 },
    { where: 'worker', isolated: false, csp: false, threads: undefined },
  ] as const)('gives the numbers that Node gives, bit for bit, with %o', async ({ where, isolated, csp, threads }) => {
    const site = await serve({ isolated, csp });
    try {
      const argument = {
        ...task,
        library: '/dist/index.js',
        photo: `/${photo}`,
        options: { ...task.options, ...(threads && { threads }) },
      };
      const results = await browser.run<Results>(site, 'explain', argument, { where });
      expect(fingerprint(results)).toEqual(inNode);
      // where memory cannot be shared there is one thread; else as many as asked for, or as the machine has
      expect(results.threads > 1).toBe(isolated && threads !== 1 && availableParallelism() > 1);
    } finally {
      await site[Symbol.asyncDispose]();
    }
  });
});
