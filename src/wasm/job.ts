import { KERNEL_FIELDS } from './assembly.js';

/**
 * A kernel call as data. Every export of the wasm modules has the signature
 * `name(args: usize, task: i32, scratch: usize): void`: `args` points to the job's 32-bit fields in the order of the kernel's
 * `@unmanaged` class in assembly/, `task` runs from 0 to `tasks - 1` in any order and on any thread, `scratch` is the running
 * thread's own area of at least `scratch` bytes, whose content means nothing between tasks.
 * Each output element is written by exactly one task, so results do not depend on the number of threads.
 */
export interface Job {
  readonly kernel: string;
  /** Integers (pointers in bytes, sizes, strides) in field order; float fields as their bits (`floatBits`). */
  readonly args: readonly number[];
  readonly tasks: number;
  /** Bytes of per-thread scratch, 0 where none is needed. */
  readonly scratch: number;
}

/** The kernels by name. */
export type KernelName = keyof typeof KERNEL_FIELDS;

/** What a struct of assembly/ is filled with: integers (pointers in bytes, sizes, strides; truth values as 1 and 0) and float32. */
export type Fields<S> = { readonly [F in keyof S]: S[F] extends 'i32' ? number | boolean : number };

/** Refuses fields that the struct has not, also where they come from a spread or a variable. */
type Only<F, S> = { readonly [X in Exclude<keyof F, keyof S>]: never };

/** The fields of each struct as a list, made once: jobs are made by the thousand. */
const ENTRIES = new WeakMap<object, readonly [string, string][]>();

/** The 32-bit fields of a struct in its order. */
export function fieldValues<S extends Readonly<Record<string, string>>, F extends Fields<S>>(
  struct: S,
  values: F & Only<F, S>,
): number[] {
  const entries = ENTRIES.get(struct) ?? Object.entries(struct);
  ENTRIES.set(struct, entries);
  return entries.map(([name, type]) => {
    const value = Number(values[name as keyof S]);
    return type === 'f32' ? floatBits(value) : value;
  });
}

/**
 * A job of a kernel, its fields by name.
 *
 * @example
 * job('softmax', { x, y, columns }, rows);
 */
export function job<K extends KernelName, F extends Fields<(typeof KERNEL_FIELDS)[K]>>(
  kernel: K,
  fields: F & Only<F, (typeof KERNEL_FIELDS)[K]>,
  tasks: number,
  scratch = 0,
): Job {
  return { kernel, args: fieldValues(KERNEL_FIELDS[kernel], fields), tasks, scratch };
}

/**
 * A map in the wasm memory, NHWC with N = 1: element (y, x, k) is the float32 at `ptr + 4 * (y * row + x * pix + k)`.
 * A phase of a map is a view into it: there is no copy.
 */
export interface View {
  /** Byte address, a multiple of 16 for maps the engine allocates. */
  readonly ptr: number;
  readonly h: number;
  readonly w: number;
  readonly c: number;
  /** Floats from one row to the next. */
  readonly row: number;
  /** Floats from one pixel to the next; at least `c`. */
  readonly pix: number;
}

/** Address and strides of a view as the fields `name`, `nameRow` and `namePix`, in floats. */
export const at = <N extends string>(name: N, { ptr, row, pix }: View) =>
  ({ [name]: ptr, [`${name}Row`]: row, [`${name}Pix`]: pix }) as Record<N | `${N}Row` | `${N}Pix`, number>;

/**
 * Where the windows of an operation lie, in the coordinates of its views: output (i, j) sees row stride i + dilation a + startY of the input for
 * row a of its taps, and column stride j + dilation e + startX for column e. What lies beyond the input is padding.
 */
export interface WindowCall {
  readonly stride: number;
  readonly dilation: number;
  readonly startY: number;
  readonly startX: number;
}

/** Bounds of an output: min(max(y, low), high). NaN stays NaN. */
export interface Clip {
  readonly low: number;
  readonly high: number;
}

/** The bounds of a ReLU. */
export const RELU: Clip = { low: 0, high: Number.POSITIVE_INFINITY };
/** No bounds. */
export const UNCLIPPED: Clip = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

/** A dense (h, w, c) map at `ptr`. */
export const view = (ptr: number, h: number, w: number, c: number): View => ({ ptr, h, w, c, row: w * c, pix: c });

/** Channels first .. first + count - 1 of `v`. */
export const slice = (v: View, first: number, count: number): View => ({ ...v, ptr: v.ptr + 4 * first, c: count });

/** The pixels of `v` whose row is y and whose column is x modulo `rate`. */
export const phase = (v: View, rate: number, y: number, x: number): View => ({
  ptr: v.ptr + 4 * (y * v.row + x * v.pix),
  h: Math.max(0, Math.ceil((v.h - y) / rate)),
  w: Math.max(0, Math.ceil((v.w - x) / rate)),
  c: v.c,
  row: v.row * rate,
  pix: v.pix * rate,
});

const bits = new DataView(new ArrayBuffer(4));

/** The 32-bit pattern of a float32, for float fields of `Job.args`. */
export function floatBits(value: number): number {
  bits.setFloat32(0, value);
  return bits.getInt32(0);
}
