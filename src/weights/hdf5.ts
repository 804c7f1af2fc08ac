import { type Dataset, File as H5File, ready } from 'h5wasm';
import { AtrousCamError } from '../base/errors.js';
import { sizeFrom } from '../base/shape.js';
import { decodeInPlace, upperHalf } from './floats.js';
import { badWeights, quote, type SyncSource } from './source.js';
import type { RawTensor } from './tensor.js';

/**
 * An HDF5 file, read through h5wasm, whose browser build runs everywhere. The library reads through a file system inside its own
 * WebAssembly memory; `mount` puts a file there whose reads go to the source, so that no file is held whole. Only this module
 * knows h5wasm.
 */
export interface Hdf5File {
  readonly source: string;
  /** Names of the members of a group; none where there is no such group. */
  members(path: string): string[];
  /** A text attribute, also one that is kept in pieces `key0`, `key1`, ...; undefined where the object has none. */
  strings(path: string, key: string): string[] | undefined;
  /** Whether there is a dataset at `path`, of a type that is read. */
  holdsFloats(path: string): boolean;
  /** A float dataset, undefined where there is none at `path`. */
  tensor(path: string): RawTensor | undefined;
  close(): void;
}

type H5Module = Awaited<typeof ready>;
/** The build makes h5wasm's `ready` a function of the WebAssembly module's bytes (scripts/building/split-hdf5.js). */
const start = ready as unknown as (wasm: Uint8Array) => typeof ready;

/** Of names in one attribute: VGG19 has 26 layers. */
const maxNames = 10_000;
const maxAttributeBytes = 16 << 20;
let library: Promise<Library> | undefined;
let mounted = 0;

/** Opens a file. `loadLibrary` gives the bytes of h5wasm's module; it is called once in a thread. */
export async function openHdf5(source: SyncSource, loadLibrary: () => Promise<Uint8Array>): Promise<Hdf5File> {
  library ??= loadLibrary()
    .then(start)
    .then((module) => new Library(module));
  return (await library).open(source);
}

/** The parts of Emscripten's file system that are replaced below. */
interface Stream {
  stream_ops: {
    read?(stream: unknown, heap: Int8Array, at: number, length: number, position: number): number;
    write?(stream: unknown, heap: Int8Array, at: number, length: number): number;
  };
}

/** Whether an error says that the library has trapped, so that it must not be used again. */
export const isTrap = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof WebAssembly.RuntimeError;

const view = (heap: Int8Array, at: number, length: number): Uint8Array =>
  new Uint8Array(heap.buffer, heap.byteOffset + at, length);

/** h5wasm's module with its error stream caught: the C library prints there, and some of its failures are seen nowhere else. */
class Library {
  private diagnosis = '';
  /** Why a read of the file failed; the library only hears that it did. */
  private readFailure: unknown;
  /** Whether the WebAssembly code has trapped: its memory cannot be trusted from then on. */
  private broken = false;

  constructor(readonly module: H5Module) {
    const { streams } = module.FS as unknown as { streams: Stream[] };
    const stderr = streams[2];
    const write: Stream['stream_ops']['write'] = (_stream, heap, at, length) => {
      this.diagnosis += String.fromCharCode(...view(heap, at, length));
      return length;
    };
    stderr.stream_ops = { ...stderr.stream_ops, write };
  }

  open(source: SyncSource): OpenFile {
    const path = `/weights${mounted++}.h5`;
    this.mount(path, source);
    try {
      return new OpenFile(
        this,
        this.guard(source.name, () => new H5File(path, 'r')),
        source.name,
      );
    } catch (error) {
      this.module.FS.unlink(path);
      throw error;
    }
  }

  /** An empty file of Emscripten's memory file system, given the size and the bytes of `source`. */
  private mount(path: string, source: SyncSource): void {
    const { FS } = this.module;
    const { ErrnoError } = FS as unknown as { ErrnoError: new (code: number) => Error };
    FS.writeFile(path, new Uint8Array(0));
    const node = FS.lookupPath(path, {}).node as unknown as Stream & { usedBytes: number };
    node.usedBytes = source.size;
    const read: Stream['stream_ops']['read'] = (_stream, heap, at, length, position) => {
      const size = Math.min(length, source.size - position);
      if (size <= 0) return 0;
      const bytes = view(heap, at, size);
      try {
        source.readInto(position, bytes);
        if (!hasBrokenHeap(source, position, bytes)) return size;
        this.readFailure = new Error('broken global heap');
      } catch (error) {
        this.readFailure = error;
      }
      throw new ErrnoError(inputOutputError); // a JavaScript error must not unwind the C library
    };
    node.stream_ops = { ...node.stream_ops, read };
  }

  /** Runs calls of the library; what it throws or prints becomes one line. */
  guard<Result>(source: string, call: () => Result): Result {
    if (this.broken)
      throw new AtrousCamError(
        'UNSUPPORTED',
        `weights ${quote(source)}: a damaged HDF5 file has broken the reader of this thread before; start a new process or page`,
      );
    this.diagnosis = '';
    this.readFailure = undefined;
    let cause: unknown;
    try {
      const result = call();
      if (this.diagnosis === '') return result;
    } catch (error) {
      if (error instanceof AtrousCamError) throw error;
      if (error instanceof WebAssembly.RuntimeError) this.broken = true;
      cause = error;
    }
    if (!this.broken) {
      if (this.readFailure instanceof AtrousCamError) throw this.readFailure;
      cause = this.readFailure ?? cause;
    }
    // The last entry of HDF5's error stack is the innermost one: `#006: file.c line 577 in H5F__super_read(): truncated file: ...`
    const entries = this.diagnosis.split('\n').filter((line) => /^\s*#\d+/.test(line));
    const innermost = this.readFailure ? undefined : entries.pop()?.replace(/^.*?\(\): /, '');
    const reason = innermost ?? String((cause as Error)?.message ?? 'unknown error');
    throw badWeights(source, `the HDF5 file is damaged or truncated (${quote(reason)})`, { cause });
  }
}

class OpenFile implements Hdf5File {
  private open = true;

  constructor(
    private readonly library: Library,
    private readonly file: H5File,
    readonly source: string,
  ) {}

  members(path: string): string[] {
    return this.call(() =>
      this.isA(path, 'group') ? [...this.library.module.get_names(this.file.file_id, path, false)] : [],
    );
  }

  strings(path: string, key: string): string[] | undefined {
    return this.call(() => {
      if (!this.isA(path, 'group')) return undefined;
      const names = new Set(this.library.module.get_attribute_names(this.file.file_id, path));
      if (names.has(key)) return this.textAttribute(path, key);
      if (!names.has(`${key}0`)) return undefined;
      const all: string[] = [];
      for (let i = 0; names.has(`${key}${i}`); i++) all.push(...this.textAttribute(path, `${key}${i}`));
      return all;
    });
  }

  holdsFloats(path: string): boolean {
    return this.call(() => this.isA(path, 'dataset') && this.isFloat(this.file.get(path) as Dataset));
  }

  tensor(path: string): RawTensor | undefined {
    return this.call(() => {
      if (!this.isA(path, 'dataset')) return undefined;
      const dataset = this.file.get(path) as Dataset;
      if (!this.isFloat(dataset))
        throw badWeights(
          this.source,
          `dataset ${quote(path)}: expected float32 or float64 (or float16), little-endian`,
        );
      const { shape } = dataset.metadata;
      return { name: path, shape: shape ?? [], readRows: async (first, target) => this.rows(dataset, first, target) };
    });
  }

  private isFloat({ metadata: { type, size, littleEndian } }: Dataset): boolean {
    const { H5T_class_t } = this.library.module;
    return type === H5T_class_t.H5T_FLOAT.value && littleEndian && [2, 4, 8].includes(size);
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    try {
      this.library.guard(this.source, () => this.file.close());
    } catch {} // the damage that shows here has been reported or is of no consequence
    this.library.module.FS.unlink(this.file.filename);
  }

  /** Through a piece of the library's memory; its own `slice` makes a new array for each call, 140 MB that wait to be collected. */
  private rows({ path, metadata }: Dataset, first: number, target: Float32Array): void {
    const { module } = this.library;
    const shape = metadata.shape!;
    const rows = target.length / sizeFrom(shape, 1);
    const count = [rows, ...shape.slice(1)].map(BigInt);
    const offset = shape.map((_, i) => BigInt(i === 0 ? first : 0));
    const strides = shape.map(() => 1n);
    this.call(() => {
      const pointer = module._malloc(metadata.size * target.length);
      if (pointer === 0) throw badWeights(this.source, `dataset ${quote(path)}: its rows are too long to be read`);
      try {
        module.get_dataset_data(this.file.file_id, path, count, offset, strides, BigInt(pointer));
        const { buffer } = module.HEAPU8;
        if (metadata.size === 2) {
          upperHalf(target).set(new Uint16Array(buffer, pointer, target.length));
          decodeInPlace('F16', target);
        } else if (metadata.size === 4) target.set(new Float32Array(buffer, pointer, target.length));
        else target.set(new Float64Array(buffer, pointer, target.length));
      } finally {
        module._free(pointer);
      }
    });
  }

  private textAttribute(path: string, key: string): string[] {
    const { file_id } = this.file;
    const { module } = this.library;
    const { type, size, total_size, vlen } = module.get_attribute_metadata(file_id, path, key);
    if (!(total_size <= maxNames && size * total_size <= maxAttributeBytes))
      throw badWeights(
        this.source,
        `attribute ${quote(key)} of ${quote(path)}: expected at most ${maxNames} names, got ${total_size} of ${size} bytes`,
      );
    if (total_size === 0) return []; // of any type: empty lists have none of their own
    if (type !== module.H5T_class_t.H5T_STRING.value)
      throw badWeights(this.source, `attribute ${quote(key)} of ${quote(path)}: expected text`);
    const bytes = size * total_size;
    const pointer = module._malloc(bytes);
    // Zeros, because the library leaves them when it fails and then frees what they point to; `get_attribute` of h5wasm crashes here.
    module.HEAPU8.fill(0, pointer, pointer + bytes);
    try {
      module.get_attribute_data(file_id, path, key, BigInt(pointer));
      const data = module.HEAPU8.slice(pointer, pointer + bytes);
      return vlen
        ? Array.from(new Uint32Array(data.buffer), (text) => module.UTF8ToString(text))
        : fixedTexts(data, size);
    } finally {
      if (vlen) module.reclaim_vlen_memory(file_id, path, key, BigInt(pointer));
      module._free(pointer);
    }
  }

  private isA(path: string, kind: 'group' | 'dataset'): boolean {
    const { module } = this.library;
    return module.get_type(this.file.file_id, path) === (kind === 'group' ? module.H5G_GROUP : module.H5G_DATASET);
  }

  private call<Result>(action: () => Result): Result {
    if (!this.open) throw new AtrousCamError('BAD_ARGUMENT', `weights ${quote(this.source)}: the file is closed`);
    return this.library.guard(this.source, action);
  }
}

/** Texts of `size` bytes each, padded with NUL. */
function fixedTexts(data: Uint8Array, size: number): string[] {
  const decoder = new TextDecoder();
  return Array.from({ length: data.length / size }, (_, i) => {
    const text = data.subarray(i * size, (i + 1) * size);
    const end = text.indexOf(0);
    return decoder.decode(end < 0 ? text : text.subarray(0, end));
  });
}

/** EIO in Emscripten's numbering. */
const inputOutputError = 29;

/**
 * Whether the bytes contain a global heap (where variable-length names are kept) that is not a chain of entries up to its end:
 * libhdf5 2.0 steps from entry to entry without checking that it advances, so that a download with a hole in it would hang it.
 * https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html#GlobalHeap
 */
function hasBrokenHeap(source: SyncSource, position: number, bytes: Uint8Array): boolean {
  if (bytes.length > maxHeapBytes) return false; // tensor data; metadata come in small pieces
  for (let at = -position & 7; at + 16 <= bytes.length; at += 8) {
    const isHeap = bytes[at] === 0x47 && bytes[at + 1] === 0x43 && bytes[at + 2] === 0x4f && bytes[at + 3] === 0x4c; // GCOL
    if (!isHeap) continue;
    const size = Number(new DataView(bytes.buffer, bytes.byteOffset + at + 8, 8).getBigUint64(0, true));
    if (size < 16 || size > Math.min(maxHeapBytes, source.size - position - at)) return true;
    const collection = new Uint8Array(size);
    source.readInto(position + at, collection);
    if (!isChain(collection)) return true;
  }
  return false;
}

const maxHeapBytes = 4 << 20;

/** Walks the entries (index u16, references u16, reserved u32, size u64, data); index 0 is the free space at the end, head included. */
function isChain(collection: Uint8Array): boolean {
  const data = new DataView(collection.buffer);
  let at = 16;
  while (at + 16 <= collection.length) {
    const size = Number(data.getBigUint64(at + 8, true));
    if (data.getUint16(at, true) === 0) return at + size === collection.length;
    at += 16 + Math.ceil(size / 8) * 8;
  }
  return at <= collection.length;
}
