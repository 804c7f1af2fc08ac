import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { badServer, sendFile } from '../support/bad-server.js';
import { fixturePath } from '../support/references.js';
import { type Browser, serve, startBrowser } from './harness.js';

const content = new Uint8Array(readFileSync(fixturePath('formats/micro-vgg16.onnx')));
const entry = {
  name: 'mine',
  file: 'mine.onnx',
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
};
const headers = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': '*',
  'Access-Control-Expose-Headers': '*',
};

describe.each(['page', 'worker'] as const)('pullWeights in Chromium, in a %s', (where) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.[Symbol.asyncDispose]());

  /** One download from a server with these answers, in an origin without files. */
  async function pull(answer: Parameters<typeof badServer>[0], more: object = {}) {
    await using site = await serve();
    await using server = await badServer((request, response, attempt) => {
      if (request.method === 'OPTIONS') response.writeHead(204, headers).end();
      else answer(request, response, attempt);
    });
    const argument = { library: '/dist/index.js', entry, url: server.url, ...more };
    const result = await browser.run(site, 'pull', argument, { where });
    return { result, seen: server.seen.filter(({ range }) => range) };
  }

  test("keeps the file in the origin's own file system, where load finds it by name", async () => {
    const { result } = await pull((q, r) => sendFile(content, q, r, { headers }), { copyTo: 'vgg16-onnx' });
    const files = { 'mine.onnx': content.length, 'vgg16-12.onnx': content.length };
    expect(result).toEqual({ files, parameters: 49_626 });
  });

  test('goes on with what is there', async () => {
    const part = { bytes: Array.from(content.subarray(0, 70_000)), validator: '"1"' };
    const { result, seen } = await pull((q, r) => sendFile(content, q, r, { headers }), { part });
    expect(result).toEqual({ files: { 'mine.onnx': content.length } });
    expect(seen[0]).toMatchObject({ range: 'bytes=70000-', ifRange: '"1"' });
  });

  test('removes a file with one wrong byte', async () => {
    const wrong = content.map((byte, i) => (i === 99_999 ? byte ^ 1 : byte));
    const { result } = await pull((q, r) => sendFile(wrong, q, r, { headers }));
    expect(result).toMatchObject({ error: { code: 'DOWNLOAD_FAILED', message: /not the published file/ }, files: {} });
  });

  test('says what it cannot fetch, and keeps what has come', async () => {
    const { result } = await pull((q, r, attempt) =>
      attempt < 3 ? sendFile(content, q, r, { headers, most: 50_000 }) : r.destroy(),
    );
    expect(result).toMatchObject({ error: { code: 'DOWNLOAD_FAILED', message: /2 times in a row/ } });
    expect(Object.keys((result as { files: object }).files).sort()).toEqual(['mine.onnx.part', 'mine.onnx.part.json']);
  });
});
