import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { inflateSync } from 'node:zlib';
import type { Network } from '../api.js';
import type { ExplainFlags } from './options.js';
import type { Thumbnail } from './thumbnail.js';
import { version } from './version.js';

/**
 * What a picture's figure keeps in itself, as text of the PNG: what it was made from, and the picture's part of the JSON document.
 * So `--resume` knows a finished picture from one of other options or of another picture with the same name, and a resumed
 * call's document and summary are complete.
 */
export interface PictureRecord {
  /** `recordKey` of the picture, the options and the network. */
  key: string;
  /** Sizes in bytes of the files beside the figure, by their names. */
  sizes: Record<string, number>;
  /** By mode, as in the JSON document, without `files`. */
  modes: Record<string, object>;
  /** What was wrong with the picture's file. */
  warnings?: readonly string[];
  /** The picture and its maps in small, for a contact sheet. */
  thumbnail?: Thumbnail;
}

/** The keyword of the text. */
export const RECORD = 'atrous-cam';

/** Options that change neither figure nor numbers (the last bits of numbers aside). */
const WITHOUT_EFFECT = new Set([
  'out',
  'npy',
  'json',
  'shard',
  'resume',
  'recursive',
  'maxPixels',
  'maxMemory',
  'maxFile',
  'summary',
  'yes',
  'threads',
  'kernels',
  'overlay',
  'heatmap',
  'sheet',
  'quiet',
]);

/**
 * Stands for everything that a picture's outputs follow from: its bytes and name, the options, this version, and the weights by
 * name and size (reading them all would take longer than many pictures). Undefined where the picture is no regular file: a pipe
 * cannot be read twice.
 */
export function recordKey(
  file: string,
  flags: ExplainFlags,
  { source, parameters, labels }: Network,
): string | undefined {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return undefined;
  const options = Object.entries(flags).filter(([name, value]) => value !== undefined && !WITHOUT_EFFECT.has(name));
  const weights = [basename(source), parameters, flags.weights && sizeOf(source), labels];
  const picture = [basename(file), createHash('sha256').update(readFileSync(file)).digest('hex')];
  return createHash('sha256')
    .update(JSON.stringify([version(), picture, options.sort(), weights]))
    .digest('hex');
}

/** The record in a figure, where the figure is whole and all files beside it are there in their full size; else undefined. */
export function readRecord(folder: string, name: string): PictureRecord | undefined {
  const text = readPngText(join(folder, `${name}.png`), RECORD);
  if (text === undefined) return undefined;
  const record: PictureRecord = JSON.parse(text);
  const whole = Object.entries(record.sizes).every(([file, size]) => sizeOf(join(folder, file)) === size);
  return whole ? record : undefined;
}

const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size;

const SIGNATURE = '89504e470d0a1a0a';

/**
 * A text that `encodePng` put into a PNG file; undefined where the file is not there, is cut off or no PNG, or has no such text. Goes
 * from chunk to chunk without reading the pixels.
 */
export function readPngText(path: string, keyword: string): string | undefined {
  if (!sizeOf(path)) return undefined;
  const file = openSync(path, 'r');
  try {
    const read = (at: number, length: number) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, at));
    };
    if (read(0, 8).toString('hex') !== SIGNATURE) return undefined;
    const head = Buffer.from(`${keyword}\0\x01\0\0\0`);
    let found: string | undefined;
    for (let at = 8; ; ) {
      const chunk = read(at, 12); // length, type, and what an empty chunk ends with
      if (chunk.length < 12) return undefined;
      const [length, type] = [chunk.readUInt32BE(), chunk.toString('latin1', 4, 8)];
      if (type === 'IEND') return found;
      if (type === 'iTXt') {
        const data = read(at + 8, length);
        if (data.subarray(0, head.length).equals(head)) found = inflateSync(data.subarray(head.length)).toString();
      }
      at += 12 + length;
    }
  } catch {
    return undefined; // a damaged figure is made again
  } finally {
    closeSync(file);
  }
}
