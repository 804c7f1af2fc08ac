import { AtrousCamError } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { isNode, nodeModule } from '../base/platform.js';

/** One weight file; a string is a path (Node) or a URL. */
export type SingleSource = string | URL | File | Blob | ArrayBuffer | Uint8Array;
/**
 * Where weights come from; nothing stands for the embedded default network. Of networks in several files (an ONNX file and its external
 * data, an index or a `model.json` and its shards) a list of them all; of a path or URL alone those beside it are found.
 */
export type WeightsSource = SingleSource | readonly SingleSource[];

/** A file of which any part can be read, so that nobody has to hold it whole. */
export interface ByteSource {
  /** Where it comes from, for people. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`, which need not be aligned; possibly a view of shared memory that must not be written to.
   * Throws BAD_WEIGHTS where the file ends earlier.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Fills `target`, which may lie in shared memory, with the bytes from `offset` on. */
  fill(offset: number, target: Uint8Array): Promise<void>;
  /** The same at once; absent where the platform has no such call. */
  readonly readInto?: (offset: number, target: Uint8Array) => void;
  /** Where another thread finds the same bytes while this source is open; absent where they have to be sent. */
  readonly place?: SourcePlace;
  close(): void;
}

/** A part of an open file of Node's, a part of a file that each thread opens for itself, or a blob of a browser's. */
export type SourcePlace = { fd: number; offset: number } | { path: string; offset: number } | { blob: Blob };

/** A file that is read at once; `close` where this thread has opened it. */
export type SyncSource = Required<Pick<ByteSource, 'name' | 'size' | 'readInto'>> & { close?(): void };

/** A BAD_WEIGHTS error about the file `source`. */
export const badWeights = (source: string, message: string, options?: ErrorOptions): AtrousCamError =>
  new AtrousCamError('BAD_WEIGHTS', `weights ${quote(source)}: ${message}`, options);

/** A name from a file, fit for a one-line message whatever it contains. */
export const quote = (name: string): string => JSON.stringify(name.length > 120 ? `${name.slice(0, 117)}...` : name);

export function bytesSource(bytes: Uint8Array, name: string): ByteSource {
  const part = (offset: number, length: number) => {
    checkRange(name, bytes.byteLength, offset, length);
    return bytes.subarray(offset, offset + length);
  };
  return {
    name,
    size: bytes.byteLength,
    read: async (offset, length) => part(offset, length),
    fill: async (offset, target) => target.set(part(offset, target.length)),
    readInto: (offset, target) => target.set(part(offset, target.length)),
    close: () => {},
  };
}

/** A part of a file as a file of its own; closing it leaves the whole open. */
export function partSource(whole: ByteSource, offset: number, size: number): ByteSource {
  const { name, readInto, place } = whole;
  const at = (from: number, length: number) => {
    checkRange(name, size, from, length);
    return offset + from;
  };
  return {
    name,
    size,
    read: async (from, length) => whole.read(at(from, length), length),
    fill: async (from, target) => whole.fill(at(from, target.length), target),
    readInto: readInto && ((from, target) => readInto(at(from, target.length), target)),
    place:
      place &&
      ('blob' in place
        ? { blob: place.blob.slice(offset, offset + size) }
        : { ...place, offset: place.offset + offset }),
    close: () => {},
  };
}

/** Only workers of browsers read blobs synchronously. */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

export function blobSource(blob: Blob, name: string): ByteSource {
  const part = (offset: number, length: number) => {
    checkRange(name, blob.size, offset, length);
    return blob.slice(offset, offset + length);
  };
  const read = async (offset: number, length: number) => new Uint8Array(await part(offset, length).arrayBuffer());
  const reader = typeof FileReaderSync === 'function' ? new FileReaderSync() : undefined;
  return {
    name,
    size: blob.size,
    read,
    fill: async (offset, target) => target.set(await read(offset, target.length)),
    readInto:
      reader && ((offset, target) => target.set(new Uint8Array(reader.readAsArrayBuffer(part(offset, target.length))))),
    place: isNode ? undefined : { blob }, // Node reads blobs in no thread at once
    close: () => {},
  };
}

/** A file of Node's file system, kept open until `close()`. */
export async function fileSource(path: string): Promise<ByteSource> {
  const fs = await nodeModule('fs');
  const stat = await fs.promises.stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw notFound(path, cause);
  });
  if (!stat.isFile())
    throw new AtrousCamError(
      'NOT_FOUND',
      `weights ${quote(path)}: expected a file, got a ${stat.isDirectory() ? 'folder' : 'device'}`,
    );
  const handle = await fs.promises.open(path, 'r').catch((cause: Error) => {
    throw new AtrousCamError('NOT_FOUND', `weights ${quote(path)}: cannot be read (${cause.message})`, { cause });
  });
  let open = true;
  const failed = (reason: string, cause?: unknown) =>
    open
      ? badWeights(path, `cannot be read (${reason})`, { cause })
      : new AtrousCamError('BAD_ARGUMENT', `weights ${quote(path)}: the file is closed`, { cause });
  const shortened = () => failed(becameShorter(stat.size));
  const fill = async (offset: number, target: Uint8Array) => {
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await handle
        .read(target, done, target.length - done, offset + done)
        .catch((cause: Error) => {
          throw failed(cause.message, cause);
        });
      if (bytesRead === 0) throw shortened();
      done += bytesRead;
    }
  };
  return {
    name: path,
    size: stat.size,
    async read(offset, length) {
      checkRange(path, stat.size, offset, length);
      const bytes = new Uint8Array(length);
      await fill(offset, bytes);
      return bytes;
    },
    async fill(offset, target) {
      checkRange(path, stat.size, offset, target.length);
      await fill(offset, target);
    },
    readInto(offset, target) {
      checkRange(path, stat.size, offset, target.length);
      if (!readFully(fs, handle.fd, offset, target)) throw shortened();
    },
    place: sharesDescriptors ? { fd: handle.fd, offset: 0 } : { path, offset: 0 },
    close() {
      open = false;
      void handle.close();
    },
  };
}

/** Whether all threads know a file by the same number: not in Deno, where each has numbers of its own. */
const sharesDescriptors = isNode && !('deno' in process.versions);

const becameShorter = (size: number) => `expected ${size} bytes, the file has become shorter`;

/** Fills `target` from `offset` on; false where the file ends before. */
function readFully({ readSync }: typeof import('node:fs'), fd: number, offset: number, target: Uint8Array): boolean {
  for (let done = 0; done < target.length; ) {
    const bytesRead = readSync(fd, target, done, target.length - done, offset + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

/** What another thread has opened, or its bytes, read in this one. */
export async function sourceAt(place: SourcePlace | Uint8Array, name: string, size: number): Promise<SyncSource> {
  if (place instanceof Uint8Array) return syncSource(bytesSource(place, name));
  if ('blob' in place) return syncSource(blobSource(place.blob, name));
  const fs = await nodeModule('fs');
  const isOwn = 'path' in place;
  const fd = isOwn ? fs.openSync(place.path, 'r') : place.fd;
  const readInto = (offset: number, target: Uint8Array) => {
    checkRange(name, size, offset, target.length);
    if (!readFully(fs, fd, place.offset + offset, target))
      throw badWeights(name, `cannot be read (${becameShorter(size)})`);
  };
  return { name, size, readInto, ...(isOwn && { close: () => fs.closeSync(fd) }) };
}

/** The same file, held whole where the platform cannot read it at once. */
export async function syncSource(source: ByteSource): Promise<SyncSource> {
  const { name, size, readInto } = source.readInto
    ? source
    : bytesSource(await source.read(0, source.size), source.name);
  return { name, size, readInto: readInto! };
}

/** Opens whatever the caller has. Files and blobs are not read yet; a URL that is no file is fetched whole. */
export async function openSource(source: SingleSource, signal?: AbortSignal): Promise<ByteSource> {
  if (source instanceof Uint8Array) return bytesSource(source, `${source.byteLength} bytes`);
  if (source instanceof ArrayBuffer) return bytesSource(new Uint8Array(source), `${source.byteLength} bytes`);
  if (source instanceof Blob) return blobSource(source, 'name' in source ? String(source.name) : 'blob');
  if (source instanceof URL) return fromUrl(source, signal);
  if (typeof source !== 'string')
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `weights: expected a path, URL, File, Blob, ArrayBuffer or Uint8Array, got ${typeof source}`,
    );
  if (/^(https?|file|blob|data):/i.test(source)) return fromUrl(new URL(source), signal);
  return isNode ? fileSource(source) : notInBrowser(source);
}

function notInBrowser(source: string): never {
  throw new AtrousCamError(
    'NOT_FOUND',
    `weights ${quote(source)}: a browser has no paths; pass a URL, File, Blob, ArrayBuffer or the name of published weights`,
  );
}

async function fromUrl(url: URL, signal?: AbortSignal): Promise<ByteSource> {
  if (url.protocol === 'file:' && isNode) return fileSource((await nodeModule('url')).fileURLToPath(url));
  const name = url.protocol === 'data:' ? 'data: URL' : url.href;
  const { blobAt } = await lazy(() => import('./url-source.js'));
  return blobSource(await blobAt(url, `weights ${quote(name)}`, signal), name);
}

function notFound(path: string, cause: NodeJS.ErrnoException): AtrousCamError {
  if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR')
    return new AtrousCamError('NOT_FOUND', `weights ${quote(path)}: cannot be read (${cause.message})`, { cause });
  return new AtrousCamError('NOT_FOUND', `weights ${quote(path)}: no such file`, { cause });
}

function checkRange(name: string, size: number, offset: number, length: number): void {
  if (offset < 0 || length < 0 || offset + length > size)
    throw badWeights(name, `expected bytes up to ${offset + length}, got a file of ${size} bytes; it is truncated`);
}
