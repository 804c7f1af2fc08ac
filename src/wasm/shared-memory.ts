/** The section of imports, in a module's bytes, and the memory's limits in it: none, or shared and 1 to 65536 pages. */
const IMPORTS = 2;
const PLAIN = [0x02, 0x00, 0x00];
const SHARED = [0x02, 0x03, 0x01, 0x80, 0x80, 0x04];

/** Bytes of a module's magic number and version. */
const HEAD = 8;

/**
 * A build of the kernels on shared memory from the one on plain memory. Their code is the same, only the memory that is
 * imported differs; so a bundle carries it once.
 */
export function withSharedMemory(plain: Uint8Array): Uint8Array<ArrayBuffer> {
  const [start, end] = sectionOf(plain, IMPORTS);
  const imports = plain.subarray(start, end);
  const front = imports.subarray(0, imports.length - PLAIN.length); // one import, the memory: its limits are last
  const content = [...front, ...SHARED];
  if (PLAIN.some((byte, i) => imports[front.length + i] !== byte) || content.length > 127)
    throw new Error('internal: the kernels do not import one plain memory');
  const made = new Uint8Array(plain.length + SHARED.length - PLAIN.length);
  made.set(plain.subarray(0, start - 1));
  made.set([content.length, ...content], start - 1);
  made.set(plain.subarray(end), start + content.length);
  return made;
}

/** Where the content of a section begins and ends. */
function sectionOf(module: Uint8Array, wanted: number): readonly [number, number] {
  for (let at = HEAD; at < module.length; ) {
    const id = module[at++];
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++];
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if (id === wanted) return [at, at + length];
    at += length;
  }
  throw new Error('internal: a module has no such section');
}
