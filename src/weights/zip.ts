import pako from 'pako';
import { type ByteSource, badWeights, bytesSource, partSource, quote } from './source.js';

/**
 * A zip archive of which only the directory has been read. Members that are stored as they are, which is how PyTorch and Keras
 * write them, are read in place; a library that wants the whole archive in memory would take 553 MB for VGG16.
 */
export interface ZipFile {
  readonly names: readonly string[];
  /** The bytes of a member; undefined where there is none of that name. A compressed one is unpacked into memory. */
  member(name: string): Promise<ByteSource | undefined>;
}

/** A member as the directory describes it (APPNOTE.TXT 6.3.10, section 4.3.12). */
interface Entry {
  name: string;
  method: number;
  encrypted: boolean;
  stored: number;
  size: number;
  /** Where its local header is. */
  header: number;
}

const endSize = 22;
const localSize = 30;
const entrySize = 46;
/** A comment of up to 65535 bytes may follow the end record. */
const farthestEnd = endSize + 65535;
const maxDirectory = 16 << 20;
/** Bytes that all compressed members of an archive together may unpack to: weights are stored uncompressed. */
export const maxInflated = 64 << 20;

export async function openZip(source: ByteSource): Promise<ZipFile> {
  const bad = (message: string) => badWeights(source.name, `zip archive: ${message}`);
  const entries = await readDirectory(source, bad);
  let inflated = 0;
  return {
    names: [...entries.keys()],
    async member(name) {
      const entry = entries.get(name);
      if (!entry) return undefined;
      if (entry.encrypted) throw bad(`${quote(name)} is encrypted`);
      const data = partSource(source, await dataOffset(source, entry, bad), entry.stored);
      if (entry.method === 0) {
        if (entry.stored !== entry.size) throw bad(`${quote(name)} has two sizes, ${entry.stored} and ${entry.size}`);
        return data;
      }
      if (entry.method !== 8) throw bad(`${quote(name)} is packed by method ${entry.method}, which is not supported`);
      inflated += entry.size;
      if (inflated > maxInflated || entry.stored > maxInflated)
        throw bad(
          `expected compressed members of at most ${maxInflated} bytes in all, got more with ${quote(name)}; store them uncompressed`,
        );
      return bytesSource(inflate(await data.read(0, entry.stored), entry, bad), source.name);
    },
  };
}

type Bad = (message: string) => Error;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

async function readDirectory(source: ByteSource, bad: Bad): Promise<Map<string, Entry>> {
  const { offset, size, count } = await readEnd(source, bad);
  if (size > maxDirectory) throw bad(`expected a directory of at most ${maxDirectory} bytes, got ${size}`);
  if (offset + size > source.size) throw bad('its directory lies beyond the end; the file is truncated');
  const bytes = await source.read(offset, size);
  const view = viewOf(bytes);
  const entries = new Map<string, Entry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + entrySize > size || view.getUint32(at, true) !== 0x02014b50)
      throw bad(`expected ${count} members in its directory, got ${i}`);
    const [nameSize, extraSize, commentSize] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const end = at + entrySize + nameSize + extraSize + commentSize;
    if (end > size) throw bad('its directory is damaged');
    const name = new TextDecoder().decode(bytes.subarray(at + entrySize, at + entrySize + nameSize));
    if (entries.has(name)) throw bad(`${quote(name)} occurs twice`);
    const wide = wideNumbers(viewOf(bytes.subarray(at + entrySize + nameSize, end - commentSize)));
    const number = (field: number) => {
      const value = view.getUint32(at + field, true);
      return value === 0xffffffff ? (wide.shift() ?? value) : value;
    };
    const uncompressed = number(24); // the order in which 64-bit numbers replace them
    entries.set(name, {
      name,
      method: view.getUint16(at + 10, true),
      encrypted: (view.getUint16(at + 8, true) & 1) !== 0,
      size: uncompressed,
      stored: number(20),
      header: number(42),
    });
    at = end;
  }
  return entries;
}

/** The numbers of a zip64 extra field, which replace those that do not fit into 32 bits. */
function wideNumbers(extra: DataView): number[] {
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    const size = extra.getUint16(at + 2, true);
    if (extra.getUint16(at, true) !== 1 || at + 4 + size > extra.byteLength) continue;
    return Array.from({ length: Math.floor(size / 8) }, (_, i) => Number(extra.getBigUint64(at + 4 + 8 * i, true)));
  }
  return [];
}

/** Where the directory is: the end record is searched from the end, first near it, then as far as a comment may reach. */
async function readEnd(source: ByteSource, bad: Bad): Promise<{ offset: number; size: number; count: number }> {
  for (const reach of [1024, farthestEnd]) {
    const length = Math.min(reach, source.size);
    const tail = viewOf(await source.read(source.size - length, length));
    for (let at = length - endSize; at >= 0; at--) {
      if (tail.getUint32(at, true) !== 0x06054b50 || at + endSize + tail.getUint16(at + 20, true) !== length) continue;
      const end = {
        count: tail.getUint16(at + 10, true),
        size: tail.getUint32(at + 12, true),
        offset: tail.getUint32(at + 16, true),
      };
      const wide = end.count === 0xffff || end.size === 0xffffffff || end.offset === 0xffffffff;
      return wide ? readWideEnd(source, source.size - length + at, bad) : end;
    }
    if (length === source.size) break;
  }
  throw bad('its directory is missing; the file is truncated');
}

/** The zip64 end record, to which a locator just before the end record at `end` points. */
async function readWideEnd(source: ByteSource, end: number, bad: Bad) {
  const locator = end < 20 ? undefined : viewOf(await source.read(end - 20, 20));
  if (locator?.getUint32(0, true) !== 0x07064b50) throw bad('its 64-bit directory is missing');
  const at = Number(locator.getBigUint64(8, true));
  if (at + 56 > source.size) throw bad('its 64-bit directory lies beyond the end');
  const record = viewOf(await source.read(at, 56));
  if (record.getUint32(0, true) !== 0x06064b50) throw bad('its 64-bit directory is damaged');
  const [count, size, offset] = [32, 40, 48].map((field) => Number(record.getBigUint64(field, true)));
  return { offset, size, count };
}

/** Where a member's bytes begin: behind its local header, whose name and extra field have lengths of their own. */
async function dataOffset(source: ByteSource, { name, header, stored }: Entry, bad: Bad): Promise<number> {
  const beyond = () => bad(`${quote(name)} lies beyond the end; the file is truncated`);
  if (header + localSize > source.size) throw beyond();
  const local = viewOf(await source.read(header, localSize));
  if (local.getUint32(0, true) !== 0x04034b50) throw bad(`${quote(name)} is not where the directory says`);
  const offset = header + localSize + local.getUint16(26, true) + local.getUint16(28, true);
  if (offset + stored > source.size) throw beyond();
  return offset;
}

/** Unpacks to exactly the size that the directory states, and stops at the first byte too many. */
function inflate(bytes: Uint8Array, { name, size }: Entry, bad: Bad): Uint8Array {
  const out = new Uint8Array(size);
  let filled = 0;
  let status: number | undefined;
  const inflator = new pako.Inflate({ raw: true });
  inflator.onData = (chunk) => {
    if (filled + chunk.length > size) throw bad(`${quote(name)} unpacks to more than the ${size} bytes it states`);
    out.set(chunk as Uint8Array, filled);
    filled += chunk.length;
  };
  inflator.onEnd = (code) => {
    status = code;
  };
  inflator.push(bytes, true);
  if (status !== 0 || filled !== size) throw bad(`${quote(name)} does not unpack to the ${size} bytes it states`);
  return out;
}
