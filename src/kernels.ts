import { checkOptions, checkPrecision } from './base/options.js';
import type { KernelSet, Precision } from './base/types.js';
import { activation, activationBackward, preluBackward, reluBackward } from './kernels/activation.js';
import { conv2d, conv2dBackward } from './kernels/convolution.js';
import {
  affine,
  affineBackward,
  combine,
  combineBackward,
  concat,
  concatBackward,
  layerNorm,
  layerNormBackward,
} from './kernels/maps.js';
import { dense, denseBackward, gemm } from './kernels/matrices.js';
import type * as options from './kernels/options.js';
import {
  averagePool2d,
  averagePool2dBackward,
  globalPool,
  globalPoolBackward,
  maxPool2d,
  maxPool2dBackward,
} from './kernels/pools.js';
import { Session } from './kernels/session.js';
import { softmax, softmaxBackward, softmaxCrossEntropy, softmaxCrossEntropyBackward } from './kernels/softmax.js';
import { Runtime } from './wasm/runtime.js';

export { AtrousCamError, type ErrorCode } from './base/errors.js';
export type { KernelSet, Precision } from './base/types.js';
export type * from './kernels/options.js';

/**
 * Compiles the kernels and starts their threads.
 *
 * @throws AtrousCamError UNSUPPORTED (no WebAssembly SIMD), BAD_ARGUMENT
 * @example
 * const k = await init();
 * const [x, w] = [new Float32Array(14 * 14 * 8), new Float32Array(9 * 8 * 16)];
 * const y = k.conv2d({ x, shape: [1, 14, 14, 8], w, cout: 16, dilation: 2 });
 * k.dispose();
 */
export async function init(given: options.KernelOptions = {}): Promise<Kernels> {
  checkOptions('init', given, { kernels: 1, threads: 1, wasm: 1, precision: 1 });
  const { kernels, threads, wasm, precision } = given;
  const checked = checkPrecision(precision);
  return new Kernels(await Runtime.create({ kernels, threads, wasm }), checked);
}

/**
 * The kernels on ordinary arrays. Layouts: maps NHWC, convolution weights HWIO, dense weights (in, out). Every call is
 * synchronous, copies its operands into the wasm memory and its result into a new array, and keeps nothing. The bits of
 * a result depend on the instruction set and the precision, not on the number of threads. The gradient of a call is its
 * name with `Backward`: it takes the same options and `dy`, the gradient at the output. Calls throw BAD_ARGUMENT where
 * an array has the wrong length or an option is not what it can be, OUT_OF_MEMORY where the operands do not fit,
 * ABORTED after `dispose`.
 */
export class Kernels {
  readonly #session: Session;

  /** @internal Use `init`. */
  constructor(
    runtime: Runtime,
    /** How convolutions are computed. */
    readonly precision: Precision,
  ) {
    this.#session = new Session(runtime, precision);
  }

  /** The instruction set that runs. */
  get kernels(): Exclude<KernelSet, 'auto'> {
    return this.#session.runtime.kernels;
  }

  /** Threads that share the work, the calling one included. */
  get threads(): number {
    return this.#session.runtime.threads;
  }

  /**
   * y (n, outH, outW, cout) = a convolution of x with zeros around it, and what `activation` does with the sums.
   * Without `size`, `stride`, `pad` and `groups` it is 3x3 with padding 'same', of x's size.
   *
   * @example
   * const [x, w7] = [new Float32Array(2 * 15 * 15 * 8), new Float32Array(7 * 7 * 8 * 32)];
   * const stem = k.conv2d({ x, shape: [2, 15, 15, 8], w: w7, cout: 32, size: 7, stride: 2, pad: 3 });
   * const w = new Float32Array(9 * 32); // a kernel for each channel
   * k.conv2d({ x: stem, shape: [2, 8, 8, 32], w, cout: 32, groups: 32, activation: 'relu6' });
   */
  conv2d(options: options.Conv2dOptions): Float32Array {
    return conv2d(this.#session, options);
  }

  /**
   * The gradients of `conv2d`: dx (n, h, w, cin), dw (kh, kw, cin / groups, cout) and db (cout), the latter two summed
   * over the maps. The gradient first goes back through the ReLU of which `y` is the output, or through `activation`,
   * for which the convolution is computed again.
   *
   * @example
   * const shape = [1, 14, 14, 8];
   * const [x, w] = [new Float32Array(14 * 14 * 8), new Float32Array(9 * 8 * 16)];
   * const y = k.conv2d({ x, shape, w, cout: 16, relu: true });
   * const { dx, dw, db } = k.conv2dBackward({ x, shape, w, cout: 16, y, dy: new Float32Array(y.length).fill(1) });
   */
  conv2dBackward(options: options.Conv2dBackwardOptions): options.LayerGradients {
    return conv2dBackward(this.#session, options);
  }

  /**
   * y (n, outH, outW, c) = the largest number of each window, 0 where it sees nothing. NaN stays. Without `pad` only
   * whole windows count, but with stride 1 the map keeps its size, and nothing lies beyond its right and bottom edge.
   *
   * @example
   * const x = new Float32Array(15 * 15 * 8);
   * k.maxPool2d({ x, shape: [1, 15, 15, 8], size: 3, stride: 2, pad: 1 }); // [1, 8, 8, 8]
   */
  maxPool2d(options: options.MaxPool2dOptions): Float32Array {
    return maxPool2d(this.#session, options);
  }

  /**
   * dx (n, h, w, c) of `maxPool2d` from dy (n, outH, outW, c): the first maximum in row order takes a window's
   * gradient.
   * @example
   * const x = Float32Array.of(1, 5, 2, 3);
   * k.maxPool2dBackward({ x, shape: [1, 2, 2, 1], size: 2, dy: Float32Array.of(10) }); // 0, 10, 0, 0
   */
  maxPool2dBackward(options: options.WithGradient<options.MaxPool2dOptions>): Float32Array {
    return maxPool2dBackward(this.#session, options);
  }

  /**
   * y (n, outH, outW, c) = the mean of each window, 0 where it sees nothing. Padding takes no part unless
   * `countPadding` says so.
   *
   * @example
   * const x = new Float32Array(15 * 15 * 8);
   * k.averagePool2d({ x, shape: [1, 15, 15, 8], size: 3, stride: 2, pad: 'same' }); // [1, 8, 8, 8]
   */
  averagePool2d(options: options.AveragePool2dOptions): Float32Array {
    return averagePool2d(this.#session, options);
  }

  /**
   * dx (n, h, w, c) of `averagePool2d` from dy (n, outH, outW, c).
   *
   * @example
   * k.averagePool2dBackward({ shape: [1, 2, 2, 1], size: 2, dy: Float32Array.of(8) }); // 2, 2, 2, 2
   */
  averagePool2dBackward(options: options.WithGradient<Omit<options.AveragePool2dOptions, 'x'>>): Float32Array {
    return averagePool2dBackward(this.#session, options);
  }

  /**
   * y (n, c) = the mean of each channel of a map.
   *
   * @example
   * k.globalMean({ x: new Float32Array(2 * 7 * 7 * 8), shape: [2, 7, 7, 8] }); // 16 numbers
   */
  globalMean(options: options.MapOptions): Float32Array {
    return globalPool(this.#session, 'mean', options);
  }

  /**
   * dx (n, h, w, c) of `globalMean` from dy (n, c).
   *
   * @example
   * k.globalMeanBackward({ shape: [1, 2, 2, 1], dy: Float32Array.of(8) }); // 2, 2, 2, 2
   */
  globalMeanBackward(options: options.WithGradient<Omit<options.MapOptions, 'x'>>): Float32Array {
    return globalPoolBackward(this.#session, 'mean', options);
  }

  /**
   * y (n, c) = the largest number of each channel of a map. NaN stays.
   *
   * @example
   * k.globalMax({ x: new Float32Array(2 * 7 * 7 * 8), shape: [2, 7, 7, 8] }); // 16 numbers
   */
  globalMax(options: options.MapOptions): Float32Array {
    return globalPool(this.#session, 'max', options);
  }

  /**
   * dx (n, h, w, c) of `globalMax` from dy (n, c): the first maximum in row order takes the gradient.
   *
   * @example
   * k.globalMaxBackward({ x: Float32Array.of(1, 5, 2, 3), shape: [1, 2, 2, 1], dy: Float32Array.of(8) }); // 0, 8, 0, 0
   */
  globalMaxBackward(options: options.WithGradient<options.MapOptions>): Float32Array {
    return globalPoolBackward(this.#session, 'max', options);
  }

  /**
   * y (n, out) = x w + b.
   *
   * @example
   * const y = k.dense({ x: new Float32Array(2 * 12), shape: [2, 12], w: new Float32Array(12 * 5), out: 5 });
   */
  dense(options: options.DenseOptions): Float32Array {
    return dense(this.#session, options);
  }

  /**
   * The gradients of `dense`: dx (n, in) = dy w', dw (in, out) = x' dy, db (out) = the sum of dy's rows.
   *
   * @example
   * const [x, w, dy] = [Float32Array.of(1, 2), Float32Array.of(3, 4), Float32Array.of(10)];
   * const { dx, dw, db } = k.denseBackward({ x, shape: [1, 2], w, out: 1, dy }); // 30, 40; 10, 20; 10
   */
  denseBackward(options: options.DenseBackwardOptions): options.LayerGradients {
    return denseBackward(this.#session, options);
  }

  /**
   * c (m, n) = a b + bias, each matrix transposed first where asked for. Row-major.
   *
   * @example
   * const c = k.gemm({ a: new Float32Array(2 * 3), b: new Float32Array(4 * 3), m: 2, k: 3, n: 4, transposeB: true });
   */
  gemm(options: options.GemmOptions): Float32Array {
    return gemm(this.#session, options);
  }

  /**
   * y = an activation of each number of x. NaN stays, and infinities give the function's limits.
   *
   * @example
   * k.activation({ x: Float32Array.of(-1, 0, 2), activation: 'silu' });
   * k.activation({ x: Float32Array.of(-1, 0, 2), activation: { f: 'leaky-relu', slope: 0.1 } }); // -0.1, 0, 2
   */
  activation(options: options.ActivationOptions): Float32Array {
    return activation(this.#session, options);
  }

  /**
   * dx = dy times the derivative of `activation` at x, its input.
   *
   * @example
   * const [x, dy] = [Float32Array.of(-1, 0.5, 7), Float32Array.of(1, 1, 1)];
   * k.activationBackward({ x, activation: 'relu6', dy }); // 0, 1, 0
   */
  activationBackward(options: options.ActivationBackwardOptions): Float32Array {
    return activationBackward(this.#session, options);
  }

  /**
   * The gradients of the activation `prelu` at its input and at its slopes: dx (..., c), dslope (c).
   *
   * @example
   * const [x, slope] = [Float32Array.of(-1, 2), Float32Array.of(0.1, 0.2)];
   * const { dx, dslope } = k.preluBackward({ x, slope, dy: Float32Array.of(1, 1) }); // 0.1, 1; -1, 0
   */
  preluBackward(options: options.PreluOptions): { dx: Float32Array; dslope: Float32Array } {
    return preluBackward(this.#session, options);
  }

  /**
   * dx = dy where y, the output of a ReLU (`relu: true` of any layer), is positive, else 0; `guided` passes positive dy
   * only.
   * @example
   * k.reluBackward({ y: Float32Array.of(0, 2, 3), dy: Float32Array.of(1, 1, -1), guided: true }); // 0, 1, 0
   */
  reluBackward(options: options.ReluBackwardOptions): Float32Array {
    return reluBackward(this.#session, options);
  }

  /**
   * y (..., c) = x scale + shift, channel by channel: what remains of a batch normalization.
   *
   * @example
   * const [scale, shift] = [Float32Array.of(1, 2), Float32Array.of(0, -1)];
   * k.affine({ x: Float32Array.of(1, 2, 3, 4), shape: [2, 2], scale, shift }); // 1, 3, 3, 7
   */
  affine(options: options.AffineOptions): Float32Array {
    return affine(this.#session, options);
  }

  /**
   * The gradients of `affine`: dx (..., c) = dy scale, dscale (c) = the sum of dy x, dshift (c) = the sum of dy.
   *
   * @example
   * const [x, scale, dy] = [Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 2), Float32Array.of(1, 1, 1, 1)];
   * const { dx, dscale, dshift } = k.affineBackward({ x, shape: [2, 2], scale, dy }); // 1, 2, 1, 2; 4, 6; 2, 2
   */
  affineBackward(options: options.WithGradient<Omit<options.AffineOptions, 'shift'>>): options.AffineGradients {
    return affineBackward(this.#session, options);
  }

  /**
   * y (..., c) = (x - mean) / sqrt(variance + epsilon) scale + shift, mean and variance being those of a point's
   * channels.
   *
   * @example
   * k.layerNorm({ x: Float32Array.of(1, 3, 5, 9), shape: [2, 2] }); // about -1, 1, -1, 1
   */
  layerNorm(options: options.LayerNormOptions): Float32Array {
    return layerNorm(this.#session, options);
  }

  /**
   * The gradients of `layerNorm` at x (..., c), its input, and at scale and shift (c).
   *
   * @example
   * const [x, dy] = [Float32Array.of(1, 3, 5, 9), Float32Array.of(1, 0, 0, 1)];
   * const { dx } = k.layerNormBackward({ x, shape: [2, 2], dy });
   */
  layerNormBackward(options: options.WithGradient<Omit<options.LayerNormOptions, 'shift'>>): options.AffineGradients {
    return layerNormBackward(this.#session, options);
  }

  /**
   * y (n, h, w, c) = a + b. b is shaped as a, or a vector for each map, (n, c), that is added to all its pixels.
   *
   * @example
   * k.add({ a: Float32Array.of(1, 2, 3, 4), b: Float32Array.of(10, 20), shape: [1, 1, 2, 2] }); // 11, 22, 13, 24
   */
  add(options: options.CombineOptions): Float32Array {
    return combine(this.#session, 'add', options);
  }

  /**
   * The gradients of `add`: da = dy; db = dy, or its sum over the pixels of each map.
   *
   * @example
   * const [a, b, dy] = [Float32Array.of(1, 2), Float32Array.of(3, 4), Float32Array.of(5, 6)];
   * const { da, db } = k.addBackward({ a, b, shape: [1, 1, 1, 2], dy }); // 5, 6; 5, 6
   */
  addBackward(options: options.WithGradient<options.CombineOptions>): { da: Float32Array; db: Float32Array } {
    return combineBackward(this.#session, 'add', options);
  }

  /**
   * y (n, h, w, c) = a b, number by number. b is shaped as a, or a vector for each map, (n, c), as in squeeze and
   * excitation.
   *
   * @example
   * k.multiply({ a: Float32Array.of(1, 2, 3, 4), b: Float32Array.of(10, 20), shape: [1, 1, 2, 2] }); // 10, 40, 30, 80
   */
  multiply(options: options.CombineOptions): Float32Array {
    return combine(this.#session, 'multiply', options);
  }

  /**
   * The gradients of `multiply`: da = dy b; db = dy a, or its sum over the pixels of each map.
   *
   * @example
   * const [a, b, dy] = [Float32Array.of(1, 2), Float32Array.of(3, 4), Float32Array.of(5, 6)];
   * const { da, db } = k.multiplyBackward({ a, b, shape: [1, 1, 1, 2], dy }); // 15, 24; 5, 12
   */
  multiplyBackward(options: options.WithGradient<options.CombineOptions>): { da: Float32Array; db: Float32Array } {
    return combineBackward(this.#session, 'multiply', options);
  }

  /**
   * y (n, h, w, sum of c) = the channels of several maps, one behind the other.
   *
   * @example
   * const xs = [Float32Array.of(1, 2), Float32Array.of(5, 6, 7, 8)];
   * k.concat({ xs, shapes: [[1, 1, 2, 1], [1, 1, 2, 2]] }); // 1, 5, 6, 2, 7, 8
   */
  concat(options: options.ConcatOptions): Float32Array {
    return concat(options);
  }

  /**
   * The gradients of `concat`, one for each map: the slices of dy (n, h, w, sum of c).
   *
   * @example
   * const dy = Float32Array.of(1, 5, 6, 2, 7, 8);
   * const [da, db] = k.concatBackward({ shapes: [[1, 1, 2, 1], [1, 1, 2, 2]], dy }); // 1, 2; 5, 6, 7, 8
   */
  concatBackward(options: options.WithGradient<Omit<options.ConcatOptions, 'xs'>>): Float32Array[] {
    return concatBackward(options);
  }

  /**
   * y (rows, columns) = exp(x) / sum of exp(x), row by row, without overflow.
   *
   * @example
   * k.softmax({ x: Float32Array.of(0, 0, 1, 1), shape: [2, 2] }); // 0.5, 0.5, 0.5, 0.5
   */
  softmax(options: options.SoftmaxOptions): Float32Array {
    return softmax(this.#session, options);
  }

  /**
   * dx (rows, columns) of `softmax` from its output y and dy.
   *
   * @example
   * k.softmaxBackward({ y: Float32Array.of(0.5, 0.5), shape: [1, 2], dy: Float32Array.of(1, 0) }); // 0.25, -0.25
   */
  softmaxBackward(options: options.SoftmaxBackwardOptions): Float32Array {
    return softmaxBackward(this.#session, options);
  }

  /**
   * loss (rows) = sum_j t_j (log sum_i exp(x_i) - x_j): the cross-entropy of softmax(x) with the targets t, row by row,
   * without overflow.
   * @example
   * k.softmaxCrossEntropy({ x: Float32Array.of(0, 0), shape: [1, 2], labels: [1] }); // 0.693147
   */
  softmaxCrossEntropy(options: options.CrossEntropyOptions): Float32Array {
    return softmaxCrossEntropy(this.#session, options);
  }

  /**
   * dx (rows, columns) of `softmaxCrossEntropy`: dy (softmax(x) sum_j t_j - t). dy (rows) is the gradient at the
   * losses: all one by default, the gradient of their sum; 1 / rows for that of their mean.
   * @example
   * k.softmaxCrossEntropyBackward({ x: Float32Array.of(0, 0), shape: [1, 2], labels: [1] }); // 0.5, -0.5
   */
  softmaxCrossEntropyBackward(options: options.CrossEntropyBackwardOptions): Float32Array {
    return softmaxCrossEntropyBackward(this.#session, options);
  }

  /** Ends the threads and lets the memory go. Later calls throw ABORTED. */
  dispose(): void {
    this.#session.runtime.dispose();
  }

  /** The same, for `using k = await init()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
