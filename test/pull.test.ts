import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { inspect, publishedWeights, pullWeights, verifyWeights } from '../src/index.js';
import { cacheFolder } from '../src/weights/cache.js';
import { type ManifestEntry, manifest } from '../src/weights/manifest.js';
import { matches, type PullOptions, type PullProgress } from '../src/weights/pull.js';
import { badServer, sendFile } from './support/bad-server.js';
import { randomFloats } from './support/random.js';
import { fixturePath } from './support/references.js';
import { expectRefused } from './support/weight-files.js';

const content = new Uint8Array(randomFloats(50_000, 1).buffer); // 200 kB
const hash = (kind: string, bytes: Uint8Array) => createHash(kind).update(bytes).digest('hex');
const entry: ManifestEntry = {
  name: 'test',
  title: 'test',
  file: 'test.bin',
  urls: [],
  bytes: content.length,
  sha256: hash('sha256', content),
  licence: 'none',
  preprocessing: { normalization: 'torch', resize: 'nearest', fit: 'squash' },
};
const root = mkdtempSync(join(tmpdir(), 'pull-'));
afterAll(() => rmSync(root, { recursive: true }));
let folder: string;
let count = 0;
beforeEach(() => {
  folder = join(root, `${count++}`);
});
const files = () => (existsSync(folder) ? readdirSync(folder).sort() : []);

async function server(...[answer]: Parameters<typeof badServer>) {
  const started = await badServer(answer);
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}
const pull = (url: string, options: PullOptions = {}, about: Partial<ManifestEntry> = {}) =>
  pullWeights({ ...entry, ...about }, { url, folder, retryDelay: 1, stallTimeout: 500, ...options });

/** The whole file is there, and nothing else. */
function expectWhole() {
  expect(files()).toEqual(['test.bin']);
  expect(hash('sha256', readFileSync(join(folder, 'test.bin')))).toBe(entry.sha256);
}

describe('a download', () => {
  test('is written, checked and named; a second one finds it', async () => {
    const { url, seen } = await server((request, response) => sendFile(content, request, response));
    const progress: PullProgress[] = [];
    const path = join(folder, 'test.bin');
    expect(await pull(url, { onProgress: (p) => progress.push(p) })).toEqual({ path, bytes: 200_000, cached: false });
    expectWhole();
    expect(progress[0]).toEqual({ stage: 'download', bytes: 0, total: 200_000 });
    expect(progress.at(-1)).toEqual({ stage: 'verify', bytes: 200_000, total: 200_000 });
    expect(await pull(url)).toEqual({ path, bytes: 200_000, cached: true });
    expect(seen).toHaveLength(1);
  });

  test('by MD5, or the first digits of SHA-256, where no more is published', async () => {
    const { url } = await server((request, response) => sendFile(content, request, response));
    await pull(url, {}, { sha256: undefined, md5: hash('md5', content), bytes: undefined });
    rmSync(folder, { recursive: true });
    await pull(url, {}, { sha256: entry.sha256!.slice(0, 8) });
    rmSync(folder, { recursive: true });
    const wrong = { sha256: undefined, md5: hash('md5', content.subarray(1)) };
    await expectRefused(() => pull(url, {}, wrong), 'DOWNLOAD_FAILED', /expected md5 .* got .*it was removed/);
    expect(files()).toEqual([]);
  });

  test('cut off again and again, goes on where it ended', async () => {
    const { url, seen } = await server((request, response) => sendFile(content, request, response, { most: 30_000 }));
    await pull(url, { retries: 5 }); // fewer than it is cut: those that bring something do not count
    expectWhole();
    expect(seen.at(-1)).toMatchObject({ range: expect.stringMatching(/^bytes=1[789]\d{4}-$/), ifRange: '"1"' });
    expect(seen.length).toBeGreaterThan(6);
  });

  test('goes on in another process, and from a file that was whole but never checked', async () => {
    const site = await server((request, response) => sendFile(content, request, response, { most: 50_000 }));
    const stopped = pull(site.url, { retries: 1, signal: AbortSignal.timeout(300), stallTimeout: 10_000 });
    site.answer = (request, response) => sendFile(content, request, response, { most: 20_000, stall: true });
    await expectRefused(() => stopped, 'ABORTED', 'stopped');
    expect(files()).toEqual(['test.bin.part', 'test.bin.part.json']);
    const have = readFileSync(join(folder, 'test.bin.part')).length;
    expect(have).toBeGreaterThan(0);
    site.answer = (request, response) => sendFile(content, request, response);
    await pull(site.url);
    expectWhole();
    expect(site.seen.at(-1)!.range).toBe(`bytes=${have}-`);
    rmSync(join(folder, 'test.bin'));
    for (const bytes of [content.length, undefined]) {
      const requests = site.seen.length;
      writeFileSync(join(folder, 'test.bin.part'), content);
      writeFileSync(join(folder, 'test.bin.part.json'), JSON.stringify({ url: site.url, validator: '"1"' }));
      await pull(site.url, {}, { bytes });
      expectWhole();
      expect(site.seen.length - requests).toBe(bytes === undefined ? 1 : 0);
      rmSync(join(folder, 'test.bin'));
    }
  });

  test('that stalls is taken up again', async () => {
    const { url, seen } = await server((request, response, attempt) =>
      sendFile(content, request, response, attempt < 3 ? { most: 60_000, stall: true } : {}),
    );
    await pull(url, { stallTimeout: 100 });
    expectWhole();
    expect(seen).toHaveLength(3);
  });

  test('from a server that ignores Range begins again', async () => {
    const { url, seen } = await server((request, response, attempt) => {
      delete request.headers.range;
      sendFile(content, request, response, attempt < 3 ? { most: 90_000 } : {});
    });
    await pull(url);
    expectWhole();
    expect(seen[1].range).toMatch(/^bytes=\d+-$/);
  });

  test.each([true, false])('of a file that changes in between begins again; If-Range heeded: %s', async (heeded) => {
    const old = content.map((byte) => byte ^ 255);
    const { url } = await server((request, response, attempt) => {
      if (!heeded) delete request.headers['if-range'];
      if (attempt === 1) sendFile(old, request, response, { etag: '"0"', most: 90_000 });
      else sendFile(content, request, response, { etag: '"1"' });
    });
    await pull(url);
    expectWhole();
  });

  test('follows redirects, with what was there before', async () => {
    const { url, seen } = await server((request, response, attempt) => {
      if (request.url === '/file') response.writeHead(302, { Location: `/signed?${attempt}` }).end();
      else sendFile(content, request, response, attempt < 3 ? { most: 90_000 } : {});
    });
    await pull(url);
    expectWhole();
    expect(seen.map((request) => request.url)).toEqual(['/file', '/signed?1', '/file', '/signed?3']);
    expect(seen[3].range).toMatch(/^bytes=\d+-$/);
  });

  test('tries again when the server is in trouble, and waits as long as it is asked to', async () => {
    const { url, seen } = await server((request, response, attempt) => {
      if (attempt === 1) response.writeHead(503, { 'Retry-After': '1' }).end();
      else if (attempt === 2) response.destroy();
      else sendFile(content, request, response);
    });
    const start = performance.now();
    await pull(url);
    expectWhole();
    expect(seen).toHaveLength(3);
    expect(performance.now() - start).toBeGreaterThan(990);
  });

  test('takes the next address where one is gone', async () => {
    const { url } = await server((request, response) => {
      if (request.url === '/gone') response.writeHead(404).end();
      else sendFile(content, request, response);
    });
    const urls = [url.replace('/file', '/gone'), url];
    await pullWeights({ ...entry, urls }, { folder, retryDelay: 1 });
    expectWhole();
  });

  test('stops when it is told to, while no byte comes, and keeps what is there', async () => {
    const { url } = await server((request, response) =>
      sendFile(content, request, response, { most: 60_000, stall: true }),
    );
    const controller = new AbortController();
    const stopped = pull(url, {
      signal: controller.signal,
      stallTimeout: 2 ** 30, // so that nothing else ends it
      onProgress: ({ bytes }) => {
        if (bytes === 60_000) setTimeout(() => controller.abort(), 20);
      },
    });
    await expectRefused(() => stopped, 'ABORTED', 'stopped');
    expect(files()).toEqual(['test.bin.part', 'test.bin.part.json']);
  });
});

describe('refused', () => {
  const cases: [string, Parameters<typeof badServer>[0], RegExp, number][] = [
    [
      'one wrong byte',
      (q, r) =>
        sendFile(
          content.map((b, i) => (i === 77_777 ? b ^ 1 : b)),
          q,
          r,
        ),
      /not the published file: expected sha256.*removed/,
      1,
    ],
    [
      'a page',
      (q, r) => sendFile(Buffer.from('<!doctype html>'), q, r, { headers: { 'Content-Type': 'text/html' } }),
      /got an HTML page/,
      1,
    ],
    [
      'a shorter file',
      (q, r) => sendFile(content.subarray(1), q, r),
      /expected 200000 bytes, the server offers 199999/,
      1,
    ],
    ['a longer file', (q, r) => sendFile(Buffer.concat([content, content]), q, r), /the server offers 400000/, 1],
    [
      'a packed answer',
      (q, r) => sendFile(content, q, r, { headers: { 'Content-Encoding': 'gzip' } }),
      /got it packed as gzip/,
      1,
    ],
    ['a missing file', (_, r) => r.writeHead(404).end(), /the server answers 404/, 1],
    ['a server that always breaks', (_, r) => r.destroy(), /cannot be fetched.*, 3 times in a row/, 3],
    ['a server that is always busy', (_, r) => r.writeHead(500).end(), /the server answers 500, 3 times in a row/, 3],
    [
      'ranges that were not asked for',
      (_, r) => r.writeHead(206, { 'Content-Range': 'bytes 5-9/10' }).end('abcde'),
      /answers make no sense/,
      4,
    ],
  ];
  test.each(cases)('%s', async (_, answer, message, requests) => {
    const { url, seen } = await server(answer);
    await expectRefused(() => pull(url, { retries: 3 }), 'DOWNLOAD_FAILED', message);
    expect(seen).toHaveLength(requests);
    expect(files().filter((file) => file === 'test.bin' || file.endsWith('.lock'))).toEqual([]);
  });

  test('more bytes than it said, without a length', async () => {
    const { url } = await server((_, response) => {
      response.writeHead(200, { ETag: '"1"' });
      response.end(Buffer.concat([content, content]));
    });
    await expectRefused(() => pull(url), 'DOWNLOAD_FAILED', 'expected 200000 bytes, the server sends more');
  });

  test('an address where nobody listens', async () => {
    await expectRefused(() => pull('http://127.0.0.1:1/', { retries: 2 }), 'DOWNLOAD_FAILED', /ECONNREFUSED|bad port/);
  });

  test('a wrong file is never put in the place of the right one', async () => {
    const { url } = await server((request, response) => sendFile(content, request, response));
    await pull(url);
    const other = await server((request, response) =>
      sendFile(
        content.map((b) => b ^ 1),
        request,
        response,
      ),
    );
    const { path } = await pull(other.url); // it is right, so nothing is asked for
    expect(other.seen).toEqual([]);
    expect(path).toBe(join(folder, 'test.bin'));
  });

  test('a folder that cannot be made', async () => {
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, 'file'), '');
    const { url } = await server((request, response) => sendFile(content, request, response));
    await expectRefused(
      () => pull(url, { folder: join(root, 'file', 'cache') }),
      'DOWNLOAD_FAILED',
      /a part of the path is a file; name another folder in ATROUS_CAM_CACHE/,
    );
  });

  test('a full disk keeps what is there', async () => {
    const { url } = await server((request, response) => sendFile(content, request, response));
    await expectRefused(() => pull(url, { folder: '/dev/full' }), 'DOWNLOAD_FAILED', 'cannot be written');
    const needs = { bytes: 2 ** 50, sha256: entry.sha256 };
    const large = await server((request, response) => sendFile(content, request, response, { length: 2 ** 50 }));
    await expectRefused(
      () => pull(large.url, {}, needs),
      'DOWNLOAD_FAILED',
      /needs 1125899906842624 more bytes, \d+ are free/,
    );
  });
});

describe('the lock', () => {
  test('lets one download at a time happen', async () => {
    const { url, seen } = await server((request, response) => sendFile(content, request, response));
    const results = await Promise.allSettled([pull(url), pull(url), pull(url)]);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results)
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'DOWNLOAD_FAILED', message: /by another process; wait for it/ });
    expect(seen).toHaveLength(1);
    expectWhole();
  });

  test('of a process that is gone is taken away, that of a living one is not', async () => {
    const { url } = await server((request, response) => sendFile(content, request, response));
    mkdirSync(folder, { recursive: true });
    const lock = join(folder, 'test.bin.lock');
    writeFileSync(lock, `elsewhere 1`);
    await expectRefused(() => pull(url), 'DOWNLOAD_FAILED', 'another process');
    writeFileSync(lock, `${hostname()} ${process.ppid}`);
    await expectRefused(() => pull(url), 'DOWNLOAD_FAILED', 'another process');
    writeFileSync(lock, `${hostname()} 4194999`);
    await pull(url);
    expectWhole();
  });
});

describe('published weights', () => {
  const keep = { ...process.env };
  beforeEach(() => {
    process.env.ATROUS_CAM_CACHE = folder;
    return () => {
      process.env = { ...keep };
    };
  });

  test('have names and files of their own, secure addresses and a checksum', () => {
    expect(new Set(manifest.map(({ name }) => name)).size).toBe(manifest.length);
    expect(new Set(manifest.map(({ file }) => file)).size).toBe(manifest.length);
    for (const { name, file, urls, source, sha256, md5, bytes } of manifest) {
      expect(source).toMatch(/^https:\/\//);
      expect(name).toMatch(/^[a-z0-9-]+$/);
      expect(file).toMatch(/^[\w.-]+$/);
      for (const url of urls) expect(url).toMatch(/^https:\/\//);
      expect(sha256 ?? md5).toMatch(sha256 ? /^([0-9a-f]{8}|[0-9a-f]{64})$/ : /^[0-9a-f]{32}$/);
      if (bytes !== undefined) expect(bytes).toBeGreaterThan(50e6);
    }
  });

  test('are loaded by name from the cache, and never downloaded by that', async () => {
    await expectRefused(
      () => inspect('vgg16-onnx'),
      'NOT_FOUND',
      'weights "vgg16-onnx": not downloaded yet; run `atrous-cam weights pull vgg16-onnx` or pullWeights(\'vgg16-onnx\') once',
    );
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'vgg16-12.onnx'), readFileSync(fixturePath('formats/micro-vgg16.onnx')));
    const { source, parameters } = await inspect('vgg16-onnx');
    expect([source, parameters]).toEqual([join(folder, 'vgg16-12.onnx'), 49_626]);
    const here = (await publishedWeights()).filter(({ path }) => path !== undefined);
    expect(here.map(({ name }) => name)).toEqual(['vgg16-onnx']);
    await expectRefused(() => verifyWeights('vgg16-onnx'), 'BAD_WEIGHTS', /is not the published file, whose SHA-256/);
    for (const file of ['../x', '.x', 'a/b', '', 'C:x'])
      await expectRefused(() => pullWeights({ ...entry, file }), 'BAD_ARGUMENT', 'expected a file name of letters');
    await expectRefused(
      () => pullWeights({ ...entry, sha256: undefined }),
      'BAD_ARGUMENT',
      'expected a SHA-256 or MD5',
    );
    await expectRefused(() => pullWeights('vgg-16'), 'BAD_ARGUMENT', /expected one of vgg16, .*did you mean "vgg16"/);
  });

  test('a file is verified from its first to its last byte', async () => {
    const path = fixturePath('formats/micro-vgg16.onnx');
    expect(await verifyWeights(path)).toEqual({
      source: path,
      bytes: 201_596,
      sha256: hash('sha256', readFileSync(path)),
      md5: hash('md5', readFileSync(path)),
      parameters: 49_626,
      published: undefined,
    });
    expect(matches(entry, { bytes: 200_000, sha256: entry.sha256 })).toBe(true);
    expect(matches(entry, { bytes: 200_001, sha256: entry.sha256 })).toBe(false);
  });

  test("lie in the platform's folder", async () => {
    delete process.env.ATROUS_CAM_CACHE;
    process.env.XDG_CACHE_HOME = '/caches';
    if (process.platform === 'linux') {
      expect(await cacheFolder()).toBe('/caches/atrous-cam');
      process.env.XDG_CACHE_HOME = 'relative';
      expect(await cacheFolder()).toMatch(/\/\.cache\/atrous-cam$/);
    }
    process.env.ATROUS_CAM_CACHE = '/mine';
    expect(await cacheFolder()).toBe('/mine');
  });
});
