import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, resolve, sep } from 'node:path';
import { AtrousCamError } from '../index.js';
import type { Context } from './context.js';

export interface ServeFlags {
  port?: number;
}

/** Where the page is served when no port is asked for; the next ones are tried while it is taken. */
const PORT = 8224;
const TRIES = 20;
const HOST = '127.0.0.1';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.jpg': 'image/jpeg',
};

/** The page may use its own files, its own workers and WebAssembly, and nothing else; isolated, so that threads may share memory. */
const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self' blob:",
    "style-src 'self'",
    "img-src 'self' blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
};

/** `atrous-cam serve`: serves the page until it is interrupted. Returns the exit code. */
export async function serveCommand({ port }: ServeFlags, context: Context): Promise<number> {
  if (!context.page) throw new AtrousCamError('NOT_FOUND', 'serve: the page is not part of this build');
  const folder = resolve(context.page);
  const server = createServer((request, response) => void answer(folder, request, response));
  const chosen = await listen(server, port);
  const stopped = new Promise<void>((done) => {
    if (context.signal.aborted) done();
    else context.signal.addEventListener('abort', () => done(), { once: true });
  });
  try {
    await context.print(`Serving the page at http://${HOST}:${chosen}/ (Ctrl-C stops)\n`);
    await stopped;
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
  return 0;
}

/** Listens on the port that was asked for, or else on the first free one from PORT on. */
async function listen(server: Server, wanted?: number): Promise<number> {
  const first = wanted ?? PORT;
  for (let port = first; ; port++) {
    const error = await tryPort(server, port);
    if (!error) return (server.address() as AddressInfo).port;
    const isTaken = error.code === 'EADDRINUSE';
    if (isTaken && wanted === undefined && port < first + TRIES) continue;
    const reason = isTaken ? 'is taken; choose another, or leave --port out' : `cannot be used (${error.message})`;
    throw new AtrousCamError('UNSUPPORTED', `serve: port ${port} ${reason}`);
  }
}

const tryPort = (server: Server, port: number): Promise<NodeJS.ErrnoException | undefined> =>
  new Promise((done) => {
    server.once('error', done);
    server.listen(port, HOST, () => {
      server.off('error', done);
      done(undefined);
    });
  });

async function answer(folder: string, { method, url = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') {
    response.writeHead(405, { ...HEADERS, Allow: 'GET, HEAD' }).end();
    return;
  }
  const file = await locate(folder, url);
  if (!file) {
    response.writeHead(404, { ...HEADERS, 'Content-Type': 'text/plain; charset=utf-8' }).end('Not found\n');
    return;
  }
  const type = TYPES[extname(file.path)] ?? 'application/octet-stream';
  response.writeHead(200, { ...HEADERS, 'Content-Type': type, 'Content-Length': file.size });
  if (method === 'HEAD') response.end();
  else
    createReadStream(file.path)
      .on('error', () => response.destroy())
      .pipe(response);
}

/** The file behind a request's path; undefined where there is none, or where the path leads outside the folder. */
async function locate(folder: string, url: string): Promise<{ path: string; size: number } | undefined> {
  try {
    const name = decodeURIComponent(url.split(/[?#]/, 1)[0]);
    if (name.includes('\0')) return undefined;
    const path = join(folder, name.endsWith('/') ? `${name}index.html` : name);
    if (!path.startsWith(folder + sep)) return undefined;
    const found = await stat(path);
    return found.isFile() ? { path, size: found.size } : undefined;
  } catch {
    return undefined; // not there, or not a path at all
  }
}
