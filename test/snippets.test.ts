import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Network } from '../src/index.js';
import { unlinked, WORDS } from './support/glossary.js';
import { writeMaskedPictures } from './support/masked-pictures.js';
import { blocks, moduleOf, pages, problemsOf, readExports, runnable, type Snippet } from './support/snippets.js';

// What the documentation shows compiles under strict types, and runs.
const root = process.cwd();
const inDist = (name: string) => import(pathToFileURL(join(root, `dist/${name}.js`)).href);

/** What snippets do not declare: the type, as they see it, and what it is when they run. */
const STAND_INS: Record<string, readonly [type: string, make: () => Promise<unknown>]> = {
  net: ["import('atrous-cam').Network", async () => (await inDist('index')).load(undefined, { threads: 1 })],
  k: ["import('atrous-cam/kernels').Kernels", async () => (await inDist('kernels')).init({ threads: 1 })],
  photo: ['Uint8Array', async () => new Uint8Array(readFileSync('photo.jpg'))],
  file: ['File', async () => new Blob([readFileSync('vgg16.h5')])],
  explanation: [
    "import('atrous-cam').Explanation",
    async () => ((await standIn('net')) as Network).explain('photo.jpg', { mode: 'pooled' }),
  ],
  map: ["import('atrous-cam/metrics').GreyMap", async () => (await inDist('metrics')).gaussianMap(224)],
  mask: [
    "import('atrous-cam/metrics').Mask",
    async () => (await inDist('metrics')).boxMask({ x: 40, y: 30, width: 100, height: 120 }, 224, 224),
  ],
  pictures: [
    "import('atrous-cam/metrics').MaskedPicture[]",
    async () => (await inDist('metrics')).readMaskedPictures('pets'),
  ],
  picture: ["import('atrous-cam/metrics').MaskedPicture", async () => ((await standIn('pictures')) as unknown[])[0]],
  probe: [
    "import('atrous-cam/metrics').Probe",
    async () => (await inDist('metrics')).openProbe(await standIn('net'), 'photo.jpg', { target: 'cat' }),
  ],
  draw: ['(map: unknown) => void', async () => () => {}],
  show: ['(done: number) => void', async () => () => {}],
  controller: ['AbortController', async () => new AbortController()],
  writeFile: ['(path: string, bytes: Uint8Array) => Promise<void>', async () => writeFile],
  ...Object.fromEntries(
    Object.entries({
      x: 14 * 14 * 512,
      w: 9 * 512 * 512,
      b: 512,
      dy: 14 * 14 * 512,
      image: 3 * 224 * 224,
      w7: 49 * 3 * 64,
    }).map(([name, length]) => [name, ['Float32Array', async () => new Float32Array(length)] as const]),
  ),
};
const made = new Map<string, Promise<never>>();
function standIn(name: string): Promise<never> {
  if (!made.has(name)) made.set(name, STAND_INS[name][1]() as Promise<never>);
  return made.get(name)!;
}

/** Compiled only: the first downloads, the others take many seconds and have tests of their own. */
const NOT_RUN = [
  ...['atrous-cam: pullWeights', 'atrous-cam: Network.evidence', 'atrous-cam/training: train'],
  ...['randomizationCheck', 'deletion', 'measureMap', 'evaluateExplanations', 'summarizeEvaluations'].map(
    (name) => `atrous-cam/metrics: ${name}`,
  ),
];

/** Names of networks that are not here, in the terms of the one that is. */
const HERE: Record<string, string> = { boxer: 'cat', tiger_cat: 'dog', layer4: 'block5_conv3' };
const inTermsOfBundled = (code: string) =>
  code.replace(/'(boxer|tiger_cat|layer4)'/g, (_, name: string) => `'${HERE[name]}'`);

const exported = readExports();
const snippets: Snippet[] = [...pages.flatMap((page) => blocks(page, /^(js|ts)$/)), ...exported.examples];
const names = new Set(Object.keys(STAND_INS));

it('every exported call has an example', () => {
  expect(exported.bare).toEqual([]);
  expect(exported.examples.length).toBeGreaterThan(70);
});

it('all of it compiles, with the names that it says it has', () => {
  const declared = Object.entries(STAND_INS).map(([name, [type]]) => `export declare const ${name}: ${type};`);
  const modules = new Map([['stand-ins.d.ts', declared.join('\n')]]);
  const fileOf = ({ where }: Snippet) => `${where.replace(/[^\w.-]+/g, '_')}.ts`;
  for (const snippet of snippets) modules.set(fileOf(snippet), moduleOf(snippet, exported, names));
  expect(problemsOf(modules)).toEqual([]);
  const wrong = { where: 'wrong', code: "net.explain('photo.jpg', { mode: 'dense' });", entry: 'index' };
  modules.set('wrong.ts', moduleOf(wrong, exported, names));
  expect(problemsOf(modules)).toEqual([expect.stringContaining('wrong.ts: Type \'"dense"\' is not assignable')]);
});

describe('runs', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'atrous-cam-snippets-'));
    for (const name of ['photo', 'cat', 'dog'])
      copyFileSync(join(root, 'photos/leonberger_abyssinian.jpg'), join(folder, `${name}.jpg`));
    copyFileSync(join(root, 'test/fixtures/formats/alpha.webp'), join(folder, 'cat.webp'));
    const weights = ['vgg16.h5', 'model.onnx', 'vgg16_weights_tf_dim_ordering_tf_kernels.h5']; // the content counts
    for (const name of weights) copyFileSync(join(root, 'weights/pets-vgg16.f16.safetensors'), join(folder, name));
    writeMaskedPictures(join(folder, 'pets'), ['cat', 'dog'], 1);
    writeMaskedPictures(join(folder, 'pictures'), ['cat', 'dog'], 1);
    rmSync(join(folder, 'pictures/masks'), { recursive: true });
    process.chdir(folder);
    for (const level of ['log', 'warn', 'error'] as const) vi.spyOn(console, level).mockImplementation(() => {});
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    for (const name of ['net', 'k'] as const)
      if (made.has(name)) ((await standIn(name)) as Disposable)[Symbol.dispose]();
    process.chdir(root);
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(snippets.filter(({ where }) => !NOT_RUN.includes(where)))('$where', async (snippet) => {
    const module = inTermsOfBundled(moduleOf(snippet, exported, names));
    const wanted = [...module.matchAll(/^import \{ (\w+) \} from '\.\/stand-ins\.js';$/gm)].map(([, name]) => name);
    const given = Object.fromEntries(await Promise.all(wanted.map(async (name) => [name, await standIn(name)])));
    await runnable(module)(given);
  });
});

describe('the command lines of the documentation', () => {
  const lines = pages.flatMap((page) =>
    blocks(page, /^sh$/).flatMap(({ where, code }) =>
      code.split('\n').map((line) => ({ where, line: line.split(' #')[0] })),
    ),
  );
  const help = new Map<string, string>();
  const helpOf = (command: string): string => {
    if (!help.has(command))
      help.set(
        command,
        execFileSync(process.execPath, [join(root, 'dist/cli.js'), ...command.split(' '), '--help']).toString(),
      );
    return help.get(command)!;
  };
  const calls = lines.flatMap(({ where, line }) =>
    [...line.matchAll(/(?:^|\s)atrous-cam ((?:weights )?\w+)(.*)$/g)].map(([, command, rest]) => ({
      where,
      command,
      rest,
    })),
  );

  it.each(calls)('$where: $command', ({ command, rest }) => {
    const options = rest.match(/(?<=\s)--[a-z-]+/g) ?? [];
    for (const option of options) expect(helpOf(command)).toMatch(new RegExp(`${option}[ ,<]`));
  });

  it('name scripts and files of this repository', () => {
    const projects = ['package.json', 'examples/vite/package.json'];
    const scripts = Object.assign(
      {},
      ...projects.map((path) => JSON.parse(readFileSync(join(root, path), 'utf8')).scripts),
    );
    const text = pages.map((page) => readFileSync(join(root, page), 'utf8')).join('\n');
    const missing = [...text.matchAll(/\bnpm run ([\w:]+)/g)]
      .filter(([, name]) => !(name in scripts))
      .map(([all]) => all);
    const files = [...text.matchAll(/(?<=[`\s(])(?:node )?((?:bench|scripts|test)\/[\w./-]+\.(?:js|ts))\b/g)];
    missing.push(...files.filter(([, path]) => !existsSync(join(root, path))).map(([all]) => all));
    expect(missing).toEqual([]);
  });
});

describe('words of the glossary', () => {
  /** Pages that explain; not references and reports. */
  const withTerms = [
    'README.md',
    ...['keras', 'library', 'methods', 'metrics', 'networks', 'pytorch', 'speed', 'training'].map(
      (name) => `docs/${name}.md`,
    ),
  ];

  it.each(withTerms)('are linked in %s', (page) => {
    expect(unlinked(readFileSync(join(root, page), 'utf8'))).toEqual([]);
  });

  it('are those of the table', () => {
    const [, table] = /^## Words\n([\s\S]*?)^## /m.exec(readFileSync(join(root, 'README.md'), 'utf8'))!;
    const words = [...table.matchAll(/^\| \*\*(.+?)\*\*/gm)].map(([, word]) => word);
    expect(words.sort()).toEqual(Object.keys(WORDS).sort());
  });
});
