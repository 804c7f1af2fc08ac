import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { Arena, createMemory } from '../../src/wasm/arena.js';
import { type Job, phase, type View } from '../../src/wasm/job.js';
import { Runtime } from '../../src/wasm/runtime.js';
import { get, put, readView, reserve, UNTOUCHED, writeView } from './kernels.js';

/** What runs jobs on a memory. */
export interface Machine extends Pick<Runtime, 'arena' | 'run' | 'dispose'> {
  readonly title: string;
}

/** One to three threads, and one that takes the last task first and finds its scratch full of NaN before each. */
export async function startMachines(kernels: 'simd' | 'relaxed'): Promise<Machine[]> {
  const threaded = [1, 2, 3].map(async (threads) => {
    const runtime = await Runtime.create({ kernels, threads });
    return {
      title: `${threads} threads`,
      arena: runtime.arena,
      run: (job: Job) => runtime.run(job),
      dispose: () => runtime.dispose(),
    };
  });
  const started = await Promise.all(threaded); // relaxed SIMD is then switched on
  return [...started, await backwards(kernels)];
}

async function backwards(kernels: 'simd' | 'relaxed'): Promise<Machine> {
  const memory = createMemory(false);
  const abort = () => {
    throw new Error('kernel aborted');
  };
  const bytes = readFileSync(new URL(`../../build/kernels.${kernels}.wasm`, import.meta.url));
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory, abort } });
  const arena = new Arena(memory);
  const args = arena.alloc(256);
  const scratch = arena.alloc(5 * 2 ** 16);
  const run = (job: Job) => {
    arena.i32(args, job.args.length).set(job.args);
    for (let task = job.tasks - 1; task >= 0; task--) {
      arena.f32(scratch, job.scratch / 4).fill(Number.NaN);
      (instance.exports[job.kernel] as (...fields: number[]) => void)(args, task, scratch);
    }
  };
  return { title: 'tasks backwards', arena, run, dispose: () => {} };
}

/** Fails unless both have the same bits; faster than a matcher. */
export function expectBits(actual: Float32Array, expected: Float32Array, what: string): void {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);
  if (Buffer.compare(bytes(actual), bytes(expected)) !== 0) expect(actual, what).toEqual(expected);
}

type Size = Pick<View, 'h' | 'w' | 'c'>;

/**
 * How a map lies in the memory: by itself, as a slice of more channels with gaps behind rows, or as a phase of a larger
 * map.
 */
export const LAYOUTS = ['dense', 'slice', 'phase'] as const;
export type Layout = (typeof LAYOUTS)[number];

/** A map in one of the layouts, in a buffer of its own whose rest reads UNTOUCHED. */
export interface Placed {
  readonly view: View;
  /** The buffer, with what should be in it beside the map. */
  readonly start: number;
  readonly before: Float32Array;
}

/** Room for a map, with the content `dense` or UNTOUCHED. */
export function place(machine: Machine, { h, w, c }: Size, layout: Layout, dense?: ArrayLike<number>): Placed {
  const [pix, gap] = layout === 'slice' ? [c + 3, 5] : [c, 0];
  const rate = layout === 'phase' ? 2 : 1;
  const row = rate * w * pix + gap;
  const length = rate * h * row + 8;
  const start = reserve(machine, length);
  const whole: View = { ptr: start + 16, h: rate * h, w: rate * w, c, row, pix };
  const view = phase(whole, rate, rate - 1, rate - 1);
  if (dense) writeView(machine, view, dense);
  return { view, start, before: get(machine, start, length) };
}

/** Fails where something was written beside the map. */
export function expectGuarded(machine: Machine, { view, start, before }: Placed, what: string): void {
  const after = get(machine, start, before.length);
  const first = view.ptr - start;
  for (let i = 0; i < view.h; i++)
    for (let j = 0; j < view.w; j++) {
      const at = first / 4 + i * view.row + j * view.pix;
      after.set(before.subarray(at, at + view.c), at);
    }
  expectBits(after, before, `${what}: what lies beside the map`);
  expect(before[0], `${what}: in front of the map`).toBe(UNTOUCHED);
}

/** A map for `everywhere`; an output without data reads UNTOUCHED before. */
export interface Given extends Size {
  readonly data?: ArrayLike<number>;
}

/**
 * Runs jobs on every machine with the maps in every layout, and returns what is then in the outputs. Fails unless that
 * has the same bits everywhere, and where anything else was written. `put` brings other numbers into the memory.
 */
export function everywhere(
  machines: readonly Machine[],
  inputs: readonly Given[],
  outputs: readonly Given[],
  jobsOf: (inputs: View[], outputs: View[], put: (numbers: ArrayLike<number>) => number) => Job[],
): Float32Array[] {
  let first: Float32Array[] | undefined;
  for (const machine of machines)
    for (const layout of LAYOUTS) {
      const what = `${machine.title}, ${layout}`;
      const mark = machine.arena.mark();
      const into = (maps: readonly Given[]) => maps.map((map) => place(machine, map, layout, map.data));
      const [from, to] = [into(inputs), into(outputs)];
      const views = (maps: readonly Placed[]) => maps.map(({ view }) => view);
      for (const job of jobsOf(views(from), views(to), (numbers) => put(machine, numbers))) machine.run(job);
      for (const { start, before } of from) expectBits(get(machine, start, before.length), before, `${what}: an input`);
      for (const placed of to) expectGuarded(machine, placed, what);
      const results = views(to).map((view) => readView(machine, view));
      first ??= results;
      for (const [i, result] of results.entries())
        expectBits(result, first[i], `${what}: not as ${machines[0].title}, ${LAYOUTS[0]}`);
      machine.arena.release(mark);
    }
  return first!;
}
