import type { Precision } from '../base/types.js';
import type { Workspace } from '../operators/convolution.js';
import type { Job, View } from '../wasm/job.js';
import type { Runtime } from '../wasm/runtime.js';

/**
 * The memory and the threads that calls share: operands in, jobs, results out. Addresses are in bytes, lengths in
 * float32.
 */
export class Session {
  constructor(
    readonly runtime: Runtime,
    readonly precision: Precision,
  ) {}

  /** Runs `body` and frees what it allocated. */
  scoped<T>(body: () => T): T {
    const { arena } = this.runtime;
    const mark = arena.mark();
    try {
      return body();
    } finally {
      arena.release(mark);
    }
  }

  /** Runs jobs one after the other. */
  run(jobs: readonly Job[]): void {
    for (const job of jobs) this.runtime.run(job);
  }

  /** Room for `length` numbers, whose values are undefined. */
  alloc(length: number): number {
    return this.runtime.arena.alloc(4 * length);
  }

  /** A copy of `data`. */
  put(data: Float32Array): number {
    const ptr = this.alloc(data.length);
    this.set(ptr, data);
    return ptr;
  }

  /** A copy of `data`; 0 where there is none. */
  putIf(data: Float32Array | undefined): number {
    return data ? this.put(data) : 0;
  }

  /** Writes `data` to `ptr`. */
  set(ptr: number, data: Float32Array): void {
    this.runtime.arena.f32(ptr, data.length).set(data);
  }

  /** Writes zeros to `ptr`. */
  clear(ptr: number, length: number): void {
    this.runtime.arena.f32(ptr, length).fill(0);
  }

  /** A new array with `length` numbers from `ptr` on. */
  get(ptr: number, length: number): Float32Array {
    return this.runtime.arena.f32(ptr, length).slice();
  }

  workspace(bytes: number): Workspace {
    return { ptr: this.alloc(bytes / 4), bytes };
  }
}

/** Numbers of a map. */
export const elements = ({ h, w, c }: Pick<View, 'h' | 'w' | 'c'>): number => h * w * c;

/** Map i of a batch that begins with the dense map `v`. */
export const image = (v: View, i: number): View => ({ ...v, ptr: v.ptr + 4 * i * elements(v) });
