import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { type BrowserContext, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchOptions } from '../../scripts/find-browser.js';
import { load } from '../../src/index.js';
import { bits, root, type Site, serve } from './harness.js';

/** A service worker that answers messages: it explains a picture, whatever entry `load` is of. */
const script = (entry: string) => `
import { load } from ${JSON.stringify(entry)};

addEventListener('install', (event) => event.waitUntil(skipWaiting()));
addEventListener('message', async ({ data: { picture, options }, ports: [port] }) => {
  try {
    const net = await load(undefined, { kernels: 'simd' });
    const { map, logits } = await net.explain(picture, options);
    port.postMessage({ map: map.data, logits, threads: net.threads });
  } catch ({ name, code, message }) {
    port.postMessage({ name, code, message });
  }
});`;

interface Reply {
  map: Record<string, number>;
  logits: Record<string, number>;
  threads: number;
  code?: string;
}

describe('a service worker of Chromium', () => {
  const options = { target: 'cat', mode: 'atrous', outputStride: 8 } as const;
  let folder: string;
  /** With a profile on disk: one in memory keeps no script of 11 MB. */
  let browser: BrowserContext;
  let site: Site;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'atrous-cam-service-'));
    const resolveDir = root;
    // as docs/engines.md says: all that is imported later in the one file
    await build({
      stdin: { contents: script('./dist/index.js'), resolveDir },
      bundle: true,
      format: 'esm',
      outfile: join(folder, 'one-file.js'),
    });
    writeFileSync(join(folder, 'ordinary.js'), script('/dist/index.js'));
    writeFileSync(join(folder, 'page.html'), '<!doctype html><title>page of a service worker</title>');
    browser = await chromium.launchPersistentContext(join(folder, 'profile'), launchOptions());
    site = await serve({ folders: { '/service/': folder } });
  });
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Registers the script and asks it to explain a picture file, or a tensor of the network's input. */
  async function ask(name: string, what: 'file' | 'tensor'): Promise<Reply> {
    const page = await browser.newPage();
    try {
      await page.goto(`${site.origin}/service/page.html`);
      return await page.evaluate(
        async ({ url, what, options }) => {
          const registration = await navigator.serviceWorker.register(url, { type: 'module' });
          const worker = registration.installing ?? registration.waiting ?? registration.active!;
          const { port1, port2 } = new MessageChannel();
          const answer = new Promise<never>((resolve) => {
            port1.onmessage = ({ data }) => resolve(data);
          });
          const bytes = await (await fetch('/photos/leonberger_abyssinian.jpg')).arrayBuffer();
          const tensor = Float32Array.from({ length: 3 * 224 * 224 }, (_, i) => (((i * 37) % 101) - 50) / 50);
          worker.postMessage({ picture: what === 'file' ? bytes : { tensor }, options }, [port2]);
          const reply = await answer;
          await registration.unregister();
          return reply as Reply;
        },
        { url: `/service/${name}`, what, options },
      );
    } finally {
      await page.close();
    }
  }
  const floats = (sent: Record<string, number>) => Float32Array.from(Object.values(sent));

  it.each(['file', 'tensor'] as const)(
    'explains a %s with the bits of Node, from one file, on one thread',
    async (what) => {
      const { map, logits, threads, ...refused } = await ask('one-file.js', what);
      expect(refused).toEqual({});
      const net = await load(undefined, { kernels: 'simd', threads: 1 });
      const tensor = Float32Array.from({ length: 3 * 224 * 224 }, (_, i) => (((i * 37) % 101) - 50) / 50);
      const picture = what === 'file' ? readFileSync(join(root, 'photos/leonberger_abyssinian.jpg')) : { tensor };
      const expected = await net.explain(picture, options);
      net.dispose();
      expect(threads).toBe(1);
      expect([bits(floats(logits)), bits(floats(map))]).toEqual([bits(expected.logits), bits(expected.map.data)]);
    },
  );

  it('is told what to do where the library would load a part of itself later', async () => {
    expect(await ask('ordinary.js', 'file')).toEqual({
      name: 'AtrousCamError',
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/no import\(\) while it runs.*service worker.*dynamic imports inlined/),
    });
  });
});
