import { afterAll } from 'vitest';
import type { View } from '../../src/wasm/job.js';
import { Runtime } from '../../src/wasm/runtime.js';

/** The four builds: each instruction set on plain (one thread) and shared memory. Node 20 gets relaxed SIMD by a flag that Runtime sets. */
export const builds = [
  { kernels: 'simd', threads: 1 },
  { kernels: 'simd', threads: 2 },
  { kernels: 'relaxed', threads: 1 },
  { kernels: 'relaxed', threads: 2 },
] as const;

/** A value outside every range a kernel may write: what is not overwritten keeps it. */
export const UNTOUCHED = 12345;

/** A test file's runtimes by build: starting threads takes longer than most tests. */
const runtimes = new Map<object, Runtime>();
afterAll(() => {
  for (const runtime of runtimes.values()) runtime.dispose();
  runtimes.clear();
});

/** Runs `body` on a runtime of a build and frees what it allocates. The memory holds what earlier tests left in it. */
export async function onRuntime<T>(build: (typeof builds)[number], body: (runtime: Runtime) => T): Promise<T> {
  const runtime = runtimes.get(build) ?? (await Runtime.create(build));
  runtimes.set(build, runtime);
  const mark = runtime.arena.mark();
  try {
    return body(runtime);
  } catch (error) {
    runtimes.delete(build); // a job may have stopped half-way
    runtime.dispose();
    throw error;
  } finally {
    runtime.arena.release(mark);
  }
}

/** What has the memory that kernels run on. */
export type Memory = Pick<Runtime, 'arena'>;

/** Address of a copy of `data`. */
export function put(runtime: Memory, data: ArrayLike<number>): number {
  const ptr = runtime.arena.alloc(4 * data.length);
  runtime.arena.f32(ptr, data.length).set(data);
  return ptr;
}

/** Address of a copy of `data` that ends where the memory ends, so that reading or writing behind it traps. */
export function putLast(runtime: Memory, data: ArrayLike<number>): number {
  const { arena } = runtime;
  const bytes = 4 * data.length;
  arena.reserve(bytes);
  const end = arena.memory.buffer.byteLength;
  arena.alloc(end - 64 * Math.ceil(arena.mark() / 64)); // all that is left: nothing else will lie there
  arena.f32(end - bytes, data.length).set(data);
  return end - bytes;
}

/** Address of `length` floats that read UNTOUCHED. */
export const reserve = (runtime: Memory, length: number): number =>
  put(runtime, new Float32Array(length).fill(UNTOUCHED));

/** A copy of `length` floats at `ptr`. */
export const get = (runtime: Memory, ptr: number, length: number): Float32Array =>
  runtime.arena.f32(ptr, length).slice();

/** The elements of a view, dense. */
export function readView(runtime: Memory, v: View): Float32Array {
  const data = runtime.arena.f32(0, runtime.arena.memory.buffer.byteLength / 4);
  const dense = new Float32Array(v.h * v.w * v.c);
  for (let y = 0; y < v.h; y++)
    for (let x = 0; x < v.w; x++)
      for (let k = 0; k < v.c; k++) dense[(y * v.w + x) * v.c + k] = data[v.ptr / 4 + y * v.row + x * v.pix + k];
  return dense;
}

/** Writes a dense map into a view. */
export function writeView(runtime: Memory, v: View, dense: ArrayLike<number>): void {
  const data = runtime.arena.f32(0, runtime.arena.memory.buffer.byteLength / 4);
  for (let y = 0; y < v.h; y++)
    for (let x = 0; x < v.w; x++)
      for (let k = 0; k < v.c; k++) data[v.ptr / 4 + y * v.row + x * v.pix + k] = dense[(y * v.w + x) * v.c + k];
}

/**
 * A view with gaps between channels, pixels and rows, as a phase of a wider map or a slice of its channels has; filled with `dense`, or
 * UNTOUCHED.
 */
export function gappedView(
  runtime: Runtime,
  { h, w, c }: Pick<View, 'h' | 'w' | 'c'>,
  dense?: ArrayLike<number>,
): View {
  const pix = c + 3;
  const row = w * pix + 5;
  const v = { ptr: reserve(runtime, h * row + c), h, w, c, row, pix };
  if (dense) writeView(runtime, v, dense);
  return v;
}

/** How many of the floats around the elements of a `gappedView` have been written. */
export function writtenGaps(runtime: Runtime, v: View): number {
  const inside = new Set<number>();
  for (let y = 0; y < v.h; y++)
    for (let x = 0; x < v.w; x++) for (let k = 0; k < v.c; k++) inside.add(y * v.row + x * v.pix + k);
  return get(runtime, v.ptr, v.h * v.row + v.c).filter((value, i) => !inside.has(i) && value !== UNTOUCHED).length;
}
