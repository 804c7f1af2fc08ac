import { type ByteSource, badWeights } from './source.js';

/** One field of a message: a number, or the place of its bytes in the file. */
export interface Field {
  readonly number: number;
  /** 0: varint, 1: 64 bits, 2: bytes, 5: 32 bits. */
  readonly wire: number;
  /** The value of a varint as a 64-bit number with a sign; exact up to 2^53. */
  readonly value: number;
  readonly offset: number;
  readonly size: number;
}

/** Bytes that are read at once: a tensor's name and shape are found with one read, its numbers are stepped over. */
const windowSize = 4096;

/**
 * Walks messages in Protocol Buffers' wire format (https://protobuf.dev/programming-guides/encoding) without reading the fields that
 * nobody asks for, so that of ONNX' 553 MB for VGG16 a few kilobytes are read.
 */
export class ProtobufReader {
  #window: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(readonly source: ByteSource) {}

  /** The fields of the message in [begin, end), in order. */
  async *fields(begin: number, end: number): AsyncGenerator<Field> {
    for (let at = begin; at < end; ) {
      const tag = await this.#varint(at, end);
      if (tag.value < 8) throw this.#damaged(at); // field 0, or a sign
      const [number, wire] = [Math.floor(tag.value / 8), tag.value % 8];
      let [value, offset, size] = [0, tag.next, 0];
      if (wire === 0) {
        const varint = await this.#varint(offset, end);
        value = varint.value;
        size = varint.next - offset;
      } else if (wire === 1) size = 8;
      else if (wire === 5) size = 4;
      else if (wire === 2) {
        const length = await this.#varint(offset, end);
        offset = length.next;
        size = length.value;
      } else throw this.#damaged(at);
      if (size < 0 || offset + size > end) throw this.#damaged(at);
      yield { number, wire, value, offset, size };
      at = offset + size;
    }
  }

  /** A field's bytes. */
  async bytes({ offset, size }: Field, most: number): Promise<Uint8Array> {
    if (size > most)
      throw badWeights(this.source.name, `ONNX: expected at most ${most} bytes at ${offset}, got ${size}`);
    await this.#cover(offset, Math.min(this.source.size, offset + size));
    return this.#window.subarray(offset - this.#start, offset - this.#start + size);
  }

  async text(field: Field): Promise<string> {
    if (field.wire !== 2) throw this.#damaged(field.offset);
    return new TextDecoder().decode(await this.bytes(field, 1 << 16));
  }

  /** The whole numbers of a repeated field, which come one by one or packed. */
  async numbers(field: Field, most: number): Promise<number[]> {
    if (field.wire === 0) return [field.value];
    if (field.wire !== 2) throw this.#damaged(field.offset);
    const values = new Array<number>(most);
    values.length = await this.unpack(field, values);
    return values;
  }

  /** The float32 numbers of a repeated field, which come one by one or packed. */
  async floats(field: Field, most: number): Promise<Float32Array> {
    if (field.wire !== 5 && (field.wire !== 2 || field.size % 4 !== 0)) throw this.#damaged(field.offset);
    const bytes = await this.bytes(field, 4 * most);
    return new Float32Array(Uint8Array.from(bytes).buffer); // a copy, because the bytes may not be aligned
  }

  /** A message of a name and a text (StringStringEntryProto). */
  async entry({ offset, size }: Field): Promise<[string, string]> {
    const entry: [string, string] = ['', ''];
    for await (const field of this.fields(offset, offset + size))
      if (field.number === 1 || field.number === 2) entry[field.number - 1] = await this.text(field);
    return entry;
  }

  /** Writes the numbers of a packed field to `target`, as many as it has room for at most; returns how many there are. */
  async unpack(field: Field, target: { [index: number]: number; readonly length: number }): Promise<number> {
    const bytes = await this.bytes(field, 10 * target.length);
    let count = 0;
    for (let at = 0; at < bytes.length; ) {
      const varint = decodeVarint(bytes, at, bytes.length);
      if (!varint || count === target.length) throw this.#damaged(field.offset);
      target[count++] = varint.value;
      at = varint.next;
    }
    return count;
  }

  async #varint(at: number, end: number): Promise<{ value: number; next: number }> {
    const last = Math.min(end, at + 10);
    await this.#cover(at, last);
    const varint = decodeVarint(this.#window, at - this.#start, last - this.#start);
    if (!varint) throw this.#damaged(at);
    return { value: varint.value, next: varint.next + this.#start };
  }

  async #cover(begin: number, end: number): Promise<void> {
    if (begin >= this.#start && end <= this.#start + this.#window.length) return;
    const length = Math.min(this.source.size - begin, Math.max(windowSize, end - begin));
    this.#window = await this.source.read(begin, length);
    this.#start = begin;
  }

  #damaged(at: number): Error {
    return badWeights(this.source.name, `ONNX: the message at byte ${at} is damaged or cut off`);
  }
}

/** Seven bits a byte, the lowest first, as an int64; nothing where the bytes end before. Digits beyond 2^53 are lost, but not the sign. */
function decodeVarint(bytes: Uint8Array, at: number, end: number): { value: number; next: number } | undefined {
  let value = 0;
  const last = Math.min(end, at + 10);
  for (let i = at, scale = 1; i < last; i++, scale *= 128) {
    value += (bytes[i] & 0x7f) * scale;
    if (bytes[i] >= 0x80) continue;
    if (i - at < 7) return { value, next: i + 1 };
    let exact = 0n;
    for (let k = i; k >= at; k--) exact = (exact << 7n) | BigInt(bytes[k] & 0x7f);
    return { value: Number(BigInt.asIntN(64, exact)), next: i + 1 };
  }
  return undefined;
}
