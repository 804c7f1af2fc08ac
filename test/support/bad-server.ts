import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as a test sees it. */
export interface Seen {
  url: string;
  range?: string;
  ifRange?: string;
}

type Answer = (request: IncomingMessage, response: ServerResponse, attempt: number) => void;

/** A server whose answers a test decides. */
export interface BadServer extends AsyncDisposable {
  readonly url: string;
  readonly seen: Seen[];
  answer: Answer;
}

export async function badServer(answer: Answer): Promise<BadServer> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    seen.push({
      url: request.url!,
      range: request.headers.range,
      ifRange: request.headers['if-range'] as string | undefined,
    });
    bad.answer(request, response, seen.length);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const bad: BadServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`,
    seen,
    answer,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  return bad;
}

export interface FileAnswer {
  etag?: string;
  /** Bytes after which the connection is cut or, with `stall`, nothing more comes. */
  most?: number;
  stall?: boolean;
  /** A Content-Length that is not true. */
  length?: number;
  headers?: Record<string, string>;
}

/** Answers as a good server does, with Range and If-Range, or with one of the faults. */
export function sendFile(
  content: Uint8Array,
  request: IncomingMessage,
  response: ServerResponse,
  { etag = '"1"', most, stall, length, headers = {} }: FileAnswer = {},
): void {
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  const from = range && (condition === undefined || condition === etag) ? Number(range[1]) : 0;
  const common = { ETag: etag, 'Accept-Ranges': 'bytes', ...headers };
  if (from > 0 && from >= content.length) {
    response.writeHead(416, { ...common, 'Content-Range': `bytes */${content.length}` }).end();
    return;
  }
  const body = content.subarray(from);
  const span = from > 0 ? { 'Content-Range': `bytes ${from}-${content.length - 1}/${content.length}` } : {};
  response.writeHead(from > 0 ? 206 : 200, { ...common, ...span, 'Content-Length': length ?? body.length });
  if (most === undefined || most >= body.length) response.end(body);
  else
    response.write(body.subarray(0, most), () => {
      if (!stall) setTimeout(() => response.destroy(), 50); // most of what was written has arrived by then
    });
}
