import { AtrousCamError } from '../base/errors.js';

/** A file of an archive and where its bytes lie. */
export interface TarEntry {
  readonly path: string;
  readonly position: number;
  readonly size: number;
}

const BLOCK = 512;

/** Reads `length` bytes at `position`, fewer at the end of the file. */
export type ReadAt = (position: number, length: number) => Promise<Uint8Array>;

/**
 * The files of a tar archive (ustar, with GNU's and pax's long names), without reading their contents. Links, folders and devices are
 * left out: pictures are wanted. Throws BAD_ARGUMENT where it is no archive or is cut off.
 */
export async function readTar(readAt: ReadAt, name: string): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  let longName: string | undefined;
  for (let position = 0; ; ) {
    const header = await readAt(position, BLOCK);
    if (header.length === 0 || (header.length === BLOCK && header.every((byte) => byte === 0))) return entries;
    if (header.length < BLOCK || checksum(header) !== octal(header.subarray(148, 156)))
      throw broken(name, position, 'expected the header of a file');
    const size = octal(header.subarray(124, 136));
    const type = String.fromCharCode(header[156] || 0x30);
    const start = position + BLOCK;
    position = start + BLOCK * Math.ceil(size / BLOCK);
    if (type === 'L' || type === 'x') {
      const content = await readAt(start, size);
      if (content.length < size) throw broken(name, start, `expected ${size} bytes`);
      longName = type === 'L' ? text(content) : (paxPath(content) ?? longName);
      continue;
    }
    if (type === '0' || type === '7') {
      const last = size > 0 && (await readAt(start + size - 1, 1));
      if (last && last.length === 0) throw broken(name, start, `expected ${size} bytes`);
      entries.push({ path: longName ?? pathOf(header), position: start, size });
    }
    longName = undefined;
  }
}

const broken = (name: string, position: number, what: string) =>
  new AtrousCamError('BAD_ARGUMENT', `"${name}": ${what} at byte ${position}; it is no tar archive, or damaged`);

/** Text up to the first zero byte. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** A number in octal digits, or, beyond 8 GiB, in GNU's base 256. NaN where it is neither. */
function octal(bytes: Uint8Array): number {
  if (bytes[0] & 0x80) return bytes.subarray(1).reduce((value, byte) => value * 256 + byte, bytes[0] & 0x7f);
  const digits = text(bytes).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

/** The sum of a header's bytes, its checksum's own counted as blanks. */
const checksum = (header: Uint8Array): number =>
  header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);

function pathOf(header: Uint8Array): string {
  const isUstar = text(header.subarray(257, 262)) === 'ustar';
  const prefix = isUstar ? text(header.subarray(345, 500)) : '';
  const name = text(header.subarray(0, 100));
  return prefix ? `${prefix}/${name}` : name;
}

/** `path` of a pax header: lines `LENGTH KEY=VALUE`, whose length counts bytes. */
function paxPath(content: Uint8Array): string | undefined {
  for (let at = 0; at < content.length; ) {
    const length = Number.parseInt(new TextDecoder().decode(content.subarray(at, at + 20)), 10);
    if (!(length > 0)) return undefined;
    const line = new TextDecoder().decode(content.subarray(at, at + length - 1));
    const path = /^\d+ path=(.*)$/s.exec(line);
    if (path) return path[1];
    at += length;
  }
  return undefined;
}
