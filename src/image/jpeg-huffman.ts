/** Bits that are looked up at once. */
const LOOKUP = 9;

/** A Huffman table, made for decoding (ITU-T T.81, annexes C and F.2.2.3). */
export interface HuffmanTable {
  /** By the next `LOOKUP` bits: length << 8 | value of a code that is no longer, else 0. */
  lookup: Uint16Array;
  /** By length: the largest code of that length, or -1; and what to add to a code to get its value's place. */
  largest: Int32Array;
  offset: Int32Array;
  values: Uint8Array;
}

/**
 * @param counts of codes of each length from 1 to 16
 * @returns undefined where the counts make no code
 */
export function huffmanTable(counts: Uint8Array, values: Uint8Array): HuffmanTable | undefined {
  const lookup = new Uint16Array(1 << LOOKUP);
  const largest = new Int32Array(18).fill(-1);
  const offset = new Int32Array(18);
  let code = 0;
  let place = 0;
  for (let length = 1; length <= 16; length++) {
    offset[length] = place - code;
    for (let i = 0; i < counts[length - 1]; i++, code++, place++) {
      if (code >= 1 << length || place >= values.length) return undefined;
      if (length > LOOKUP) continue;
      const first = code << (LOOKUP - length);
      lookup.fill((length << 8) | values[place], first, first + (1 << (LOOKUP - length)));
    }
    if (counts[length - 1] > 0) largest[length] = code - 1;
    code <<= 1;
  }
  return { lookup, largest, offset, values };
}

/**
 * Reads the bits of entropy-coded data, without the zero bytes that are stuffed behind 0xff, up to the next marker. Behind the end it
 * gives zeros and says so in `ended`.
 */
export class BitReader {
  /** Bits were asked for that are not there. */
  ended = false;
  /** A code was met that no table has. */
  damaged = false;
  #held = 0;
  #count = 0;

  constructor(
    readonly bytes: Uint8Array,
    public at: number,
    readonly end: number,
  ) {}

  #fill(): void {
    while (this.#count <= 16) {
      let byte = 0;
      if (this.at < this.end) {
        byte = this.bytes[this.at];
        if (byte !== 0xff) this.at++;
        else if (this.bytes[this.at + 1] === 0) this.at += 2;
        else byte = -1;
      } else byte = -1;
      if (byte < 0) {
        if (this.#missing > 64) this.ended = true; // read ahead, not used yet
        this.#missing += 8;
        byte = 0;
      }
      this.#held = (this.#held << 8) | byte;
      this.#count += 8;
    }
  }

  /** Bits of the held ones that are made up. */
  #missing = 0;

  #take(length: number): void {
    this.#count -= length;
    if (this.#missing > 0 && this.#count < this.#missing) this.ended = true;
  }

  bits(length: number): number {
    if (length === 0) return 0;
    if (this.#count < length) this.#fill();
    const value = (this.#held >>> (this.#count - length)) & ((1 << length) - 1);
    this.#take(length);
    return value;
  }

  /** A number of so many bits, of which the lower half stands for negative ones (T.81, F.2.2.1). */
  signed(length: number): number {
    const value = this.bits(length);
    return length > 0 && value < 1 << (length - 1) ? value - (1 << length) + 1 : value;
  }

  code({ lookup, largest, offset, values }: HuffmanTable): number {
    if (this.#count < 16) this.#fill();
    const found = lookup[(this.#held >>> (this.#count - LOOKUP)) & ((1 << LOOKUP) - 1)];
    if (found !== 0) {
      this.#take(found >> 8);
      return found & 255;
    }
    for (let length = LOOKUP + 1; length <= 16; length++) {
      const code = (this.#held >>> (this.#count - length)) & ((1 << length) - 1);
      if (code > largest[length]) continue;
      this.#take(length);
      return values[code + offset[length]];
    }
    this.#take(16);
    this.damaged = true;
    return 0;
  }

  /** Goes on behind the next marker, if it is a restart marker; gives its number or -1. */
  restart(): number {
    this.#held = 0;
    this.#count = 0;
    this.#missing = 0;
    const { bytes, end } = this;
    let { at } = this;
    while (at + 1 < end && !(bytes[at] === 0xff && bytes[at + 1] >= 0xd0 && bytes[at + 1] <= 0xd7)) at++;
    if (at + 1 >= end) {
      this.at = end;
      return -1;
    }
    this.at = at + 2;
    return bytes[at + 1] & 7;
  }
}
