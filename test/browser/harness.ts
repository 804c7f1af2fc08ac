/**
 * Runs modules in a real Chromium, on the page or in a module worker, over a local server. A job is a plain JavaScript module of
 * test/browser/jobs whose default export takes one JSON argument and returns anything structured clone carries: the same
 * function can be called in Node with the same argument, and the two results compared with `bits`.
 */
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Page } from 'playwright-core';
import { launchOptions } from '../../scripts/find-browser.js';

/** The repository's root. */
export const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));

export interface SiteOptions {
  /** Sends COOP and COEP, so that pages are cross-origin isolated and may share memory between threads. */
  isolated?: boolean;
  /** Sends this Content-Security-Policy; `true`: the strictest that the package promises to work under. */
  csp?: boolean | string;
  /** More headers of every answer. */
  headers?: Record<string, string>;
  /** Folders by the path they are served at; beside `/jobs/` and `/pages/`, which are always there. Default: dist and photos. */
  folders?: Record<string, string>;
}

export interface Site extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.jpg': 'image/jpeg',
  '.png': 'image/png',
};
const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const STRICT = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:";

/** Serves the folders on a free port of 127.0.0.1. */
export async function serve(options: SiteOptions = {}): Promise<Site> {
  const {
    '/dist/': dist = join(root, 'dist'),
    '/photos/': photos = join(root, 'photos'),
    ...more
  } = options.folders ?? {};
  const own = { '/jobs/': join(root, 'test/browser/jobs'), '/pages/': join(root, 'test/browser/pages') };
  const folders = { '/dist/': dist, '/photos/': photos, ...more, ...own };
  const { isolated, csp } = options;
  const headers = {
    'Cache-Control': 'no-store',
    ...(isolated && ISOLATION),
    ...(csp && { 'Content-Security-Policy': csp === true ? STRICT : csp }),
    ...options.headers,
  };
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    sendFile(response, locate(path, folders), headers);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => close(server) };
}

/** The file behind a request's path, or undefined where the path leads outside the served folders. */
function locate(path: string, folders: Record<string, string>): string | undefined {
  const prefix = Object.keys(folders).find((start) => path.startsWith(start));
  if (prefix === undefined) return undefined;
  const folder = resolve(folders[prefix]);
  const file = join(folder, path.slice(prefix.length));
  return file.startsWith(folder + sep) && statSync(file, { throwIfNoEntry: false })?.isFile() ? file : undefined;
}

function sendFile(response: ServerResponse, file: string | undefined, headers: Record<string, string>): void {
  if (file === undefined) {
    response.writeHead(404, headers).end();
    return;
  }
  response.writeHead(200, { ...headers, 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' });
  createReadStream(file).pipe(response);
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((done, fail) => server.close((error) => (error ? fail(error) : done())));
}

export interface JobOptions {
  /** Where the module runs; default `worker`. */
  where?: 'page' | 'worker';
  /** Milliseconds after which the job has failed; default a minute. */
  timeout?: number;
}

/** One Chromium; a job gets a fresh page of it. */
export interface Browser extends AsyncDisposable {
  readonly version: string;
  /** Calls `test/browser/jobs/NAME.js` with `argument` (plain JSON) in a page of `site`. Rejects with what the job or the page threw. */
  run<Result>(site: Site, name: string, argument: unknown, options?: JobOptions): Promise<Result>;
  /** An empty page of `site`, for tests that drive it themselves. */
  page(site: Site, path?: string): Promise<Page>;
}

/** Starts Chromium. Close it with `await using` or in `afterAll`. */
export async function startBrowser(): Promise<Browser> {
  const browser = await chromium.launch(launchOptions());
  const page = async (site: Site, path = '/pages/run.html') => {
    const opened = await browser.newPage();
    await opened.goto(site.origin + path);
    return opened;
  };
  return {
    version: browser.version(),
    page,
    async run<Result>(
      site: Site,
      name: string,
      argument: unknown,
      { where = 'worker', timeout = 60_000 }: JobOptions = {},
    ) {
      const opened = await page(site);
      const problems: string[] = [];
      opened.on('pageerror', (error) => problems.push(String(error)));
      opened.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
      try {
        const text = await withTimeout(
          opened.evaluate(runInPage, { url: `/jobs/${name}.js`, argument, where }),
          timeout,
          name,
        );
        return decode(text) as Result;
      } catch (error) {
        throw new Error([`job "${name}" in a ${where}: ${(error as Error).message}`, ...problems].join('\n'), {
          cause: error,
        });
      } finally {
        await opened.close();
      }
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

/** Runs on the page; `pages/run.js` defines `runJob`. */
const runInPage = (call: { url: string; argument: unknown; where: string }): Promise<string> =>
  (globalThis as unknown as { runJob(call: unknown): Promise<string> }).runJob(call);

function withTimeout<Value>(promise: Promise<Value>, milliseconds: number, name: string): Promise<Value> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`"${name}" took longer than ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const ARRAYS = { Float32Array, Float64Array, Uint8Array, Uint8ClampedArray, Int32Array, Uint32Array };

/** The result of a job: JSON in which `pages/run.js` wrote typed arrays as `{ $array: name, base64 }`. */
function decode(text: string): unknown {
  return JSON.parse(text, (_, value) => {
    if (typeof value?.$array !== 'string') return value;
    const bytes = Uint8Array.from(Buffer.from(value.base64, 'base64'));
    return new ARRAYS[value.$array as keyof typeof ARRAYS](bytes.buffer);
  });
}

/**
 * SHA-256 of the bytes: two arrays are equal bit for bit when these are (`toEqual` takes one NaN for another and is
 * slow on large arrays).
 */
export function bits(array: ArrayBufferView): string {
  return createHash('sha256')
    .update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
    .digest('hex');
}
