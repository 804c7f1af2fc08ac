/** Numbers that readers of binary files stumble over: limits of every width, and what comes just before and after. */
const interesting = [0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/**
 * A generator of whole numbers below a limit that gives the same sequence for the same seed (mulberry32).
 *
 * @param {number} seed
 * @returns {(below: number) => number}
 */
export function randomBelow(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/**
 * A damaged copy of a file, the same for the same seed: changed bits, bytes and numbers, holes, cuts, and parts that are doubled,
 * moved, left out or taken from another file. Most of it happens near the ends, where formats keep their headers.
 *
 * @param {Uint8Array} file
 * @param {Uint8Array} other a file of the same kind
 * @param {number} seed
 * @returns {Uint8Array}
 */
export function mutate(file, other, seed) {
  const random = randomBelow(seed);
  let bytes = file.slice();
  for (let rounds = 1 + random(4); rounds > 0; rounds--) bytes = mutateOnce(bytes, other, random);
  return bytes;
}

/** @param {Uint8Array} bytes @param {Uint8Array} other @param {(below: number) => number} random */
function mutateOnce(bytes, other, random) {
  const { length } = bytes;
  if (length < 16) return bytes;
  const near = 2048;
  const place = () =>
    [random(Math.min(near, length)), length - 1 - random(Math.min(near, length)), random(length)][random(3)];
  const at = place();
  const size = 1 + random(Math.min(length - at, [4, 64, 4096][random(3)]));
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  switch (random(10)) {
    case 0:
      bytes[at] ^= 1 << random(8);
      return bytes;
    case 1:
      bytes[at] = random(256);
      return bytes;
    case 2:
      bytes.fill([0, 255][random(2)], at, at + size);
      return bytes;
    case 3:
      for (let i = 0; i < 8; i++) bytes[place()] = random(256);
      return bytes;
    case 4: {
      const value = interesting[random(interesting.length)];
      if (at + 4 <= length) view.setUint32(at, value, random(2) === 0);
      return bytes;
    }
    case 5: {
      const value = 2n ** BigInt(random(65)) - BigInt(random(2));
      if (at + 8 <= length) view.setBigUint64(at, value, random(2) === 0);
      return bytes;
    }
    case 6:
      return bytes.slice(0, at); // cut off
    case 7:
      return join(bytes.subarray(0, at), bytes.subarray(at + size)); // left out
    case 8:
      return join(bytes.subarray(0, at), bytes.subarray(Math.max(0, at - size), at), bytes.subarray(at)); // doubled
    default:
      return join(bytes.subarray(0, at), other.subarray(Math.min(at, other.length)));
  }
}

/**
 * Gives the chunks of a damaged PNG right checksums again, so that the damage gets past the first check.
 *
 * @param {Uint8Array} bytes
 */
export function repairPng(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > bytes.length) return bytes;
    view.setUint32(end, crc32(bytes.subarray(at + 4, end)));
    at = end + 4;
  }
  return bytes;
}

/** PNG specification, annex D. @param {Uint8Array} bytes */
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** @param {Uint8Array[]} parts */
function join(...parts) {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
