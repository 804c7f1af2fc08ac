import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Browser, bits, root, type SiteOptions, serve, startBrowser } from './harness.js';
import kernels from './jobs/kernels.js';
import network from './jobs/network.js';

const fixtures = join(root, 'test/fixtures/references/small');
const formats = join(root, 'test/fixtures/formats');
const folders = { '/files/': fixtures, '/formats/': formats };
const file = 'micro-vgg16.torchvision.safetensors';
const inDist = (name: string) => pathToFileURL(join(root, 'dist', name)).href;
const cores = availableParallelism();

/** What must be equal between two runs, bit for bit: arrays by their kind, length and hash. */
function fingerprint(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${value.byteLength}: ${bits(value)}`;
  if (Array.isArray(value)) return value.map(fingerprint);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, fingerprint(part)]));
}

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser?.[Symbol.asyncDispose]());

/** Runs a job on a fresh site. */
async function run<Result>(job: string, argument: object, where: 'page' | 'worker', how: SiteOptions = {}) {
  await using site = await serve({ folders, ...how });
  return await browser.run<Result>(site, job, argument, { where }); // awaited: the site must stay
}

describe('Chromium computes what Node computes, bit for bit', () => {
  const sets = ['simd', 'relaxed'] as const;
  const inNode = {} as Record<(typeof sets)[number], Results>;
  interface Results {
    network: Awaited<ReturnType<typeof network>>;
    kernels: Awaited<ReturnType<typeof kernels>>;
  }
  beforeAll(async () => {
    const weights = pathToFileURL(join(fixtures, file)).href;
    for (const set of sets) {
      const options = { kernels: set };
      inNode[set] = {
        network: await network({ library: inDist('index.js'), weights, options }),
        kernels: await kernels({ library: inDist('kernels.js'), options }),
      };
    }
  });

  // Any two settings meet in one of the rows.
  it.each([
    { set: 'simd', entry: 'worker', where: 'page', isolated: true, csp: true },
    { set: 'simd', entry: 'index', where: 'page', isolated: true, csp: true },
    { set: 'simd', entry: 'worker', where: 'worker', isolated: false, csp: true, wasm: '/dist/wasm/' },
    { set: 'simd', entry: 'worker', where: 'worker', isolated: false, csp: false, wasm: '/dist/wasm/simd.wasm' },
    { set: 'relaxed', entry: 'worker', where: 'worker', isolated: false, csp: false },
    { set: 'relaxed', entry: 'index', where: 'worker', isolated: true, csp: false, wasm: '/dist/wasm/' },
    { set: 'relaxed', entry: 'worker', where: 'page', isolated: true, csp: false, wasm: '/dist/wasm/' },
    { set: 'relaxed', entry: 'index', where: 'page', isolated: false, csp: true, wasm: '/dist/wasm/relaxed.wasm' },
  ] as const)('networks, their maps and gradients, with %o', async ({ set, entry, where, isolated, csp, ...more }) => {
    const options = { kernels: set, ...more };
    const argument = { library: `/dist/${entry}.js`, weights: `/files/${file}`, options };
    const { threads, ...rest } = await run<Results['network']>('network', argument, where, { isolated, csp });
    const { threads: _, ...expected } = inNode[set].network;
    expect(fingerprint(rest)).toEqual(fingerprint(expected));
    expect(threads > 1).toBe(isolated && cores > 1);
  });

  it.each([
    { set: 'simd', where: 'page', isolated: false, csp: false },
    { set: 'simd', where: 'worker', isolated: true, csp: true },
    { set: 'relaxed', where: 'page', isolated: true, csp: false },
    { set: 'relaxed', where: 'page', isolated: false, csp: true },
    { set: 'relaxed', where: 'worker', isolated: false, csp: false },
  ] as const)('kernels and their gradients, with %o', async ({ set, where, isolated, csp }) => {
    const argument = { library: '/dist/kernels.js', options: { kernels: set } };
    const { threads, results } = await run<Results['kernels']>('kernels', argument, where, { isolated, csp });
    expect(Object.keys(results)).toHaveLength(14);
    expect(fingerprint(results)).toEqual(fingerprint(inNode[set].kernels.results));
    expect(threads > 1).toBe(isolated && cores > 1);
  });
});

describe('a worker of a browser', () => {
  const life = <Result>(part: string, how?: SiteOptions, options: object = {}, where: 'page' | 'worker' = 'page') =>
    run<Result>('worker-life', { part, options: { kernels: 'simd', ...options } }, where, how);
  const refusal = (code: string, message: string | RegExp) => ({
    known: true,
    code,
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  });
  /** Like the strictest policy of `serve`, but for blob workers. */
  const noBlobs = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";

  it.each(['page', 'worker'] as const)('stops at once and goes on, started by a %s', async (where) => {
    const stopped = refusal('ABORTED', 'stopped by the caller');
    expect(await life('abort', { isolated: true }, {}, where)).toEqual({
      ends: [stopped, stopped],
      classes: 2,
      after: refusal('ABORTED', 'the network was disposed; load it again'),
    });
  });

  it.each(['page', 'worker'] as const)('is noticed when it is gone, by a %s', async (where) => {
    const gone = refusal('WORKER_FAILED', 'worker: it ended by itself (it was terminated); load the network again');
    expect(await life('terminate', {}, {}, where)).toEqual([gone, gone, gone]);
  });

  it('is told of where it does not start', async () => {
    const hint = '; the page must allow worker-src blob:, or name a script in workerUrl or createWorker';
    const message = (reason: string) => `worker: it could not be started (${reason})${hint}`;
    const noScript = refusal('WORKER_FAILED', message('its script could not be loaded'));
    expect(await life('missing')).toEqual(noScript);
    expect(await life('start', { csp: noBlobs })).toEqual(noScript);
    expect(await life('crash')).toEqual(refusal('WORKER_FAILED', message('Uncaught Error: broken')));
    const noWasm = await life('start', { csp: "script-src 'self'; worker-src blob:" });
    expect(noWasm).toEqual(refusal('UNSUPPORTED', /wasm-unsafe-eval/));
  });

  it('refuses kernels for shared memory where there is none', async () => {
    const options = { wasm: '/dist/wasm/simd-shared.wasm' };
    const message = /^wasm: has only 'simd-shared', and memory cannot be shared here/;
    expect(await life('start', {}, options)).toEqual(refusal('UNSUPPORTED', message));
    expect(await life('start', { isolated: true }, options)).toBe('no error');
  });

  it('starts from a script of its own where blobs are forbidden, on one thread and with the same numbers', async () => {
    const usual = await life<{ threads: number; logits: Float32Array }>('script', { isolated: true });
    const strict = await life<typeof usual>('script', { isolated: true, csp: noBlobs });
    expect(fingerprint(strict.logits)).toEqual(fingerprint(usual.logits));
    expect([usual.threads > 1, strict.threads]).toEqual([cores > 1, 1]);
  });

  it('starts from a script of another origin', async () => {
    await using elsewhere = await serve({ headers: { 'Access-Control-Allow-Origin': '*' } });
    const usual = await life<{ logits: Float32Array }>('script');
    const workerUrl = `${elsewhere.origin}/dist/worker-host.js`;
    expect(fingerprint(await life('script', {}, { workerUrl }))).toEqual(fingerprint(usual));
  });

  it('takes a picture from a canvas or a bitmap as from its pixels', async () => {
    const { answers, refused, width } = await life<{ answers: Float32Array[]; refused: string[]; width: number }>(
      'drawables',
      { csp: false }, // which would forbid the <img>
    );
    for (const message of refused)
      expect(message).toMatch(/^AtrousCamError: image: expected at least one pixel, got a/);
    expect(answers).toHaveLength(13);
    expect(new Set(answers.map(bits)).size).toBe(1);
    expect(answers[0].every(Number.isFinite)).toBe(true);
    expect(width).toBe(0); // the bitmap was handed over
  });

  it('decodes pictures of every format as Node does, whatever their names', async () => {
    const names = ['alpha.webp', '420.avif', 'alpha.avif', 'animation.gif', 'rle8.bmp'];
    const argument = { part: 'formats', options: { kernels: 'simd' }, names };
    const found = await run<Record<string, object>>('worker-life', argument, 'page', { csp: true });
    const { readImage } = await import(inDist('index.js'));
    for (const name of names) {
      const expected = { ...(await readImage(join(formats, name))), same: true };
      expect(fingerprint(found[name]), name).toEqual(fingerprint(expected));
    }
  });

  it('reads files that the page does not', async () => {
    const layers = 13;
    expect(await life('file', { csp: true })).toEqual({ parameters: 20386, source: 'micro.h5', layers });
  });
});
