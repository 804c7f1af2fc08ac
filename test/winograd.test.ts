import { beforeAll, describe, expect, it } from 'vitest';
import { type Job, phase, RELU, type View, view } from '../src/wasm/job.js';
import { chooseInstructionSet, embedded, type InstructionSet } from '../src/wasm/modules.js';
import {
  winogradFits,
  winogradJobs,
  winogradPlan,
  winogradWeightBytes,
  winogradWeightsJob,
} from '../src/wasm/ops/winograd.js';
import { conv3x3 } from './reference/conv.js';
import { type builds, get, onRuntime, put, reserve, UNTOUCHED } from './support/kernels.js';
import { randomFloats } from './support/random.js';

type Order = (tasks: number) => number[];
const forwards: Order = (tasks) => Array.from({ length: tasks }, (_, i) => i);
const backwards: Order = (tasks) => forwards(tasks).reverse();
const oddsFirst: Order = (tasks) => forwards(tasks).sort((a, b) => (b & 1) - (a & 1));

interface Shape {
  h: number;
  w: number;
  cin: number;
  cout: number;
  d: number;
}

interface Problem extends Shape {
  x: Float32Array;
  /** (3, 3, cin, cout). */
  weights: Float32Array;
  bias: Float32Array;
}

const problem = (shape: Shape, seed = 1): Problem => ({
  ...shape,
  x: randomFloats(shape.h * shape.w * shape.cin, seed),
  weights: randomFloats(9 * shape.cin * shape.cout, seed + 1),
  bias: randomFloats(shape.cout, seed + 2),
});

/** The convolution by its definition, in float64. */
const direct = (p: Problem, relu: boolean): Float64Array =>
  conv3x3({ h: p.h, w: p.w, c: p.cin, data: p.x }, p.weights, p.bias, p.cout, { dilation: p.d, relu });

interface Options {
  relu?: boolean;
  order?: Order;
  /** Workspace, as a share of what the plan asks for. */
  share?: number;
  adjoint?: boolean;
  bias?: boolean;
  /** Tiles of 6. */
  wide?: boolean;
  /** Floats between the pixels and after the rows of both maps. */
  gap?: number;
}

/** The kernels on a memory of their own; tasks run in a chosen order. */
class Machine {
  readonly #memory = new WebAssembly.Memory({ initial: 16 });
  readonly #exports: Record<string, (args: number, task: number, scratch: number) => void>;
  #top = 4096;

  constructor(module: WebAssembly.Module) {
    const env = { memory: this.#memory, abort: () => expect.unreachable('kernel aborted') };
    this.#exports = new WebAssembly.Instance(module, { env }).exports as never;
  }

  floats(ptr: number, length: number): Float32Array {
    return new Float32Array(this.#memory.buffer, ptr, length);
  }

  /** Address of new floats, all of them untouched, with an untouched line on both sides. */
  alloc(length: number): number {
    const ptr = this.#top + 64;
    this.#top = Math.ceil((ptr + length * 4 + 64) / 64) * 64;
    const missing = this.#top - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / 65536));
    this.floats(ptr - 64, length + 32).fill(UNTOUCHED);
    return ptr;
  }

  /** Copies to new floats. */
  put(data: Float32Array): number {
    const ptr = this.alloc(data.length);
    this.floats(ptr, data.length).set(data);
    return ptr;
  }

  /** A map with gaps; what lies between its elements are untouched. */
  map(h: number, w: number, c: number, gap: number, data?: Float32Array): View {
    const pix = c + gap;
    const row = w * pix + gap;
    const ptr = this.alloc(h * row);
    const map = { ptr, h, w, c, row, pix };
    if (data) this.#each(map, (address, i) => this.floats(ptr, h * row).set(data.subarray(i, i + c), address));
    return map;
  }

  /** A map's elements, which are taken out; expects that only untouched are left. */
  take(map: View): Float32Array {
    const all = this.floats(map.ptr - 64, map.h * map.row + 32);
    const result = new Float32Array(map.h * map.w * map.c);
    this.#each(map, (address, i) => {
      result.set(all.subarray(16 + address, 16 + address + map.c), i);
      all.fill(UNTOUCHED, 16 + address, 16 + address + map.c);
    });
    expect(all.every((value) => value === UNTOUCHED)).toBe(true);
    return result;
  }

  run(job: Job, order: Order): void {
    const args = this.put(Float32Array.of());
    const scratch = this.alloc(Math.ceil(job.scratch / 4));
    this.alloc(job.args.length);
    new Int32Array(this.#memory.buffer, args, job.args.length).set(job.args);
    for (const task of order(job.tasks)) this.#exports[job.kernel](args, task, scratch);
  }

  conv(p: Problem, options: Options = {}): Float32Array {
    this.#top = 4096;
    const { relu = false, order = forwards, share = 1, adjoint = false, bias = true, gap = 0, wide = false } = options;
    const x = this.map(p.h, p.w, p.cin, gap, p.x);
    const y = this.map(p.h, p.w, p.cout, gap);
    const u = this.alloc(winogradWeightBytes(p.cin, p.cout) / 4);
    this.run(winogradWeightsJob(this.put(p.weights), u, p.cin, p.cout, adjoint), order);
    const weights = { ptr: u, bias: bias ? this.put(p.bias) : 0, cin: p.cin, cout: p.cout };
    const tile = wide ? 6 : 4;
    const bytes = Math.floor((winogradPlan(x, p.cout, p.d, undefined, tile).bytes * share) / 4) * 4;
    const workspace = { ptr: this.alloc(bytes / 4), bytes };
    // Nothing of a workspace may be read before it is written.
    this.floats(workspace.ptr, bytes / 4).fill(Number.NaN);
    const call = { dilation: p.d, clip: relu ? RELU : undefined, tile } as const;
    for (const job of winogradJobs(x, weights, y, call, workspace)) this.run(job, order);
    expect(this.floats(workspace.ptr + bytes, 16).every((value) => value === UNTOUCHED)).toBe(true);
    return this.take(y);
  }

  #each(map: View, visit: (address: number, index: number) => void): void {
    for (let row = 0; row < map.h; row++)
      for (let col = 0; col < map.w; col++) visit(row * map.row + col * map.pix, (row * map.w + col) * map.c);
  }
}

/** Bits, to compare faster than element by element. */
const bits = (data: Float32Array): string => Buffer.from(data.buffer).toString('base64');

/** Largest difference, as a share of the largest magnitude. */
function error(actual: Float32Array, expected: Float64Array): number {
  let difference = 0;
  let largest = 0;
  expected.forEach((value, i) => {
    const d = Math.abs(value - actual[i]);
    if (!(d <= difference)) difference = d;
    largest = Math.max(largest, Math.abs(value));
  });
  return difference / largest;
}

const channels = [
  [4, 8],
  [8, 12],
  [12, 4],
  [20, 20],
  [64, 12],
];

/** Every side from 1 to 17, with the other side, channels and dilations varied. */
const shapes: Shape[] = [];
for (let side = 1; side <= 17; side++)
  for (const [i, d] of [1, 2, 3, 4, 8, 16].entries()) {
    const [cin, cout] = channels[(side + i) % channels.length];
    shapes.push({ h: side, w: 1 + ((side * 5 + 3 * i) % 17), cin, cout, d });
  }
shapes.push({ h: 14, w: 14, cin: 64, cout: 64, d: 1 }, { h: 28, w: 28, cin: 64, cout: 20, d: 2 });
shapes.push({ h: 56, w: 56, cin: 12, cout: 8, d: 4 }, { h: 40, w: 33, cin: 68, cout: 64, d: 3 });

const sets: InstructionSet[] = ['simd', 'relaxed'];

describe.each(sets)('Winograd convolution, %s', (set) => {
  let machine: Machine;
  beforeAll(async () => {
    machine = new Machine(await embedded.compile(await chooseInstructionSet(set)));
  });

  it.each(shapes)('is a $h x $w convolution, $cin -> $cout channels, dilation $d', (shape) => {
    const p = problem(shape, 7 * shape.h + shape.w);
    expect(error(machine.conv(p), direct(p, false))).toBeLessThan(3e-6);
    expect(error(machine.conv(p, { relu: true, gap: 3 }), direct(p, true))).toBeLessThan(3e-6);
  });

  it('stays within 5e-6 of the largest output over 512 channels of ReLU outputs', () => {
    const p = problem({ h: 14, w: 14, cin: 512, cout: 32, d: 1 });
    p.x = p.x.map((value) => Math.max(0, value));
    expect(error(machine.conv(p), direct(p, false))).toBeLessThan(5e-6);
  });

  it.each(shapes)('with tiles of 6: $h x $w, $cin -> $cout channels, dilation $d', (shape) => {
    const p = problem(shape, 7 * shape.h + shape.w);
    expect(error(machine.conv(p, { wide: true }), direct(p, false))).toBeLessThan(2e-5);
    expect(error(machine.conv(p, { wide: true, relu: true, gap: 3 }), direct(p, true))).toBeLessThan(2e-5);
  });

  it.each([512, 256])(
    'with tiles of 6 stays within 3e-5 of the largest output over %i channels of ReLU outputs',
    (cin) => {
      const p = problem({ h: 14, w: 14, cin, cout: 32, d: 1 });
      p.x = p.x.map((value) => Math.max(0, value));
      expect(error(machine.conv(p, { wide: true }), direct(p, false))).toBeLessThan(3e-5);
    },
  );

  it.each([
    { h: 28, w: 29, cin: 20, cout: 140, d: 2 },
    { h: 70, w: 57, cin: 20, cout: 28, d: 2 }, // several passes
  ])('with tiles of 6 gives the same bits for any order of tasks and any passes: $h x $w, dilation $d', (shape) => {
    const p = problem(shape);
    const options = { wide: true, relu: true };
    const y = machine.conv(p, options);
    expect(error(y, direct(p, true))).toBeLessThan(2e-5);
    for (const order of [backwards, oddsFirst]) expect(bits(machine.conv(p, { ...options, order }))).toBe(bits(y));
    expect(bits(machine.conv(p, { ...options, share: 0.9 }))).toBe(bits(y));
  });

  it.each([
    { h: 28, w: 28, cin: 20, cout: 140, d: 2 },
    { h: 30, w: 21, cin: 64, cout: 12, d: 4 },
    { h: 70, w: 57, cin: 20, cout: 28, d: 2 }, // all steps in one task
  ])('gives the same bits for any order of tasks and any passes: $h x $w, dilation $d', (shape) => {
    const p = problem(shape);
    const y = machine.conv(p, { relu: true });
    expect(error(y, direct(p, true))).toBeLessThan(3e-6);
    for (const order of [backwards, oddsFirst]) expect(bits(machine.conv(p, { relu: true, order }))).toBe(bits(y));
    for (const share of [0.8, 0.5, 0.3]) expect(bits(machine.conv(p, { relu: true, share }))).toBe(bits(y));
  });

  it.each([false, true])('gives a phase the same bits whether it is alone or one of many; tiles of 6: %s', (wide) => {
    const d = 3;
    const p = problem({ h: 20, w: 17, cin: 12, cout: 8, d });
    const whole = machine.conv(p, { wide });
    const map = (c: number): View => ({ ptr: 0, h: p.h, w: p.w, c, row: p.w * c, pix: c });
    const pick = (data: Float32Array, c: number, y: number, x: number): Float32Array => {
      const v = phase(map(c), d, y, x);
      const at = (row: number, col: number) => v.ptr / 4 + row * v.row + col * v.pix;
      const pixels = Array.from({ length: v.h * v.w }, (_, i) => at(Math.floor(i / v.w), i % v.w));
      return Float32Array.from(pixels.flatMap((from) => [...data.subarray(from, from + c)]));
    };
    for (let y = 0; y < d; y++)
      for (let x = 0; x < d; x++) {
        const { h, w } = phase(map(p.cin), d, y, x);
        const alone = machine.conv({ ...p, h, w, d: 1, x: pick(p.x, p.cin, y, x) }, { wide });
        expect(alone).toEqual(pick(whole, p.cout, y, x));
      }
  });

  it('does not hide NaN behind ReLU, nor spread it to other phases', () => {
    const p = problem({ h: 8, w: 8, cin: 4, cout: 8, d: 2 });
    p.x[0] = Number.NaN;
    const y = machine.conv(p, { relu: true });
    expect(y[0]).toBeNaN();
    expect(y[p.cout]).not.toBeNaN();
  });

  it('gives the adjoint convolution from the same kernel: <conv(x), dy> = <x, adjoint(dy)>', () => {
    const p = problem({ h: 11, w: 14, cin: 12, cout: 20, d: 2 });
    const dy = randomFloats(p.h * p.w * p.cout, 99);
    const y = machine.conv(p, { bias: false });
    const dx = machine.conv({ ...p, cin: p.cout, cout: p.cin, x: dy }, { bias: false, adjoint: true });
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i], 0);
    expect(dot(y, dy)).toBeCloseTo(dot(p.x, dx), 3);
    const turned = new Float32Array(p.weights.length);
    for (let tap = 0; tap < 9; tap++)
      for (let k = 0; k < p.cin; k++)
        for (let n = 0; n < p.cout; n++)
          turned[((8 - tap) * p.cout + n) * p.cin + k] = p.weights[(tap * p.cin + k) * p.cout + n];
    const reference = { ...p, cin: p.cout, cout: p.cin, x: dy, weights: turned, bias: new Float32Array(p.cin) };
    expect(error(dx, direct(reference, false))).toBeLessThan(3e-6);
  });
});

describe('Winograd convolution on threads', () => {
  it.each(sets)('gives the same bits with one thread and with two, %s', async (kernels) => {
    const p = problem({ h: 57, w: 43, cin: 36, cout: 44, d: 2 });
    const run = (threads: number) =>
      onRuntime({ kernels, threads } as (typeof builds)[number], (runtime) => {
        const x = view(put(runtime, p.x), p.h, p.w, p.cin);
        const y = view(reserve(runtime, p.h * p.w * p.cout), p.h, p.w, p.cout);
        const ptr = runtime.arena.alloc(winogradWeightBytes(p.cin, p.cout));
        runtime.run(winogradWeightsJob(put(runtime, p.weights), ptr, p.cin, p.cout));
        const weights = { ptr, bias: put(runtime, p.bias), cin: p.cin, cout: p.cout };
        const { bytes } = winogradPlan(x, p.cout, p.d);
        const workspace = { ptr: runtime.arena.alloc(bytes), bytes };
        for (const job of winogradJobs(x, weights, y, { dilation: p.d, clip: RELU }, workspace)) runtime.run(job);
        return get(runtime, y.ptr, p.h * p.w * p.cout);
      });
    const one = await run(1);
    expect(error(one, direct(p, true))).toBeLessThan(3e-6);
    expect(bits(await run(2))).toBe(bits(one));
  });
});

describe('winogradPlan', () => {
  it('counts the products of tiles 4+4+4+2 on a side of 14: 22 * 22 instead of 24 * 24', () => {
    const plan = winogradPlan({ h: 224, w: 224, c: 512 }, 512, 16);
    expect(plan.tiles).toBe(256 * 16);
    expect(plan.products).toBe(256 * 22 * 22 * 512 * 512);
    expect((9 * 224 * 224 * 512 * 512) / plan.products).toBeCloseTo(3.64, 2);
  });

  it('counts the products of tiles 6+6+2: 20 * 20; 28 and 56 end with a tile of 4', () => {
    for (const [dilation, rows] of [
      [16, 20],
      [8, 38],
      [4, 76],
    ])
      expect(winogradPlan({ h: 224, w: 224, c: 512 }, 512, dilation, undefined, 6).products).toBe(
        (dilation * rows * 512) ** 2,
      );
  });

  it('asks for at most 24 MB', () => {
    for (const c of [4, 64, 512, 1024])
      expect(winogradPlan({ h: 224, w: 224, c }, c, 1).bytes).toBeLessThanOrEqual(24e6);
  });

  it('asks for nothing where channels are few, which tasks of at most 320 kB of scratch do whole', () => {
    for (const [cin, cout] of [
      [4, 4],
      [4, 32],
      [20, 8],
      [32, 32],
    ]) {
      const x = view(0, 224, 224, cin);
      expect(winogradPlan(x, cout, 1).bytes).toBe(0);
      const jobs = winogradJobs(
        x,
        { ptr: 0, bias: 0, cin, cout },
        view(0, 224, 224, cout),
        { dilation: 1, clip: RELU },
        { ptr: 0, bytes: 0 },
      );
      expect(jobs.map(({ kernel }) => kernel)).toEqual(['winogradTiles']);
      expect(jobs[0].scratch).toBeLessThanOrEqual(320 * 1024);
    }
  });

  it('takes whole vectors of channels only', () => {
    expect(winogradFits(64, 64)).toBe(true);
    expect(winogradFits(3, 64)).toBe(false);
    expect(winogradFits(64, 10)).toBe(false);
  });
});
