import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { start } from './command.js';

/** Starts `atrous-cam serve`; resolves when the address is printed. */
async function serving(...args: string[]) {
  const { child, result, finished } = start(['serve', ...args]);
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve());
    finished.then(({ stderr }) => reject(new Error(stderr)));
  });
  const [origin] = /http:\/\/127\.0\.0\.1:\d+/.exec(result.stdout)!;
  return { origin, child, finished };
}

/** The status of a request whose path is sent as it is written. */
const statusOf = (origin: string, path: string, method = 'GET') =>
  new Promise<number>((resolve, reject) => {
    const socket = connect(Number(new URL(origin).port), '127.0.0.1', () =>
      socket.write(`${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    );
    let text = '';
    socket.setEncoding('latin1').on('data', (part) => {
      text += part;
    });
    socket.on('error', reject).on('close', () => resolve(Number(text.split(' ')[1])));
  });

test('serve: the page and its files, and nothing else, until Ctrl-C', async () => {
  const { origin, child, finished } = await serving();
  const page = await fetch(origin);
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(page.headers.get('cross-origin-opener-policy')).toBe('same-origin');
  expect(page.headers.get('cross-origin-embedder-policy')).toBe('require-corp');
  expect(page.headers.get('cross-origin-resource-policy')).toBe('same-origin');
  expect(page.headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval';/,
  );
  expect(page.headers.get('x-content-type-options')).toBe('nosniff');
  const html = await page.text();
  const files = [...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, path]) => path);
  expect(files.map((path) => path.replace(/.*\./, '')).sort()).toEqual(['css', 'js', 'svg']);
  const types: Record<string, string> = {
    js: 'text/javascript; charset=utf-8',
    css: 'text/css; charset=utf-8',
    svg: 'image/svg+xml',
  };
  for (const path of files) {
    const { status, headers } = await fetch(`${origin}/${path}`, { method: 'HEAD' });
    expect([status, headers.get('content-type')]).toEqual([200, types[path.replace(/.*\./, '')]]);
  }
  for (const path of [
    '/../cli.js',
    '/%2e%2e/cli.js',
    '/..%2fcli.js',
    '/assets',
    '/assets/',
    '/nothing',
    '/%',
    '/%00',
    '/a/../../cli.js',
  ])
    expect([path, await statusOf(origin, path)]).toEqual([path, 404]);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) expect(await statusOf(origin, '/', method)).toBe(405);
  child.kill('SIGINT');
  const { code, stderr } = await finished;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('serve: a port that is taken', async () => {
  const other = createServer();
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
  const { port } = other.address() as AddressInfo;
  try {
    const refused = await start(['serve', '--port', String(port)]).finished;
    expect(refused.code).toBe(1);
    expect(refused.stderr).toBe(`atrous-cam: serve: port ${port} is taken; choose another, or leave --port out\n`);
  } finally {
    other.close();
  }
  const [one, two] = [await serving(), await serving()];
  expect(two.origin).not.toBe(one.origin);
  for (const { child } of [one, two]) child.kill('SIGTERM');
  for (const { finished } of [one, two]) expect((await finished).code).toBe(0);
});

test.each(['0', '65536', 'x', '-1'])('serve: --port %s is refused with 2', async (port) => {
  const { code, stderr } = await start(['serve', `--port=${port}`]).finished;
  expect(code).toBe(2);
  expect(stderr).toContain(`atrous-cam: --port: expected a number from 1 to 65535, got "${port}"`);
});
