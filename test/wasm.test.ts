import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WasmBuild, WasmOption } from '../src/base/types.js';
import { type LoadOptions, load } from '../src/index.js';
import { init } from '../src/kernels.js';
import { load as loadInWorker } from '../src/worker.js';
import { expectRefused } from './support/weight-files.js';

const folder = new URL('../dist/wasm/', import.meta.url);
const file = (name: WasmBuild) => new URL(`${name}.wasm`, folder);
const bytes = (name: WasmBuild) => new Uint8Array(readFileSync(file(name)));
const picture = { width: 32, height: 32, data: Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * i) % 251) };

/** A file server of the four builds. */
let server: Server;
let origin: string;
const asked: string[] = [];
beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url!);
    const name = /^\/wasm\/([\w-]+)\.wasm$/.exec(request.url!)?.[1];
    if (name) response.end(bytes(name as WasmBuild));
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

const predict = async (how: LoadOptions, start: typeof load = load) => {
  const net = await start(undefined, how);
  const { logits } = await net.predict(picture);
  const { kernels, threads } = net;
  net.dispose();
  return { logits, kernels, threads };
};

describe('kernels from files', () => {
  const forms: [string, () => WasmOption][] = [
    ['a module', () => new WebAssembly.Module(bytes('simd'))],
    ['a Uint8Array', () => bytes('simd')],
    ['an ArrayBuffer', () => bytes('simd').buffer],
    ['a Response', () => new Response(bytes('simd'))],
    ['a promised Response', () => fetch(`${origin}/wasm/simd.wasm`)],
    ['a URL of a file', () => file('simd')],
    ['the same as text', () => file('simd').href],
    ['a path', () => fileURLToPath(file('simd'))],
    ['an address', () => `${origin}/wasm/simd.wasm`],
    ['a build by name', () => ({ simd: bytes('simd') })],
  ];

  it.each(forms)('are taken as %s, here and in a worker', async (_, form) => {
    const expected = await predict({ kernels: 'simd', threads: 1 });
    expect(await predict({ wasm: form() })).toEqual(expected);
    expect(await predict({ wasm: form() }, loadInWorker)).toEqual(expected);
  });

  it.each(['simd', 'simd-shared', 'relaxed', 'relaxed-shared'] as const)('decide how they run: %s', async (name) => {
    const kernels = name.replace('-shared', '') as 'simd' | 'relaxed';
    const threads = name.endsWith('-shared') ? 3 : 1;
    const expected = await predict({ kernels, threads });
    expect(expected).toMatchObject({ kernels, threads });
    expect(await predict({ wasm: bytes(name), threads })).toEqual(expected);
    expect(await predict({ wasm: bytes(name), threads: 1, kernels })).toEqual({ ...expected, threads: 1 });
    const k = await init({ wasm: file(name), threads });
    expect([k.kernels, k.threads]).toEqual([kernels, threads]);
    k.dispose();
  });

  it.each([() => folder, () => folder.href, () => `${origin}/wasm/`])(
    'come from a folder: only the one in use',
    async (form) => {
      asked.length = 0;
      const expected = await predict({ kernels: 'relaxed', threads: 2 });
      expect(await predict({ wasm: form(), kernels: 'relaxed', threads: 2 })).toEqual(expected);
      expect(await predict({ wasm: form(), kernels: 'relaxed', threads: 2 }, loadInWorker)).toEqual(expected);
      expect(new Set(asked).size).toBeLessThan(2);
    },
  );

  it('are chosen among several', async () => {
    const wasm = { simd: bytes('simd'), 'simd-shared': bytes('simd-shared'), relaxed: bytes('relaxed') };
    expect(await predict({ wasm, kernels: 'simd', threads: 2 })).toMatchObject({ kernels: 'simd', threads: 2 });
    expect(await predict({ wasm, kernels: 'relaxed' })).toMatchObject({ kernels: 'relaxed', threads: 1 });
  });

  const other = () => {
    const changed = bytes('simd');
    changed[changed.length - 1] ^= 1; // of the hash
    return changed;
  };
  const advice = 'take the files of dist/wasm in the same version of the package';
  it.each<[string, () => LoadOptions, 'BAD_ARGUMENT' | 'NOT_FOUND', string | RegExp]>([
    [
      'no kernels',
      () => ({ wasm: new Uint8Array(20) }),
      'BAD_ARGUMENT',
      `wasm: expected kernels, got something else; ${advice}`,
    ],
    [
      'another module',
      () => ({ wasm: new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)) }),
      'BAD_ARGUMENT',
      `wasm: expected kernels, got something else; ${advice}`,
    ],
    [
      'another version',
      () => ({ wasm: other() }),
      'BAD_ARGUMENT',
      `wasm: expected the build 'simd', got that of another version; ${advice}`,
    ],
    [
      'a build under another name',
      () => ({ wasm: { relaxed: bytes('simd') } }),
      'BAD_ARGUMENT',
      `wasm: expected the build 'relaxed', got 'simd'; ${advice}`,
    ],
    [
      'an unknown name',
      () => ({ wasm: { avx: bytes('simd') } as WasmOption }),
      'BAD_ARGUMENT',
      "wasm: expected simd, simd-shared, relaxed, relaxed-shared, got 'avx'",
    ],
    ['nothing', () => ({ wasm: {} }), 'BAD_ARGUMENT', "got ''"],
    ['a number', () => ({ wasm: 7 as unknown as WasmOption }), 'BAD_ARGUMENT', 'a Response or a URL, got Number'],
    [
      'another instruction set than asked for',
      () => ({ wasm: bytes('simd'), kernels: 'relaxed' }),
      'BAD_ARGUMENT',
      "wasm: has simd, but kernels 'relaxed' is asked for",
    ],
    [
      'threads without shared memory',
      () => ({ wasm: bytes('simd'), threads: 2 }),
      'BAD_ARGUMENT',
      "threads: 2 need the build 'simd-shared', which wasm does not have",
    ],
    [
      'a file that is not there',
      () => ({ wasm: 'no/such.wasm' }),
      'NOT_FOUND',
      /^wasm no\/such\.wasm: cannot be read \(ENOENT/,
    ],
    [
      'an address that is not there',
      () => ({ wasm: `${origin}/nix.wasm` }),
      'NOT_FOUND',
      /nix\.wasm: the server answers 404$/,
    ],
    ['a server that is not there', () => ({ wasm: 'http://127.0.0.1:9/simd.wasm' }), 'NOT_FOUND', /cannot be read/],
  ])('are refused in one sentence: %s', async (_, how, code, message) => {
    await expectRefused(() => load(undefined, how()), code, message);
    await expectRefused(() => loadInWorker(undefined, how()), code, message);
  });
});
