import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join, parse, resolve } from 'node:path';
import { AtrousCamError } from '../index.js';
import { UsageError } from './context.js';
import type { Item } from './expand.js';

/** A picture of the call and the name that its output files begin with. */
export interface NamedPicture extends Item {
  name: string;
}

/**
 * Names pictures after their files, without folder and extension; a name that is taken gets `-2`, `-3` ... Names that differ
 * in case only count as taken, because they are one file on macOS and Windows.
 */
export function namePictures(items: readonly Item[]): NamedPicture[] {
  const taken = new Set<string>();
  const next = new Map<string, number>(); // of a base name: the number to try, so that many equal names stay quick
  return items.map((item) => {
    const base = outputName(item.file);
    let name = base;
    let i = next.get(base) ?? 2;
    for (; taken.has(name.toLowerCase()); i++) name = `${base}-${i}`;
    next.set(base, i);
    taken.add(name.toLowerCase());
    return { ...item, name };
  });
}

/** Bytes of a name that leave room, in the 255 of a file system, for what follows it and for its temporary name. */
const MAX_NAME = 210;

/** A picture's name for its output files. One that is too long is cut and gets a mark of the whole name, the same in every call. */
function outputName(file: string): string {
  if (file === '-') return 'stdin';
  const { name } = parse(file);
  if (Buffer.byteLength(name) <= MAX_NAME) return name;
  const mark = createHash('sha256').update(name).digest('hex').slice(0, 8);
  let kept = '';
  for (const char of name) {
    if (Buffer.byteLength(kept + char) > MAX_NAME - 10) break;
    kept += char;
  }
  return `${kept}~${mark}`;
}

/** A file to be written. */
export interface OutputFile {
  path: string;
  content: Uint8Array;
}

/**
 * Makes a folder with all folders above it; returns those that were missing, the innermost first. Node's own `recursive: true`
 * never comes back from places like /proc (Node 20).
 */
function makeFolder(folder: string): string[] {
  try {
    mkdirSync(folder);
    return [folder];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(folder).isDirectory()) return [];
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
  }
  const above = makeFolder(dirname(folder));
  mkdirSync(folder);
  return [folder, ...above];
}

/**
 * Makes sure, before anything is computed, that files can be written to a folder; creates it where it is missing. Returns what
 * takes the created folders away again if nothing was written. Throws NOT_FOUND with the reason; `option` is what named the folder.
 */
export function prepareFolder(folder: string, option = '--out'): () => void {
  try {
    const created = makeFolder(resolve(folder));
    accessSync(folder, constants.W_OK | constants.X_OK);
    return () => {
      try {
        for (const path of created) rmdirSync(path);
      } catch {} // not empty
    };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reasons: Record<string, string> = {
      EEXIST: 'it is a file',
      ENOTDIR: 'a part of it is a file',
      ENOENT: 'it cannot be made',
      EACCES: 'no permission to write there',
      EPERM: 'no permission to write there',
      EROFS: 'the file system is read-only',
    };
    const reason = reasons[code ?? ''] ?? message;
    throw new AtrousCamError(
      'NOT_FOUND',
      `${option} "${folder}": expected a folder that can be written, but ${reason}`,
      {
        cause,
      },
    );
  }
}

/** Refuses a call whose files would replace its own pictures, or each other. `option` is what named them. Throws UsageError. */
export function refuseReplacing(
  pictures: readonly NamedPicture[],
  paths: readonly string[],
  option: '--out' | `--${string}` = '--out',
): void {
  const key = (path: string) => {
    try {
      const { dev, ino } = statSync(path);
      return `${dev}:${ino}`; // sees through links and through case on file systems that ignore it
    } catch {
      return resolve(path);
    }
  };
  const inputs = new Set(pictures.map(({ file }) => key(file)));
  const written = new Set<string>();
  for (const path of paths) {
    if (inputs.has(key(path)))
      throw new UsageError(
        `${option}: "${path}" is one of the pictures and would be replaced; choose another ${option === '--out' ? 'folder' : 'name'}`,
      );
    if (written.has(resolve(path)))
      throw new UsageError(`${option}: "${path}" would be written for two of the pictures`);
    written.add(resolve(path));
  }
}

/**
 * Writes files so that each is there as a whole or not at all, whenever the process is killed: under a temporary name first, all
 * renamed at the end, the first one last, so that where it is there the others are. It is synchronous on purpose: Ctrl-C is
 * served between the files of one picture and the next picture, never in between. Returns their paths.
 */
export function writeFiles(files: readonly OutputFile[]): string[] {
  const paths = files.map(({ path }) => path);
  const temporary = paths.map((path) => join(dirname(path), `.${basename(path)}.${process.pid}.tmp`));
  let current = paths[0];
  try {
    files.forEach(({ path, content }, i) => {
      current = path;
      makeFolder(resolve(dirname(path))); // another shard may have taken it away
      writeFileSync(temporary[i], content);
    });
    for (let i = paths.length - 1; i >= 0; i--) {
      current = paths[i];
      renameSync(temporary[i], current);
    }
  } catch (cause) {
    throw notWritten(current, cause);
  } finally {
    for (const path of temporary) rmSync(path, { force: true });
  }
  return paths;
}

/**
 * Writes a file piece by piece, so that it is there as a whole or not at all: under a temporary name, renamed when all of it has
 * reached the disk. Returns its size.
 */
export async function writeStream(path: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  let bytes = 0;
  try {
    const file = await open(temporary, 'w');
    try {
      for await (const piece of pieces) {
        await file.writeFile(piece);
        bytes += piece.length;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
  return bytes;
}

/** A full disk and its like, in a sentence. */
export function notWritten(path: string, cause: unknown): AtrousCamError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const reason = code === 'ENOSPC' ? 'no space is left on the disk' : message;
  return new AtrousCamError('NOT_FOUND', `"${path}": cannot be written: ${reason}`, { cause });
}

/** Removes what a killed process left of pictures with these names: files under temporary names. */
export function removeTemporaryFiles(folder: string, names: ReadonlySet<string>): void {
  for (const file of readdirSync(folder)) {
    const [, name] =
      /^\.(.*?)(?:\.[a-z]+\.(?:raw|map|overlay)\.npy|(?:\.[a-z]+\.(?:overlay|heatmap))?\.png)\.\d+\.tmp$/.exec(file) ??
      [];
    if (name !== undefined && names.has(name)) rmSync(join(folder, file), { force: true });
  }
}
