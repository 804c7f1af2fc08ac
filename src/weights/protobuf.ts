import { type ByteSource, badWeights } from './source.js';

/** One field of a message: a number, or the place of its bytes in the file. */
export interface Field {
  readonly number: number;
  /** 0: varint, 1: 64 bits, 2: bytes, 5: 32 bits. */
  readonly wire: number;
  /** The value of a varint; as the wire format has no sign, -1 is 2^64 - 1. */
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
      if (number === 0 || offset + size > end) throw this.#damaged(at);
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
    return new TextDecoder().decode(await this.bytes(field, 1 << 16));
  }

  /** The whole numbers of a repeated field, which come one by one or packed. */
  async numbers(field: Field, most: number): Promise<number[]> {
    if (field.wire === 0) return [field.value];
    const values = new Array<number>(most);
    values.length = await this.unpack(field, values);
    return values;
  }

  /** Writes the numbers of a packed field to `target`, as many as it has room for at most; returns how many there are. */
  async unpack(field: Field, target: { [index: number]: number; readonly length: number }): Promise<number> {
    const bytes = await this.bytes(field, 10 * target.length);
    let [count, value, scale] = [0, 0, 1];
    for (const byte of bytes) {
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte >= 0x80) continue;
      if (count === target.length) throw this.#damaged(field.offset);
      target[count++] = value;
      [value, scale] = [0, 1];
    }
    if (scale !== 1) throw this.#damaged(field.offset);
    return count;
  }

  /** Seven bits a byte, the lowest first. Digits beyond 2^53 are lost, which no size or index in a file needs. */
  async #varint(at: number, end: number): Promise<{ value: number; next: number }> {
    await this.#cover(at, Math.min(end, at + 10));
    let value = 0;
    for (let i = 0; i < 10 && at + i < end; i++) {
      const byte = this.#window[at + i - this.#start];
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return { value, next: at + i + 1 };
    }
    throw this.#damaged(at);
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
