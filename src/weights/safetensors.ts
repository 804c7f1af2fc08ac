import { sizeFrom } from '../base/shape.js';
import { type ByteSource, badWeights, quote } from './source.js';
import type { RawTensor } from './tensor.js';
import { StoredTensor, type TensorFile } from './tensor-file.js';

interface Entry {
  dtype: string;
  shape: number[];
  /** Bytes from the end of the header. */
  begin: number;
}

/** VGG19's header is 3 kB. The format's own library takes 100 MB, which as JSON objects would be a gigabyte. */
const maxHeader = 16 << 20;
const byteSizes = new Map(
  Object.entries({
    BOOL: 1,
    U8: 1,
    I8: 1,
    F8_E5M2: 1,
    F8_E4M3: 1,
    U16: 2,
    I16: 2,
    F16: 2,
    BF16: 2,
    U32: 4,
    I32: 4,
    F32: 4,
    U64: 8,
    I64: 8,
    F64: 8,
  }),
);

/**
 * Opens a safetensors file (https://github.com/huggingface/safetensors#format): reads and checks the header; every tensor is known
 * to lie in the file and to have as many bytes as its shape needs.
 */
export async function openSafetensors(source: ByteSource): Promise<TensorFile> {
  const bad = (message: string) => badWeights(source.name, `safetensors header: ${message}`);
  if (source.size < 10) throw bad(`expected at least 10 bytes, got ${source.size}`);
  const prefix = await source.read(0, 8);
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
  const room = Math.min(maxHeader, source.size - 8);
  if (length > room)
    throw bad(`expected a length of at most ${room} bytes, got ${length}; the file is truncated or of another format`);
  const header = parseObject(await source.read(8, length), bad);

  const metadata = new Map<string, string>();
  const tensors = new Map<string, RawTensor>();
  for (const [name, value] of header) {
    if (name === '__metadata__') {
      for (const [key, text] of objectEntries(value, '"__metadata__"', bad)) {
        if (typeof text !== 'string') throw bad(`expected text for metadata ${quote(key)}, got ${typeof text}`);
        metadata.set(key, text);
      }
    } else {
      const { dtype, shape, begin } = checkEntry(name, value, source.size - 8 - length, bad);
      tensors.set(name, new StoredTensor(source, name, dtype, shape, 8 + length + begin));
    }
  }
  return { source: source.name, tensors, metadata };
}

type Bad = (message: string) => Error;

function parseObject(bytes: Uint8Array, bad: Bad): [string, unknown][] {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    throw bad(`not valid JSON in UTF-8 (${(cause as Error).message.replace(/\s+/g, ' ').slice(0, 100)})`);
  }
  const entries = objectEntries(value, 'the header', bad);
  const twice = duplicateKey(text);
  if (twice !== undefined) throw bad(`${quote(twice)} occurs twice`);
  return entries;
}

function objectEntries(value: unknown, what: string, bad: Bad): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw bad(`expected ${what} to be an object`);
  return Object.entries(value); // own keys only, so that "__proto__" is a name like any other
}

/** The first key that an object of the (valid) JSON text holds twice; JSON.parse would silently keep the last. */
function duplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  const special = /["{}]/g;
  for (let match = special.exec(text); match; match = special.exec(text)) {
    if (match[0] === '{') open.push(new Set());
    else if (match[0] === '}') open.pop();
    else {
      const end = stringEnd(text, match.index);
      special.lastIndex = end;
      if (!/^\s*:/.test(text.slice(end, end + 100))) continue; // a value
      const key: string = JSON.parse(text.slice(match.index, end));
      const keys = open[open.length - 1];
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/** Where the JSON string that begins at `start` is over: the first quote with an even number of backslashes before it. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return end + 1;
  }
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function checkEntry(name: string, value: unknown, dataSize: number, bad: Bad): Entry {
  const fields = new Map(objectEntries(value, quote(name), bad));
  const dtype = fields.get('dtype');
  const shape = fields.get('shape');
  const offsets = fields.get('data_offsets');
  if (typeof dtype !== 'string') throw bad(`expected a "dtype" in ${quote(name)}`);
  if (!Array.isArray(shape) || !shape.every(isSize)) throw bad(`expected a "shape" of whole numbers in ${quote(name)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    throw bad(`expected two "data_offsets" in ${quote(name)}`);
  const [begin, end] = offsets;
  if (begin > end) throw bad(`expected ${quote(name)} to begin before it ends, got [${begin}, ${end}]`);
  if (end > dataSize)
    throw bad(`expected ${quote(name)} to end at ${end}, got ${dataSize} bytes of data; the file is truncated`);
  const size = byteSizes.get(dtype);
  const bytes = (size ?? 0) * sizeFrom(shape); // may lose digits only where it is far above any file
  if (size !== undefined && bytes !== end - begin)
    throw bad(`expected ${bytes} bytes for ${quote(name)} (${dtype} [${shape}]), got ${end - begin}`);
  return { dtype, shape, begin };
}
