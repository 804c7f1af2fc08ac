import { AtrousCamError, throwIfAborted } from '../base/errors.js';
import { checkOptions, type Names } from '../base/options.js';
import { didYouMean } from '../base/suggest.js';
import { checksums } from './checksum.js';
import { type DownloadStore, downloadStore } from './download-store.js';
import { type ManifestEntry, manifest, manifestEntry } from './manifest.js';
import { type ByteSource, quote } from './source.js';

/** Where published weights come from and go to. */
export interface PullOptions {
  /** Another address of the same file; size and checksum are checked all the same. */
  url?: string;
  /** Node: another folder than the cache. */
  folder?: string;
  /** Ends the call with the error ABORTED; what was downloaded is kept for the next one. */
  signal?: AbortSignal;
  /** Called as bytes arrive and are checked. */
  onProgress?: (progress: PullProgress) => void;
  /** Milliseconds without a byte after which the connection is given up and taken up again; 30,000 by default. */
  stallTimeout?: number;
  /** Attempts in a row that bring no byte before it is given up; 6 by default. */
  retries?: number;
  /**
   * Milliseconds; 1,000 by default. After the n-th attempt in a row that brought no byte (n is 0 after one that brought
   * some) the download waits 2^n times as long, less up to half of it by chance: 1 to 2 s before the first retry, then 2
   * to 4 s ... up to a minute.
   */
  retryDelay?: number;
}

/** How far a download, or the check after it, has come. */
export interface PullProgress {
  stage: 'download' | 'verify';
  bytes: number;
  /** As far as it is known. */
  total?: number;
}

/** A file of published weights on this machine. */
export interface Pulled {
  /** Node: its path. A browser: its name in the origin's own file system. Either way `load(name)` finds it. */
  path: string;
  bytes: number;
  /** Whether it was there already. */
  cached: boolean;
}

const NAMES: Names<PullOptions> = {
  ...{ url: 1, folder: 1, signal: 1, onProgress: 1, stallTimeout: 1, retries: 1, retryDelay: 1 },
};

/** Downloads published weights by name, or those that the entry describes; see src/weights/published.ts. */
export async function pullWeights(weights: string | ManifestEntry, options: PullOptions = {}): Promise<Pulled> {
  checkOptions('pullWeights', options, NAMES);
  const entry = typeof weights === 'string' ? requiredEntry(weights) : checkedEntry(weights);
  throwIfAborted(options.signal);
  const store = await downloadStore(entry.file, options.folder);
  const release = await store.lock();
  if (!release) throw failure(entry, `${quote(store.path)} is being downloaded by another process; wait for it`);
  try {
    return await new Download(entry, store, options).run();
  } finally {
    await release();
  }
}

/** The entry of a name. Throws BAD_ARGUMENT for an unknown one. */
function requiredEntry(name: string): ManifestEntry {
  const entry = manifestEntry(name);
  if (entry) return entry;
  const names = manifest.map((known) => known.name);
  throw new AtrousCamError(
    'BAD_ARGUMENT',
    `weights ${quote(name)}: expected one of ${names.join(', ')}${didYouMean(name, names)}`,
  );
}

export { checksums } from './checksum.js';
export { manifest, manifestEntry } from './manifest.js';

/** Whether a file's size and checksum are those that are published. */
export function matches(
  { bytes, sha256, md5 }: Pick<ManifestEntry, 'bytes' | 'sha256' | 'md5'>,
  found: { bytes: number; sha256?: string; md5?: string },
): boolean {
  const right = sha256 ? found.sha256?.startsWith(sha256) : found.md5 === md5;
  return right === true && (bytes ?? found.bytes) === found.bytes;
}

/** An entry of the caller's own. Its file's name must stay inside the folder, and something must tell whether it is the right one. */
function checkedEntry(entry: ManifestEntry): ManifestEntry {
  const bad = (message: string) =>
    new AtrousCamError('BAD_ARGUMENT', `weights ${quote(String(entry.name))}: ${message}`);
  if (!/^\w[\w.-]{0,99}$/.test(entry.file))
    throw bad(`expected a file name of letters, digits, ".", "-" and "_", got ${quote(String(entry.file))}`);
  if (!/^[0-9a-f]{8,64}$/.test(entry.sha256 ?? '') && !/^[0-9a-f]{32}$/.test(entry.md5 ?? ''))
    throw bad('expected a SHA-256 or MD5 in lower-case hexadecimal');
  return entry;
}

const failure = (entry: ManifestEntry, message: string, options?: ErrorOptions): AtrousCamError =>
  new AtrousCamError('DOWNLOAD_FAILED', `weights ${quote(entry.name)}: ${message}`, options);

/** A connection that broke or a server in trouble: worth another attempt. */
class Interrupted extends Error {
  constructor(
    message: string,
    /** Milliseconds that the server asks to wait. */
    readonly wait = 0,
  ) {
    super(message);
  }
}

/** However little each brings. */
const maxAttempts = 1000;
const maxWait = 60_000;

class Download {
  readonly #urls: string[];
  readonly #retries: number;
  readonly #retryDelay: number;
  readonly #stallTimeout: number;
  #bytes = 0;
  #total: number | undefined;

  constructor(
    readonly entry: ManifestEntry,
    readonly store: DownloadStore,
    readonly options: PullOptions,
  ) {
    this.#urls = options.url ? [options.url] : [...entry.urls];
    this.#retries = options.retries ?? 6;
    this.#retryDelay = options.retryDelay ?? 1000;
    this.#stallTimeout = options.stallTimeout ?? 30_000;
    this.#total = entry.bytes;
  }

  async run(): Promise<Pulled> {
    const { entry, store } = this;
    const present = await store.open();
    if (present) {
      const difference = await this.#difference(present);
      if (!difference) return { path: store.path, bytes: present.size, cached: true };
    }
    await this.#fetchWhole();
    const part = await store.openPart();
    const difference = await this.#difference(part);
    if (difference) {
      await store.removePart();
      throw failure(entry, `what ${this.#urls[0]} sent is not the published file: ${difference}; it was removed`);
    }
    await store.finish();
    return { path: store.path, bytes: part.size, cached: false };
  }

  /** What is wrong with a file that should be the published one; undefined where nothing is. */
  async #difference(source: ByteSource): Promise<string | undefined> {
    const { entry, options } = this;
    const { size } = source;
    try {
      if (entry.bytes !== undefined && size !== entry.bytes) return `expected ${entry.bytes} bytes, got ${size}`;
      const kind = entry.sha256 ? 'sha256' : 'md5';
      const sums = await checksums(source, [kind], {
        signal: options.signal,
        onProgress: (done) => options.onProgress?.({ stage: 'verify', bytes: Math.round(done * size), total: size }),
      });
      return matches(entry, { bytes: size, ...sums })
        ? undefined
        : `expected ${kind} ${entry[kind]}, got ${sums[kind]}`;
    } finally {
      source.close();
    }
  }

  /** Attempts until the whole file is there. Only those that bring nothing are counted. */
  async #fetchWhole(): Promise<void> {
    let idle = 0;
    const entryUrls = this.#urls.length;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const before = this.#bytes;
      try {
        if (await this.#fetchOnce()) return;
        if (++idle >= this.#retries + entryUrls)
          throw failure(this.entry, `${this.#urls[0]}: the server's answers make no sense`);
      } catch (error) {
        throwIfAborted(this.options.signal);
        if (!(error instanceof Interrupted)) throw error;
        idle = this.#bytes > before ? 0 : idle + 1;
        if (idle >= this.#retries)
          throw failure(
            this.entry,
            `${this.#urls[0]}: ${error.message}, ${idle} times in a row; run it again, ${this.#bytes} bytes are kept`,
            { cause: error },
          );
        await this.#pause(
          Math.min(maxWait, Math.max(error.wait, this.#retryDelay * 2 ** idle * (0.5 + Math.random() / 2))),
        );
      }
    }
    throw failure(this.entry, `${this.#urls[0]}: the connection breaks all the time`);
  }

  /** One request, from where the last one ended; whether the file is whole now. */
  async #fetchOnce(): Promise<boolean> {
    const [url] = this.#urls;
    const state = await this.store.state();
    const known = state?.url === url && state.validator ? state : undefined;
    const have = known ? await this.#sizeOfPart() : 0;
    if (have > 0 && have === this.entry.bytes) return true; // ended before it was checked
    const connection = new AbortController();
    const stop = () => connection.abort();
    this.options.signal?.addEventListener('abort', stop);
    try {
      const response = await this.#request(url, have, known?.validator, connection);
      if (!response) return false; // the next address, or from the start
      if (response === 'whole') return true;
      const resumed = response.status === 206;
      const writer = await this.store.append({ url, validator: validatorOf(response) }, resumed);
      try {
        this.#bytes = writer.size;
        this.#report();
        await this.#receive(response, writer.write, connection);
      } finally {
        await writer.close();
      }
    } finally {
      this.options.signal?.removeEventListener('abort', stop);
      connection.abort();
    }
    return true;
  }

  async #sizeOfPart(): Promise<number> {
    const part = await this.store.openPart().catch(() => undefined);
    part?.close();
    return part?.size ?? 0;
  }

  /** The server's answer once it may be a part of the right file; undefined where another request must be made. */
  async #request(
    url: string,
    have: number,
    validator: string | undefined,
    connection: AbortController,
  ): Promise<Response | 'whole' | undefined> {
    const headers: Record<string, string> = { 'Accept-Encoding': 'identity' };
    if (have > 0) Object.assign(headers, { Range: `bytes=${have}-`, 'If-Range': validator });
    const response = await this.#patiently(fetch(url, { headers, signal: connection.signal }), connection);
    const { status } = response;
    if (status === 416 && response.headers.get('content-range') === `bytes */${have}`) return 'whole';
    if (status === 416 || (status === 206 && !this.#continues(response, have, validator))) {
      await this.store.removePart(); // there is more than the file has, or the file has changed
      this.#bytes = 0;
      return undefined;
    }
    if (status === 408 || status === 429 || status >= 500)
      throw new Interrupted(`the server answers ${status}`, retryAfter(response));
    if (status !== 200 && status !== 206) {
      if (this.#urls.length > 1) {
        this.#urls.shift();
        return undefined;
      }
      throw failure(this.entry, `${url}: the server answers ${status}`);
    }
    this.#checkOffer(url, response, status === 206 ? have : 0);
    return response;
  }

  /** Whether a 206 goes on where we are, in the same file. */
  #continues(response: Response, have: number, validator: string | undefined): boolean {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    const now = validatorOf(response);
    const sameFile = now === undefined || now === validator;
    return have > 0 && range !== null && Number(range[1]) === have && sameFile;
  }

  /** Refuses what cannot be the file before any of it is written. */
  #checkOffer(url: string, response: Response, have: number): void {
    const { headers } = response;
    if (url.startsWith('https:') && response.url.startsWith('http:'))
      throw failure(this.entry, `${url}: the server leads to an unprotected address, ${response.url}`);
    if (/^text\/html/i.test(headers.get('content-type') ?? ''))
      throw failure(this.entry, `${url}: expected the file, got an HTML page; a proxy or a login may be in between`);
    if (!/^(identity)?$/i.test(headers.get('content-encoding') ?? ''))
      throw failure(
        this.entry,
        `${url}: expected the file as it is, got it packed as ${headers.get('content-encoding')}`,
      );
    const length = headers.get('content-length');
    const total = length === null ? undefined : have + Number(length);
    if (this.entry.bytes !== undefined && total !== undefined && total !== this.entry.bytes)
      throw failure(this.entry, `${url}: expected ${this.entry.bytes} bytes, the server offers ${total}`);
    this.#total = this.entry.bytes ?? total;
  }

  async #receive(
    response: Response,
    write: (bytes: Uint8Array) => Promise<void>,
    connection: AbortController,
  ): Promise<void> {
    await this.#checkSpace();
    const reader = response.body!.getReader();
    for (;;) {
      const { done, value } = await this.#patiently(reader.read(), connection);
      throwIfAborted(this.options.signal);
      if (done) break;
      if (this.#total !== undefined && this.#bytes + value.length > this.#total)
        throw failure(this.entry, `${this.#urls[0]}: expected ${this.#total} bytes, the server sends more`);
      await write(value);
      this.#bytes += value.length;
      this.#report();
    }
    if (this.#total !== undefined && this.#bytes < this.#total)
      throw new Interrupted(`the connection ended after ${this.#bytes} of ${this.#total} bytes`);
  }

  async #checkSpace(): Promise<void> {
    const free = await this.store.free().catch(() => undefined);
    const needed = (this.#total ?? 0) - this.#bytes;
    if (free !== undefined && needed > free)
      throw failure(this.entry, `${quote(this.store.path)}: needs ${needed} more bytes, ${free} are free there`);
  }

  /** What the network gives, or Interrupted where it fails or gives nothing for too long. */
  async #patiently<T>(wait: Promise<T>, connection: AbortController): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stalled = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Interrupted(`nothing came for ${this.#stallTimeout / 1000} s`));
        connection.abort();
      }, this.#stallTimeout);
    });
    try {
      return await Promise.race([wait, stalled]);
    } catch (error) {
      throwIfAborted(this.options.signal);
      if (error instanceof Interrupted) throw error;
      const { message, cause } = error as Error;
      const detail = (cause as NodeJS.ErrnoException | undefined)?.code ?? (cause as Error | undefined)?.message;
      throw new Interrupted(`cannot be fetched (${message}${detail ? `: ${detail}` : ''})`);
    } finally {
      clearTimeout(timer);
    }
  }

  async #pause(milliseconds: number): Promise<void> {
    const { signal } = this.options;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, milliseconds);
      function done() {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      }
      signal?.addEventListener('abort', done);
    });
    throwIfAborted(signal);
  }

  #report(): void {
    this.options.onProgress?.({ stage: 'download', bytes: this.#bytes, total: this.#total });
  }
}

/** What tells one version of a file from another: a strong ETag, or the time of the last change. */
function validatorOf({ headers }: Response): string | undefined {
  const tag = headers.get('etag');
  return (tag && !tag.startsWith('W/') ? tag : headers.get('last-modified')) ?? undefined;
}

/** Milliseconds that Retry-After asks for, in seconds or as a date. */
function retryAfter({ headers }: Response): number {
  const value = headers.get('retry-after') ?? '';
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return seconds > 0 ? Math.min(maxWait, 1000 * seconds) : 0;
}
