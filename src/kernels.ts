import { checkPrecision } from './base/options.js';
import type { KernelSet, Precision } from './base/types.js';
import { Checks, checkConv, checkDense, crossEntropyOperands, poolShapes } from './kernels/checks.js';
import type {
  Conv2dBackwardOptions,
  Conv2dOptions,
  CrossEntropyOptions,
  DenseBackwardOptions,
  DenseOptions,
  GemmOptions,
  KernelOptions,
  LayerGradients,
  MaxPool2dOptions,
  ReluMask,
} from './kernels/options.js';
import {
  adjointJobs,
  adjointKernel,
  adjointKernelBytes,
  adjointWorkspaceBytes,
  biasOf,
  type ConvKernel,
  convJobs,
  convKernel,
  convKernelBytes,
  convWeightGradientJobs,
  packKernelJob,
  type Workspace,
  weightGradientBytes,
  workspaceBytes,
} from './operators/convolution.js';
import { type Job, RELU, type View, view } from './wasm/job.js';
import { same3x3 } from './wasm/ops/conv.js';
import { denseInputGradientJob, denseJob } from './wasm/ops/dense.js';
import { gemmJob, matrix, transpose } from './wasm/ops/gemm.js';
import { maxPoolBackwardJob, maxPoolJob } from './wasm/ops/pool.js';
import { reluBackwardJob } from './wasm/ops/relu.js';
import {
  softmaxBackwardJob,
  softmaxCrossEntropyBackwardJob,
  softmaxCrossEntropyJob,
  softmaxJob,
} from './wasm/ops/softmax.js';
import { Runtime } from './wasm/runtime.js';

export { AtrousCamError, type ErrorCode } from './base/errors.js';
export type { KernelSet, Precision } from './base/types.js';
export type * from './kernels/options.js';

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
export async function init({ kernels, threads, wasm, precision }: KernelOptions = {}): Promise<Kernels> {
  const checked = checkPrecision(precision);
  return new Kernels(await Runtime.create({ kernels, threads, wasm }), checked);
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
  conv2d(options: Conv2dOptions): Float32Array {
    const checks = new Checks('conv2d');
    const { x, w, b, cout, dilation = 1, relu = false } = options;
    const [n, height, width, cin] = checkConv(checks, options);
    if (b) checks.array('b', b, 'cout', cout);
    return this.#scoped(() => {
      const kernel = this.#packed(w, cin, cout);
      this.#runtime.arena.f32(biasOf(kernel), cout).set(b ?? new Float32Array(cout));
      const source = view(this.#put(x), height, width, cin);
      const target = view(this.#alloc(n * height * width * cout), height, width, cout);
      this.#convolve(n, source, kernel, target, dilation, relu);
      return this.#get(target.ptr, n * height * width * cout);
    });
  }

  /**
   * The gradients of `conv2d`: dx (n, h, w, cin), the convolution of dy with the taps turned by 180 degrees and the channels swapped;
   * dw (3, 3, cin, cout), the sum over pixels of x under each tap times dy; db (cout), the sum of dy. Summed over the n maps.
   */
  conv2dBackward(options: Conv2dBackwardOptions): LayerGradients {
    const checks = new Checks('conv2dBackward');
    const { precision } = this;
    const { x, w, cout, dilation = 1, dy, y } = options;
    const [n, height, width, cin] = checkConv(checks, options);
    checks.array('dy', dy, 'n*h*w*cout', n, height, width, cout);
    if (y) checks.array('y', y, 'n*h*w*cout', n, height, width, cout);
    return this.#scoped(() => {
      const X = view(this.#put(x), height, width, cin);
      const DX = view(this.#alloc(x.length), height, width, cin);
      const DY = view(this.#put(dy), height, width, cout);
      this.#maskGradient(DY.ptr, dy.length, options);
      const [dw, db] = [this.#alloc(w.length), this.#alloc(cout)];
      for (let i = 0; i < n; i++) {
        const layer = squareLayer(cin, cout);
        const workspace = this.#workspace(weightGradientBytes(layer, X, dilation, precision));
        const how = { precision, accumulate: i > 0 };
        const target = { kernel: dw, bias: db };
        const [from, to] = [image(X, i), image(DY, i)];
        this.#run(convWeightGradientJobs(layer, from, to, same3x3(dilation), target, how, workspace));
      }
      const kernel = this.#packed(w, cin, cout);
      const adjoint = adjointKernel(kernel, precision, this.#alloc(adjointKernelBytes(kernel, precision) / 4));
      this.#run(adjointJobs(kernel, adjoint, this.#workspace(adjointWorkspaceBytes(kernel, adjoint))));
      this.#convolve(n, DY, adjoint, DX, dilation, false);
      return { dx: this.#get(DX.ptr, x.length), dw: this.#get(dw, w.length), db: this.#get(db, cout) };
    });
  }

  /**
   * y (n, outH, outW, c) = the largest number of each window. With stride 1 the map keeps its size, and what lies beyond the right and
   * bottom edge counts as -Infinity; with a larger stride only whole windows count. NaN stays.
   */
  maxPool2d(options: MaxPool2dOptions): Float32Array {
    const { n, source, target, window } = poolShapes(new Checks('maxPool2d'), options);
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
    const checks = new Checks('maxPool2dBackward');
    const { n, source, target, window } = poolShapes(checks, options);
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

  /** The gradients of `dense`: dx (n, in) = dy w', dw (in, out) = x' dy, db (out) = the sum of dy's rows. */
  denseBackward(options: DenseBackwardOptions): LayerGradients {
    const checks = new Checks('denseBackward');
    const { x, w, out, dy, y } = options;
    const [n, inputs] = checkDense(checks, options);
    checks.array('dy', dy, 'n*out', n, out);
    if (y) checks.array('y', y, 'n*out', n, out);
    return this.#scoped(() => {
      const X = matrix(this.#put(x), n, inputs);
      const W = matrix(this.#put(w), inputs, out);
      const DY = matrix(this.#put(dy), n, out);
      this.#maskGradient(DY.ptr, dy.length, options);
      const dx = matrix(this.#alloc(n * inputs), n, inputs);
      const dw = matrix(this.#alloc(inputs * out), inputs, out);
      const db = matrix(this.#alloc(out), 1, out);
      const ones = matrix(this.#put(new Float32Array(n).fill(1)), 1, n);
      this.#run([
        n === 1
          ? denseInputGradientJob({ dy: DY.ptr, w: W.ptr, mask: 0, dx: dx.ptr, in: inputs, out })
          : gemmJob(DY, transpose(W), dx),
        gemmJob(transpose(X), DY, dw),
        gemmJob(ones, DY, db),
      ]);
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

  /**
   * loss (rows) = sum_j t_j (log sum_i exp(x_i) - x_j): the cross-entropy of softmax(x) with the targets t, row by row,
   * without overflow.
   */
  softmaxCrossEntropy(options: CrossEntropyOptions): Float32Array {
    const { x, targets, rows, columns } = crossEntropyOperands(new Checks('softmaxCrossEntropy'), options);
    return this.#scoped(() => {
      const loss = this.#alloc(rows);
      this.#runtime.run(softmaxCrossEntropyJob({ x: this.#put(x), targets: this.#put(targets), loss, rows, columns }));
      return this.#get(loss, rows);
    });
  }

  /**
   * dx (rows, columns) of `softmaxCrossEntropy`: dy (softmax(x) sum_j t_j - t). dy (rows) is the gradient at the losses: all one by
   * default, the gradient of their sum; 1 / rows for that of their mean.
   */
  softmaxCrossEntropyBackward(options: CrossEntropyOptions & { dy?: Float32Array }): Float32Array {
    const checks = new Checks('softmaxCrossEntropyBackward');
    const { x, targets, rows, columns } = crossEntropyOperands(checks, options);
    const { dy } = options;
    if (dy) checks.array('dy', dy, 'rows', rows);
    return this.#scoped(() => {
      const dx = this.#put(x);
      const o = { x: dx, targets: this.#put(targets), dy: dy ? this.#put(dy) : 0, dx, rows, columns };
      this.#runtime.run(softmaxCrossEntropyBackwardJob(o));
      return this.#get(dx, rows * columns);
    });
  }

  /** dx = dy where y, the output of a ReLU (`relu: true` of any layer), is positive, else 0; `guided` passes positive dy only. */
  reluBackward({ y, dy, guided }: Required<Pick<ReluMask, 'y'>> & ReluMask & { dy: Float32Array }): Float32Array {
    const checks = new Checks('reluBackward');
    checks.array('y', y, 'y.length', y.length);
    checks.array('dy', dy, 'y.length', y.length);
    return this.#scoped(() => {
      const dx = this.#put(dy);
      this.#maskGradient(dx, dy.length, { y, guided });
      return this.#get(dx, dy.length);
    });
  }

  /** Ends the threads and lets the memory go. Later calls throw ABORTED. */
  dispose(): void {
    this.#runtime.dispose();
  }

  /** The same, for `using k = await init()`. */
  [Symbol.dispose](): void {
    this.dispose();
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

  #run(jobs: readonly Job[]): void {
    for (const job of jobs) this.#runtime.run(job);
  }

  /** A convolution's weights in the form that its algorithm reads; the bias is not set. */
  #packed(w: Float32Array, cin: number, cout: number): ConvKernel {
    const layer = squareLayer(cin, cout);
    const kernel = convKernel(layer, this.precision, this.#alloc(convKernelBytes(layer, this.precision) / 4));
    this.#runtime.run(packKernelJob(this.#put(w), kernel));
    return kernel;
  }

  /** Convolves n maps that lie one after the other. */
  #convolve(n: number, x: View, kernel: ConvKernel, y: View, dilation: number, relu: boolean): void {
    const workspace = this.#workspace(workspaceBytes(kernel, x, dilation));
    const call = { ...same3x3(dilation), clip: relu ? RELU : undefined };
    for (let i = 0; i < n; i++) this.#run(convJobs(image(x, i), kernel, image(y, i), call, workspace));
  }

  /** Takes `length` gradients at dy backwards through the ReLU of which y is the output, in place; without y they stay. */
  #maskGradient(dy: number, length: number, { y, guided = false }: ReluMask): void {
    if (!y) return;
    const mask = this.#put(y);
    for (let i = 0; i < length; i += RUN) {
      const run = (ptr: number): View => view(ptr + 4 * i, 1, 1, Math.min(RUN, length - i));
      this.#runtime.run(reluBackwardJob(run(mask), run(dy), run(dy), { guided }));
    }
  }

  #workspace(bytes: number): Workspace {
    return { ptr: this.#alloc(bytes / 4), bytes };
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

/** A 3x3 convolution with zero padding 'same'. */
const squareLayer = (cin: number, cout: number) => ({ rows: 3, columns: 3, stride: 1, same: true, cin, cout });

/** Image i of a batch that begins with the dense map `v`. */
const image = (v: View, i: number): View => ({ ...v, ptr: v.ptr + 4 * i * elements(v) });
