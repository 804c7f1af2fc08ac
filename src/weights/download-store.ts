import { AtrousCamError } from '../base/errors.js';
import { isNode, nodeModule } from '../base/platform.js';
import { browserFolder, cacheFolder } from './cache.js';
import { type ByteSource, blobSource, fileSource, quote } from './source.js';

/** What is known of a download that has begun; kept beside its bytes, so that another process can go on. */
export interface PartState {
  url: string;
  /** ETag or Last-Modified of the file that the bytes are of. */
  validator?: string;
}

/** Where a download is kept until it is whole, and then lies under its name: a folder, or a browser's own file system. */
export interface DownloadStore {
  /** The finished file's place, for people. */
  readonly path: string;
  /** Takes the file for this process alone; undefined where another one has it. */
  lock(): Promise<(() => Promise<void>) | undefined>;
  /** The finished file. */
  open(): Promise<ByteSource | undefined>;
  /** The unfinished one. */
  openPart(): Promise<ByteSource>;
  /** Bytes that are free; undefined where nobody knows. */
  free(): Promise<number | undefined>;
  state(): Promise<PartState | undefined>;
  /** The unfinished file, to write to its end; `state` replaces what was known, and without `keep` it is emptied first. */
  append(state: PartState, keep: boolean): Promise<PartWriter>;
  /** The unfinished file becomes the finished one, at once. */
  finish(): Promise<void>;
  removePart(): Promise<void>;
}

export interface PartWriter {
  /** Bytes that are there already. */
  readonly size: number;
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** The store of a file in a folder (Node; the cache folder by default) or in the browser. */
export async function downloadStore(file: string, folder?: string): Promise<DownloadStore> {
  if (isNode) return nodeStore(folder ?? (await cacheFolder()), file);
  const directory = await browserFolder(true);
  if (!directory)
    throw new AtrousCamError(
      'UNSUPPORTED',
      `weights ${quote(file)}: this browser has no file system of its own; download the file and pass it as a File`,
    );
  return browserStore(directory, file);
}

const failed = (path: string, cause: NodeJS.ErrnoException): AtrousCamError => {
  const reasons: Record<string, string> = {
    ENOSPC: 'no space is left on the disk; free some and run it again, what is there is kept',
    EDQUOT: 'the disk quota is used up; free some space and run it again, what is there is kept',
    EACCES: 'no permission to write there; name another folder in ATROUS_CAM_CACHE',
    EPERM: 'no permission to write there; name another folder in ATROUS_CAM_CACHE',
    EROFS: 'the file system is read-only; name another folder in ATROUS_CAM_CACHE',
    ENOTDIR: 'a part of the path is a file; name another folder in ATROUS_CAM_CACHE',
    EEXIST: 'a file is where the folder should be; name another folder in ATROUS_CAM_CACHE',
    EISDIR: 'a folder is where the file should be; remove it',
    QuotaExceededError: 'the browser gives this page no more space; free some and run it again, what is there is kept',
  };
  const reason = reasons[cause.code ?? ''] ?? reasons[cause.name] ?? cause.message;
  return new AtrousCamError('DOWNLOAD_FAILED', `${quote(path)}: cannot be written: ${reason}`, { cause });
};

/** A lock that nobody has touched for this long belongs to a process that is gone. Its owner touches it four times as often. */
const lockExpires = 60_000;

async function nodeStore(folder: string, file: string): Promise<DownloadStore> {
  const fs = await nodeModule('fs/promises');
  const { join } = await nodeModule('path');
  const { hostname } = await nodeModule('os');
  const path = join(folder, file);
  const [part, about, lock] = [`${path}.part`, `${path}.part.json`, `${path}.lock`];
  const attempt = <T>(action: Promise<T>): Promise<T> =>
    action.catch((cause) => {
      throw cause instanceof AtrousCamError ? cause : failed(path, cause);
    });

  /** Removes the lock of a process that is gone. Renaming first makes sure that only one of several takes it away. */
  const removeStaleLock = async (): Promise<boolean> => {
    const text = await fs.readFile(lock, 'utf8').catch(() => undefined);
    const stat = await fs.stat(lock).catch(() => undefined);
    if (text === undefined || !stat) return true; // given back meanwhile
    const [host, pid] = text.split(' ');
    const dead = host === hostname() && !isAlive(Number(pid));
    if (!dead && Date.now() - stat.mtimeMs < lockExpires) return false;
    const taken = `${lock}.${process.pid}`;
    await fs.rename(lock, taken).catch(() => {});
    await fs.rm(taken, { force: true });
    return true;
  };

  return {
    path,
    async lock() {
      await attempt(fs.mkdir(folder, { recursive: true }));
      for (let i = 0; i < 3; i++) {
        try {
          await fs.writeFile(lock, `${hostname()} ${process.pid}`, { flag: 'wx' });
          const touch = setInterval(
            () => void fs.utimes(lock, new Date(), new Date()).catch(() => {}),
            lockExpires / 4,
          );
          touch.unref();
          return async () => {
            clearInterval(touch);
            await fs.rm(lock, { force: true });
          };
        } catch (cause) {
          if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw failed(path, cause as NodeJS.ErrnoException);
          if (!(await removeStaleLock())) return undefined;
        }
      }
      return undefined;
    },
    async open() {
      return (await fs.stat(path).catch(() => undefined)) && fileSource(path);
    },
    openPart: () => fileSource(part),
    async free() {
      const { bavail, bsize } = await fs.statfs(folder);
      return bavail * bsize;
    },
    async state() {
      try {
        return JSON.parse(await fs.readFile(about, 'utf8'));
      } catch {
        return undefined; // not there, or a write was cut off: the download begins again
      }
    },
    async append(state, keep) {
      await attempt(fs.writeFile(about, JSON.stringify(state)));
      const handle = await attempt(fs.open(part, keep ? 'a' : 'w'));
      const { size } = await attempt(handle.stat());
      return {
        size,
        write: async (bytes) => {
          await attempt(handle.writeFile(bytes));
        },
        close: () => handle.close(),
      };
    },
    async finish() {
      const handle = await attempt(fs.open(part, 'r+'));
      await attempt(handle.sync()).finally(() => handle.close()); // so that the name never stands for less than the whole
      await attempt(fs.rename(part, path));
      await fs.rm(about, { force: true });
    },
    async removePart() {
      await fs.rm(part, { force: true });
      await fs.rm(about, { force: true });
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    return Number.isInteger(pid) && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // somebody else's
  }
}

/** What TypeScript's library does not have yet. */
interface OriginFileHandle extends FileSystemFileHandle {
  move?(name: string): Promise<void>;
  /** In workers only; writes at once, where `createWritable` copies the file first. */
  createSyncAccessHandle?(): Promise<{
    getSize(): number;
    truncate(size: number): void;
    write(bytes: Uint8Array, options: { at: number }): number;
    flush(): void;
    close(): void;
  }>;
}

async function browserStore(directory: FileSystemDirectoryHandle, file: string): Promise<DownloadStore> {
  const [part, about] = [`${file}.part`, `${file}.part.json`];
  const handleOf = (name: string, create = false) =>
    directory.getFileHandle(name, { create }) as Promise<OriginFileHandle>;
  const found = async (name: string) => (await handleOf(name).catch(() => undefined))?.getFile();
  const attempt = <T>(action: Promise<T>): Promise<T> =>
    action.catch((cause) => {
      throw failed(file, cause);
    });
  const replace = async (name: string, content: Blob | string) => {
    const writable = await (await handleOf(name, true)).createWritable();
    await writable.write(content);
    await writable.close();
  };
  return {
    path: file,
    lock: () =>
      new Promise((resolve, reject) => {
        navigator.locks
          .request(`atrous-cam ${file}`, { ifAvailable: true }, (lock) => {
            if (!lock) return resolve(undefined);
            return new Promise<void>((release) => {
              resolve(async () => release());
            });
          })
          .catch(reject);
      }),
    async open() {
      const blob = await found(file);
      return blob && blobSource(blob, file);
    },
    async openPart() {
      return blobSource((await found(part)) ?? new Blob(), file);
    },
    async free() {
      const { quota, usage } = await navigator.storage.estimate();
      return quota === undefined || usage === undefined ? undefined : quota - usage;
    },
    async state() {
      try {
        return JSON.parse((await (await found(about))?.text()) ?? '');
      } catch {
        return undefined;
      }
    },
    async append(state, keep) {
      await attempt(replace(about, JSON.stringify(state)));
      const handle = await attempt(handleOf(part, true));
      if (handle.createSyncAccessHandle) {
        const access = await attempt(handle.createSyncAccessHandle());
        if (!keep) access.truncate(0);
        const size = access.getSize();
        let at = size;
        return {
          size,
          async write(bytes) {
            try {
              at += access.write(bytes, { at });
            } catch (cause) {
              throw failed(file, cause as Error);
            }
          },
          async close() {
            access.flush();
            access.close();
          },
        };
      }
      const size = keep ? (await handle.getFile()).size : 0;
      const writable = await attempt(handle.createWritable({ keepExistingData: keep }));
      await attempt(writable.seek(size));
      return {
        size,
        write: (bytes) => attempt(writable.write(bytes as Uint8Array<ArrayBuffer>)),
        close: () => attempt(writable.close()),
      };
    },
    async finish() {
      const handle = await handleOf(part);
      if (handle.move) await attempt(handle.move(file));
      else {
        await attempt(replace(file, await handle.getFile()));
        await directory.removeEntry(part);
      }
      await directory.removeEntry(about).catch(() => {});
    },
    async removePart() {
      for (const name of [part, about]) await directory.removeEntry(name).catch(() => {});
    },
  };
}
