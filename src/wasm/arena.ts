import { AtrousCamError } from '../base/errors.js';

const PAGE = 65536;
const ALIGNMENT = 64;
/** Binaryen folds `pointer + constant` into load offsets only if the first KiB is never addressed; 0 stays free as "no pointer". */
const FIRST = 1024;

/**
 * The one owner of the wasm memory: a bump allocator with mark and release.
 *
 *     1024 ........ weights (kept) | maps and scratch of the running call (released after it) ........ limit
 *
 * Nothing else touches `memory.buffer`. Memory grows only inside `alloc` and `reserve`; a view made before may be detached by
 * that, so views are made on demand and not kept.
 */
export class Arena {
  #top = FIRST;
  #peak = FIRST;

  /** Bytes that the memory may grow to: the caller's limit. */
  limit = Number.POSITIVE_INFINITY;

  constructor(readonly memory: WebAssembly.Memory) {}

  /** Address of `bytes` new bytes, aligned to 64, content undefined. Throws OUT_OF_MEMORY and changes nothing where they do not fit. */
  alloc(bytes: number): number {
    const start = Math.ceil(this.#top / ALIGNMENT) * ALIGNMENT;
    this.#growTo(start + bytes);
    this.#top = start + bytes;
    this.#peak = Math.max(this.#peak, this.#top);
    return start;
  }

  /** Makes sure that `bytes` more bytes (and some alignment) can be allocated without growing. */
  reserve(bytes: number): void {
    this.#growTo(this.#top + bytes + ALIGNMENT);
  }

  /** The current top, for `release`. */
  mark(): number {
    return this.#top;
  }

  /** Frees all that was allocated after `mark`. */
  release(mark: number): void {
    this.#top = mark;
  }

  /** Highest number of bytes in use since `resetPeak`, counted from `mark`. */
  peakSince(mark: number): number {
    return this.#peak - mark;
  }

  resetPeak(): void {
    this.#peak = this.#top;
  }

  /** `length` float32 at `ptr`. Valid until the next `alloc` or `reserve`. */
  f32(ptr: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, ptr, length);
  }

  /** `length` bytes at `ptr`. Valid until the next `alloc` or `reserve`. */
  u8(ptr: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, ptr, length);
  }

  /** `length` 16-bit words at `ptr`. Valid until the next `alloc` or `reserve`. */
  u16(ptr: number, length: number): Uint16Array {
    return new Uint16Array(this.memory.buffer, ptr, length);
  }

  /** `length` int32 at `ptr`. Valid until the next `alloc` or `reserve`. */
  i32(ptr: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, ptr, length);
  }

  #growTo(end: number): void {
    if (end > this.limit)
      throw new AtrousCamError(
        'OUT_OF_MEMORY',
        `memory: needs ${megabytes(end)}, more than the limit of ${megabytes(this.limit)} (limits.memoryBytes); use a smaller network or a larger output stride`,
      );
    const missing = end - this.memory.buffer.byteLength;
    if (missing <= 0) return;
    try {
      this.memory.grow(Math.ceil(missing / PAGE));
    } catch (cause) {
      throw new AtrousCamError(
        'OUT_OF_MEMORY',
        `memory: needs ${megabytes(end)} in one block, more than this environment gives; use a smaller network, a larger output stride or fewer threads`,
        { cause },
      );
    }
  }
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6).toLocaleString('en')} MB`;

/**
 * A memory for the kernels. A shared one must name its maximum, and some environments refuse large ones
 * (Safari, phones), so smaller ones are tried.
 */
export function createMemory(shared: boolean): WebAssembly.Memory {
  let failure: unknown;
  for (const maximum of [65536, 32768, 16384, 8192]) {
    try {
      return new WebAssembly.Memory({ initial: 16, maximum, shared });
    } catch (cause) {
      failure = cause;
    }
  }
  throw new AtrousCamError('OUT_OF_MEMORY', 'memory: this environment gives WebAssembly less than 512 MB', {
    cause: failure,
  });
}
