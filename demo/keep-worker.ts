import type { KeepReply, KeepRequest } from './kept-weights.js';

/** Copies a file into the private file system in pieces, under another name until it is whole. */

const PIECE = 4 * 2 ** 20;

/** What only workers have; TypeScript's library for pages does not know it. */
interface SyncAccessHandle {
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}
type WorkerFileHandle = FileSystemFileHandle & {
  createSyncAccessHandle(): Promise<SyncAccessHandle>;
  move(name: string): Promise<void>;
};

async function copy({ folder, file }: KeepRequest): Promise<void> {
  const root = await navigator.storage.getDirectory();
  const directory = await root.getDirectoryHandle(folder, { create: true });
  const part = `${file.name}.part`;
  try {
    const handle = (await directory.getFileHandle(part, { create: true })) as WorkerFileHandle;
    await write(handle, file);
    await handle.move(file.name);
  } finally {
    await directory.removeEntry(part).catch(() => {}); // renamed
  }
}

async function write(handle: WorkerFileHandle, file: File): Promise<void> {
  const access = await handle.createSyncAccessHandle();
  try {
    access.truncate(0);
    for (let at = 0; at < file.size; at += PIECE) {
      const piece = new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer());
      const written = access.write(piece, { at });
      if (written !== piece.length) throw new DOMException('no space left', 'QuotaExceededError');
    }
    access.flush();
  } finally {
    access.close();
  }
}

addEventListener('message', ({ data }: MessageEvent<KeepRequest>) => {
  const answer = (reply: KeepReply) => postMessage(reply);
  copy(data).then(
    () => answer({ done: true }),
    (error: Error) => answer({ error: error.message, noSpace: error.name === 'QuotaExceededError' }),
  );
});
