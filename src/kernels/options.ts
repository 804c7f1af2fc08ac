import type { KernelSet, Precision, WasmOption } from '../base/types.js';

/** How the kernels run. */
export interface KernelOptions {
  /** Instruction set: `auto` (default) takes relaxed SIMD where the engine has it. In Node 20 `relaxed` sets a flag of the process. */
  kernels?: KernelSet;
  /** Threads, the calling one included; by default what the machine offers. */
  threads?: number;
  /** The kernels as files (`dist/wasm` of the package). Default: those in the bundle. */
  wasm?: WasmOption;
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
  /** Number of output channels. */
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
  /** Number of outputs. */
  out: number;
  /** Whether negative sums become zero; NaN stays. */
  relu?: boolean;
}

/** A product of two matrices. */
export interface GemmOptions {
  /** (m, k), or (k, m) with `transposeA`. */
  a: Float32Array;
  /** (k, n), or (n, k) with `transposeB`. */
  b: Float32Array;
  /** Rows of the result. */
  m: number;
  /** What is summed over. */
  k: number;
  /** Columns of the result. */
  n: number;
  /** Takes a transposed. */
  transposeA?: boolean;
  /** Takes b transposed. */
  transposeB?: boolean;
  /** (n), added to every row. */
  bias?: Float32Array;
  /** Whether negative sums become zero; NaN stays. */
  relu?: boolean;
}

/** The gradients of `conv2d`. */
export interface Conv2dBackwardOptions extends Omit<Conv2dOptions, 'b' | 'relu'>, ReluMask {
  /** (n, h, w, cout), the gradient at the output. */
  dy: Float32Array;
}

/** The gradients of `dense`. */
export interface DenseBackwardOptions extends Omit<DenseOptions, 'b' | 'relu'>, ReluMask {
  /** (n, out), the gradient at the output. */
  dy: Float32Array;
}

/** The ReLU behind a layer whose gradient is asked for. */
export interface ReluMask {
  /** The output of the layer with `relu: true`, shaped as `dy`, which then first goes backwards through the ReLU; none by default. */
  y?: Float32Array;
  /** Whether only positive gradients pass that ReLU: guided backpropagation (Springenberg et al. 2015). */
  guided?: boolean;
}

/** Gradients of a layer at its input, weights and bias, shaped as these. */
export interface LayerGradients {
  /** Of the input. */
  dx: Float32Array;
  /** Of the weights. */
  dw: Float32Array;
  /** Of the biases. */
  db: Float32Array;
}

/** Softmax with cross-entropy of rows of logits: what each row should be is said by `labels` or by `targets`. */
export interface CrossEntropyOptions {
  /** (rows, columns), logits. */
  x: Float32Array;
  /** [rows, columns] */
  shape: readonly number[];
  /** (rows), the index of each row's class. */
  labels?: ArrayLike<number>;
  /** (rows, columns), each row's shares of the classes. */
  targets?: Float32Array;
}
