import type { Transferred } from '../base/channel.js';
import { canBeSent, isDrawable, pixelsOf, sizeOf } from '../image/drawable.js';
import type { Input } from './messages.js';

/** A picture or a weight file made ready for the worker, and the buffers that go along. */
export interface Packed {
  input: Input;
  transfer: Transferred[];
}

/**
 * Blobs and files are posted, not read. Of an array exactly its part of the buffer is copied (a clone would take the whole
 * buffer along), unless `move` is asked for and the buffer holds nothing else.
 */
export function packInput(input: unknown, move: boolean): Packed {
  if (isDrawable(input)) {
    if (!canBeSent(input)) return packInput(pixelsOf(input), true);
    sizeOf(input); // a closed one is refused here, where it can be said in words
    return { input: { value: input }, transfer: move ? [input] : [] };
  }
  if (Array.isArray(input)) {
    const packed = input.map((one) => packInput(one, move));
    return {
      input: { several: packed.map(({ input }) => input) },
      transfer: [...new Set(packed.flatMap(({ transfer }) => transfer))],
    };
  }
  if (input instanceof URL) return { input: { url: input.href }, transfer: [] };
  if (typeof Blob !== 'undefined' && input instanceof Blob) {
    const { name } = input as Partial<File>;
    return { input: { blob: input, name }, transfer: [] };
  }
  if (ArrayBuffer.isView(input) || input instanceof ArrayBuffer) {
    const bytes = ownBytes(input, move);
    return { input: { value: bytes }, transfer: [bytes.buffer] };
  }
  if (isPixels(input)) {
    const { width, height } = input;
    const data = ownBytes(input.data, move);
    return { input: { value: { width, height, data } }, transfer: [data.buffer] };
  }
  return { input: { value: input }, transfer: [] };
}

export function unpackInput(input: Input): unknown {
  if ('several' in input) return input.several.map(unpackInput);
  if ('url' in input) return new URL(input.url);
  if ('value' in input) return input.value;
  const { blob, name } = input;
  return name === undefined || 'name' in blob ? blob : new File([blob], name); // Node clones a File to a Blob
}

/** The buffers of all arrays in a result, each once. */
export function buffersOf(value: unknown, found = new Set<ArrayBuffer>()): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
  } else if (typeof value === 'object' && value !== null)
    for (const part of Object.values(value)) buffersOf(part, found);
  return [...found];
}

const isPixels = (input: unknown): input is { width: number; height: number; data: ArrayBufferView } =>
  typeof input === 'object' && input !== null && 'data' in input && ArrayBuffer.isView(input.data) && 'width' in input;

function ownBytes(data: ArrayBufferView | ArrayBuffer, move: boolean): Uint8Array<ArrayBuffer> {
  const bytes = ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
  const { buffer } = bytes;
  const whole = buffer instanceof ArrayBuffer && bytes.byteLength === buffer.byteLength;
  return move && whole ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
