import { PageError } from './messages.js';

/**
 * Weight files that the visitor keeps: in this browser's private file system, where no other site and no server sees them. They are
 * written by a worker, piece by piece; only there every browser can write such a file.
 */

/** From the page to demo/keep-worker.ts, and back. */
export interface KeepRequest {
  folder: string;
  file: File;
}
export type KeepReply = { done: true } | { error: string; noSpace: boolean };

const FOLDER = 'weights';
const isSupported = (): boolean => typeof navigator.storage?.getDirectory === 'function';

async function folder(): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });
}

/** Names and sizes of what is kept; nothing where the browser keeps no files. */
export async function listKept(): Promise<{ name: string; size: number }[]> {
  if (!isSupported()) return [];
  try {
    const kept: { name: string; size: number }[] = [];
    const entries = (await folder()) as unknown as AsyncIterable<[string, FileSystemHandle]>;
    for await (const [name, handle] of entries)
      if (handle.kind === 'file' && !name.endsWith('.part'))
        kept.push({ name, size: (await (handle as FileSystemFileHandle).getFile()).size });
    return kept.sort((a, b) => a.name.localeCompare(b.name));
  } catch {
    return []; // private windows of some browsers refuse
  }
}

/** Throws PageError NOT_FOUND. */
export async function openKept(name: string): Promise<File> {
  try {
    return await (await (await folder()).getFileHandle(name)).getFile();
  } catch {
    throw new PageError('NOT_FOUND', `"${name}" is not kept in this browser; choose the file again`);
  }
}

export async function removeKept(name: string): Promise<void> {
  await (await folder()).removeEntry(name);
}

/** Keeps a copy of a file under its name. Throws PageError NO_SPACE or UNSUPPORTED; then nothing of it is left. */
export async function keep(file: File): Promise<void> {
  if (!isSupported()) throw new PageError('UNSUPPORTED', 'this browser cannot keep files for a page');
  const worker = new Worker(new URL('./keep-worker.ts', import.meta.url), { type: 'module', name: 'keep' });
  try {
    const reply = await new Promise<KeepReply>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new PageError('WORKER_FAILED', message));
      worker.postMessage({ folder: FOLDER, file } satisfies KeepRequest);
    });
    if ('error' in reply)
      throw new PageError(reply.noSpace ? 'NO_SPACE' : 'UNSUPPORTED', `${file.name}: ${reply.error}`);
  } finally {
    worker.terminate();
  }
}
