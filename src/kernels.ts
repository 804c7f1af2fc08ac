import { Checks } from './checks.js';
import { biasOf, convJobs, convKernel, convKernelBytes, packKernelJob, workspaceBytes } from './convolution.js';
import { checkPrecision } from './options.js';
import type { KernelSet, Precision } from './types.js';
import { type View, view } from './wasm/job.js';
import { denseInputGradientJob, denseJob } from './wasm/ops/dense.js';
import { gemmJob, matrix, transpose } from './wasm/ops/gemm.js';
import { maxPoolBackwardJob, maxPoolJob } from './wasm/ops/pool.js';
import { reluBackwardJob } from './wasm/ops/relu.js';
import { softmaxBackwardJob, softmaxJob } from './wasm/ops/softmax.js';
import { Runtime } from './wasm/runtime.js';

export { AtrousCamError, type ErrorCode } from './errors.js';
export type { KernelSet, Precision } from './types.js';

/** How the kernels run. */
export interface KernelOptions {
  /** Instruction set: `auto` (default) takes relaxed SIMD where the engine has it. In Node 20 `relaxed` sets a flag of the process. */
  kernels?: KernelSet;
  /** Threads, the calling one included; by default what the machine offers. */
  threads?: number;
  /** `fast` (default): convolutions by Winograd's algorithm where the channels are multiples of 4. `exact`: plain sums. */
  precision?: Precision;
}

/** A 3x3 convolution with zero padding 'same' of maps (n, h, w, cin). */
export interface Conv2dOptions {
  /** (n, h, w, cin) */
  x: Float32Array;
  /** [n, h, w, cin] */
  shape: readonly number[];
  /** (3, 3, cin, cout) */
  w: Float32Array;
  /** (cout); zeros by default. */
  b?: Float32Array;
  cout: number;
  /** Distance of the taps in pixels, 1 by default. */
  dilation?: number;
  /** Whether negative sums become zero; NaN stays. */
  relu?: boolean;
}

/** A max pool of maps (n, h, w, c). */
export interface MaxPool2dOptions {
  /** (n, h, w, c) */
  x: Float32Array;
  /** [n, h, w, c] */
  shape: readonly number[];
  /** Side of the square window, in taps. */
  size: number;
  /** Distance of the windows in pixels; `size` by default. */
  stride?: number;
  /** Distance of the taps in pixels, 1 by default. */
  dilation?: number;
}

/** A dense layer: rows of x (n, in) times w (in, out). */
export interface DenseOptions {
  /** (n, in) */
  x: Float32Array;
  /** [n, in] */
  shape: readonly number[];
  /** (in, out), finite: rows that meet a zero of x are not read. */
  w: Float32Array;
  /** (out); zeros by default. */
  b?: Float32Array;
  out: number;
  relu?: boolean;
}

/** A product of two matrices. */
export interface GemmOptions {
  /** (m, k), or (k, m) with `transposeA`. */
  a: Float32Array;
  /** (k, n), or (n, k) with `transposeB`. */
  b: Float32Array;
  m: number;
  k: number;
  n: number;
  transposeA?: boolean;
  transposeB?: boolean;
  /** (n), added to every row. */
  bias?: Float32Array;
  relu?: boolean;
}

/** Elements of a job on an array without a shape. */
const RUN = 2 ** 22;

/**
 * Compiles the kernels and starts their threads.
 *
 * @throws AtrousCamError UNSUPPORTED (no WebAssembly SIMD), BAD_ARGUMENT
 * @example
 * const k = await init();
 * const y = k.conv2d({ x: new Float32Array(14 * 14 * 8), shape: [1, 14, 14, 8], w: new Float32Array(9 * 8 * 16), cout: 16, dilation: 2 });
 * k.dispose();
 */
export async function init({ kernels, threads, precision }: KernelOptions = {}): Promise<Kernels> {
  const checked = checkPrecision(precision);
  return new Kernels(await Runtime.create({ kernels, threads }), checked);
}

/**
 * The kernels on ordinary arrays. Layouts: maps NHWC, convolution weights HWIO, dense weights (in, out). Every call is synchronous,
 * copies its operands into the wasm memory and its result into a new array, and keeps nothing. The bits of a result depend on the
 * instruction set and the precision, not on the number of threads. Calls throw BAD_ARGUMENT where an array has the wrong length,
 * OUT_OF_MEMORY where the operands do not fit, ABORTED after `dispose`.
 */
export class Kernels {
  readonly #runtime: Runtime;

  /** @internal Use `init`. */
  constructor(
    runtime: Runtime,
    /** How convolutions are computed. */
    readonly precision: Precision,
  ) {
    this.#runtime = runtime;
  }

  /** The instruction set that runs. */
  get kernels(): Exclude<KernelSet, 'auto'> {
    return this.#runtime.kernels;
  }

  /** Threads that share the work, the calling one included. */
  get threads(): number {
    return this.#runtime.threads;
  }

  /** y (n, h, w, cout) = 3x3 convolution of x with zero padding 'same'. */
  conv2d({ x, shape, w, b, cout, dilation = 1, relu = false }: Conv2dOptions): Float32Array {
    const checks = new Checks('conv2d');
    const [n, height, width, cin] = checks.shape(shape, 'n', 'h', 'w', 'cin');
    checks.count('cout', cout);
    checks.count('dilation', dilation);
    checks.array('x', x, 'n*h*w*cin', n, height, width, cin);
    checks.array('w', w, '3*3*cin*cout', 9, cin, cout);
    if (b) checks.array('b', b, 'cout', cout);
    return this.#scoped(() => {
      const layer = { cin, cout };
      const kernel = convKernel(layer, this.precision, this.#alloc(convKernelBytes(layer, this.precision) / 4));
      this.#runtime.run(packKernelJob(this.#put(w), kernel));
      this.#runtime.arena.f32(biasOf(kernel), cout).set(b ?? new Float32Array(cout));
      const source = view(this.#put(x), height, width, cin);
      const target = view(this.#alloc(n * height * width * cout), height, width, cout);
      const bytes = workspaceBytes({ layer, x: source, dilation }, this.precision);
      const workspace = { ptr: this.#alloc(bytes / 4), bytes };
      for (let i = 0; i < n; i++)
        for (const job of convJobs(image(source, i), kernel, image(target, i), dilation, workspace, relu))
          this.#runtime.run(job);
      return this.#get(target.ptr, n * height * width * cout);
    });
  }

  /**
   * y (n, outH, outW, c) = the largest number of each window. With stride 1 the map keeps its size, and what lies beyond the right and
   * bottom edge counts as -Infinity; with a larger stride only whole windows count. NaN stays.
   */
  maxPool2d(options: MaxPool2dOptions): Float32Array {
    const { n, source, target, window } = poolShapes('maxPool2d', options);
    return this.#scoped(() => {
      const x = { ...source, ptr: this.#put(options.x) };
      const y = { ...target, ptr: this.#alloc(n * elements(target)) };
      for (let i = 0; i < n; i++)
        this.#runtime.run(maxPoolJob(image(x, i), image(y, i), { ...window, offsetY: 0, offsetX: 0 }));
      return this.#get(y.ptr, n * elements(target));
    });
  }

  /** dx (n, h, w, c) of `maxPool2d` from dy (n, outH, outW, c): the first maximum in row order takes a window's gradient. */
  maxPool2dBackward(options: MaxPool2dOptions & { dy: Float32Array }): Float32Array {
    const { n, source, target, window, checks } = poolShapes('maxPool2dBackward', options);
    checks.array('dy', options.dy, 'n*outH*outW*c', n, target.h, target.w, target.c);
    return this.#scoped(() => {
      const x = { ...source, ptr: this.#put(options.x) };
      const dy = { ...target, ptr: this.#put(options.dy) };
      const dx = { ...source, ptr: this.#alloc(n * elements(source)) };
      for (let i = 0; i < n; i++)
        this.#runtime.run(
          maxPoolBackwardJob(image(x, i), image(dy, i), image(dx, i), { ...window, offsetY: 0, offsetX: 0 }),
        );
      return this.#get(dx.ptr, n * elements(source));
    });
  }

  /** y (n, out) = x w + b. */
  dense({ x, shape, w, b, out, relu = false }: DenseOptions): Float32Array {
    const checks = new Checks('dense');
    const [n, inputs] = checkDense(checks, { x, shape, w, out });
    if (b) checks.array('b', b, 'out', out);
    return this.#scoped(() => {
      const o = { x: this.#put(x), w: this.#put(w), b: b ? this.#put(b) : 0, y: this.#alloc(n * out) };
      this.#runtime.run(
        n === 1
          ? denseJob({ ...o, in: inputs, out, relu })
          : gemmJob(matrix(o.x, n, inputs), matrix(o.w, inputs, out), matrix(o.y, n, out), { bias: o.b, relu }),
      );
      return this.#get(o.y, n * out);
    });
  }

  /** The gradients of `dense` without its ReLU: dx (n, in) = dy w', dw (in, out) = x' dy, db (out) = the sum of dy's rows. */
  denseBackward({ x, shape, w, out, dy }: Omit<DenseOptions, 'b' | 'relu'> & { dy: Float32Array }): {
    dx: Float32Array;
    dw: Float32Array;
    db: Float32Array;
  } {
    const checks = new Checks('denseBackward');
    const [n, inputs] = checkDense(checks, { x, shape, w, out });
    checks.array('dy', dy, 'n*out', n, out);
    return this.#scoped(() => {
      const X = matrix(this.#put(x), n, inputs);
      const W = matrix(this.#put(w), inputs, out);
      const DY = matrix(this.#put(dy), n, out);
      const dx = matrix(this.#alloc(n * inputs), n, inputs);
      const dw = matrix(this.#alloc(inputs * out), inputs, out);
      const db = matrix(this.#alloc(out), 1, out);
      const ones = matrix(this.#put(new Float32Array(n).fill(1)), 1, n);
      this.#runtime.run(
        n === 1
          ? denseInputGradientJob({ dy: DY.ptr, w: W.ptr, mask: 0, dx: dx.ptr, in: inputs, out })
          : gemmJob(DY, transpose(W), dx),
      );
      this.#runtime.run(gemmJob(transpose(X), DY, dw));
      this.#runtime.run(gemmJob(ones, DY, db));
      return {
        dx: this.#get(dx.ptr, n * inputs),
        dw: this.#get(dw.ptr, inputs * out),
        db: this.#get(db.ptr, out),
      };
    });
  }

  /** c (m, n) = a b + bias, each matrix transposed first where asked for. Row-major. */
  gemm({ a, b, m, k, n, transposeA, transposeB, bias, relu = false }: GemmOptions): Float32Array {
    const checks = new Checks('gemm');
    for (const [name, size] of Object.entries({ m, k, n })) checks.count(name, size);
    checks.array('a', a, 'm*k', m, k);
    checks.array('b', b, 'k*n', k, n);
    if (bias) checks.array('bias', bias, 'n', n);
    return this.#scoped(() => {
      const A = transposeA ? transpose(matrix(this.#put(a), k, m)) : matrix(this.#put(a), m, k);
      const B = transposeB ? transpose(matrix(this.#put(b), n, k)) : matrix(this.#put(b), k, n);
      const C = matrix(this.#alloc(m * n), m, n);
      this.#runtime.run(gemmJob(A, B, C, { bias: bias ? this.#put(bias) : 0, relu }));
      return this.#get(C.ptr, m * n);
    });
  }

  /** y (rows, columns) = exp(x) / sum of exp(x), row by row, without overflow. */
  softmax({ x, shape }: { x: Float32Array; shape: readonly number[] }): Float32Array {
    const checks = new Checks('softmax');
    const [rows, columns] = checks.shape(shape, 'rows', 'columns');
    checks.array('x', x, 'rows*columns', rows, columns);
    return this.#scoped(() => {
      const ptr = this.#put(x);
      this.#runtime.run(softmaxJob({ x: ptr, y: ptr, rows, columns }));
      return this.#get(ptr, rows * columns);
    });
  }

  /** dx (rows, columns) of `softmax` from its output y and dy. */
  softmaxBackward({ y, shape, dy }: { y: Float32Array; shape: readonly number[]; dy: Float32Array }): Float32Array {
    const checks = new Checks('softmaxBackward');
    const [rows, columns] = checks.shape(shape, 'rows', 'columns');
    checks.array('y', y, 'rows*columns', rows, columns);
    checks.array('dy', dy, 'rows*columns', rows, columns);
    return this.#scoped(() => {
      const dx = this.#put(dy);
      this.#runtime.run(softmaxBackwardJob({ y: this.#put(y), dy: dx, dx, rows, columns }));
      return this.#get(dx, rows * columns);
    });
  }

  /** dx = dy where y, the output of a ReLU, is positive, else 0. */
  reluBackward({ y, dy }: { y: Float32Array; dy: Float32Array }): Float32Array {
    const checks = new Checks('reluBackward');
    checks.array('y', y, 'y.length', y.length);
    checks.array('dy', dy, 'y.length', y.length);
    return this.#scoped(() => {
      const dx = this.#put(dy);
      const mask = this.#put(y);
      for (let i = 0; i < y.length; i += RUN) {
        const run = (ptr: number): View => view(ptr + 4 * i, 1, 1, Math.min(RUN, y.length - i));
        this.#runtime.run(reluBackwardJob(run(mask), run(dx), run(dx)));
      }
      return this.#get(dx, y.length);
    });
  }

  /** Ends the threads and lets the memory go. Later calls throw ABORTED. */
  dispose(): void {
    this.#runtime.dispose();
  }

  /** Runs `body` and frees what it allocated. */
  #scoped<T>(body: () => T): T {
    const { arena } = this.#runtime;
    const mark = arena.mark();
    try {
      return body();
    } finally {
      arena.release(mark);
    }
  }

  #alloc(floats: number): number {
    return this.#runtime.arena.alloc(4 * floats);
  }

  #put(data: Float32Array): number {
    const ptr = this.#alloc(data.length);
    this.#runtime.arena.f32(ptr, data.length).set(data);
    return ptr;
  }

  #get(ptr: number, length: number): Float32Array {
    return this.#runtime.arena.f32(ptr, length).slice();
  }
}

const elements = ({ h, w, c }: View): number => h * w * c;

/** Image i of a batch that begins with the dense map `v`. */
const image = (v: View, i: number): View => ({ ...v, ptr: v.ptr + 4 * i * elements(v) });

function checkDense(checks: Checks, o: Pick<DenseOptions, 'x' | 'shape' | 'w' | 'out'>): readonly number[] {
  const [n, inputs] = checks.shape(o.shape, 'n', 'in');
  checks.count('out', o.out);
  checks.array('x', o.x, 'n*in', n, inputs);
  checks.array('w', o.w, 'in*out', inputs, o.out);
  return [n, inputs];
}

/** Checks a pool's arguments; the maps have no place in memory yet. */
function poolShapes(operation: string, { x, shape, size, stride = size, dilation = 1 }: MaxPool2dOptions) {
  const checks = new Checks(operation);
  const [n, h, w, c] = checks.shape(shape, 'n', 'h', 'w', 'c');
  const window = {
    size: checks.count('size', size),
    stride: checks.count('stride', stride),
    dilation: checks.count('dilation', dilation),
  };
  checks.array('x', x, 'n*h*w*c', n, h, w, c);
  const reach = dilation * (size - 1) + 1;
  const windows = (name: string, side: number): number => {
    if (stride === 1) return side;
    checks.fits(name, reach, side);
    return Math.floor((side - reach) / stride) + 1;
  };
  const target = view(0, windows('h', h), windows('w', w), c);
  return { n, source: view(0, h, w, c), target, window, checks };
}
