import type { KernelSet, Precision, WasmOption } from '../base/types.js';

/** How the kernels run. */
export interface KernelOptions {
  /**
   * Instruction set: `auto` (default) takes relaxed SIMD where the engine has it. In Node 20 `relaxed` sets a flag of
   * the process.
   */
  kernels?: KernelSet;
  /** Threads, the calling one included; by default what the machine offers. */
  threads?: number;
  /** The kernels as files (`dist/wasm` of the package). Default: those in the bundle. */
  wasm?: WasmOption;
  /**
   * `fast` (default): convolutions by Winograd's algorithm where the channels are multiples of 4. `exact`: plain sums.
   */
  precision?: Precision;
}

/** One number for both axes, or two: down and across. */
export type Sides = number | readonly [number, number];

/**
 * Points around a map that count as padding: as many on each side, or [top, left, bottom, right]; negative numbers
 * crop. `same`: so many that there are h / stride windows, rounded up, as equal as can be on both sides, the odd one at
 * the far side.
 */
export type Padding = 'same' | number | readonly [number, number, number, number];

/**
 * A function of each number by itself, by name or with its parameters. `relu6` is a clip at 0 and 6, `elu` has alpha 1.
 * `gelu` is x times the normal distribution function, `gelu-tanh` its approximation by tanh. The derivative at a kink
 * is that of the flat side.
 */
export type ActivationFunction =
  | 'relu'
  | 'relu6'
  | 'elu'
  | 'selu'
  | 'sigmoid'
  | 'tanh'
  | 'silu'
  | 'hard-swish'
  | 'gelu'
  | 'gelu-tanh'
  | 'softplus'
  /** min(max(x, low), high) */
  | { readonly f: 'clip'; readonly low: number; readonly high: number }
  /** slope x where x is negative */
  | { readonly f: 'leaky-relu'; readonly slope: number }
  /** slope x where x is negative, a slope for each channel: (c) */
  | { readonly f: 'prelu'; readonly slope: Float32Array }
  /** alpha (e^x - 1) where x is negative */
  | { readonly f: 'elu'; readonly alpha: number }
  /**
   * min(max(slope x + offset, 0), 1): slope 1 / 6 and offset 0.5 in PyTorch and Keras 3, slope 0.2 in ONNX and Keras 2
   */
  | { readonly f: 'hard-sigmoid'; readonly slope: number; readonly offset: number };

/**
 * A convolution of maps (n, h, w, cin) that gives maps (n, outH, outW, cout). By default 3x3 with zero padding 'same'.
 */
export interface Conv2dOptions {
  /** (n, h, w, cin) */
  x: Float32Array;
  /** [n, h, w, cin] */
  shape: readonly number[];
  /** (kh, kw, cin / groups, cout) */
  w: Float32Array;
  /** (cout); zeros by default. */
  b?: Float32Array;
  /** Number of output channels. */
  cout: number;
  /** kh and kw, taps down and across, 1 to 64; 3 by default. */
  size?: Sides;
  /** Distance of the windows in pixels, 1 by default. */
  stride?: Sides;
  /** What counts as zeros around the map; 'same' by default. */
  pad?: Padding;
  /** Distance of the taps in pixels, 1 by default. */
  dilation?: number;
  /**
   * Parts into which the channels are divided, each with its own kernel; cin makes the convolution depthwise. 1 by
   * default.
   */
  groups?: number;
  /** What is done with the sums; nothing by default. */
  activation?: ActivationFunction;
  /** The same as `activation: 'relu'`: negative sums become zero; NaN stays. */
  relu?: boolean;
}

/** Maps (n, h, w, c). */
export interface MapOptions {
  /** (n, h, w, c) */
  x: Float32Array;
  /** [n, h, w, c] */
  shape: readonly number[];
}

/** A max pool of maps (n, h, w, c) that gives maps (n, outH, outW, c). */
export interface MaxPool2dOptions extends MapOptions {
  /** Taps down and across. */
  size: Sides;
  /** Distance of the windows in pixels; `size` by default. */
  stride?: Sides;
  /** Distance of the taps in pixels, 1 by default. */
  dilation?: number;
  /**
   * What counts as padding. By default nothing, but with stride 1 as much at the right and bottom as keeps the map's
   * size.
   */
  pad?: Padding;
  /** Whether padding counts as zeros; by default it takes no part. */
  countPadding?: boolean;
  /** Whether a last window counts that leaves map and padding at the right or bottom; false by default. */
  ceil?: boolean;
}

/** A mean pool of maps (n, h, w, c) that gives maps (n, outH, outW, c). */
export interface AveragePool2dOptions extends Omit<MaxPool2dOptions, 'pad'> {
  /** What counts as padding; by default nothing, whatever the stride. */
  pad?: Padding;
}

/** Options of a call and, where its gradient is asked for, that at its output. */
export type WithGradient<Options> = Options & {
  /** The gradient at the output, shaped as it. */
  dy: Float32Array;
};

/** An activation of any numbers. */
export interface ActivationOptions {
  /** Any length; with a PReLU a multiple of its channels, which are the last axis. */
  x: Float32Array;
  /** What is done with each. */
  activation: ActivationFunction;
}

/** The gradient of an activation. */
export interface ActivationBackwardOptions extends ActivationOptions {
  /** The gradient at the output, as long as x, the input. */
  dy: Float32Array;
  /** Whether only positive gradients pass: guided backpropagation (Springenberg et al. 2015). */
  guided?: boolean;
}

/** The gradients of a PReLU. */
export interface PreluOptions {
  /** (..., c), its input. */
  x: Float32Array;
  /** (c) */
  slope: Float32Array;
  /** (..., c), the gradient at the output. */
  dy: Float32Array;
}

/** A scale and a shift for each channel. */
export interface AffineOptions {
  /** (..., c) */
  x: Float32Array;
  /** [..., c], any number of axes. */
  shape: readonly number[];
  /** (c) */
  scale: Float32Array;
  /** (c) */
  shift: Float32Array;
}

/** Layer normalization over the channels of each point. */
export interface LayerNormOptions {
  /** (..., c) */
  x: Float32Array;
  /** [..., c], any number of axes. */
  shape: readonly number[];
  /** (c); ones by default. */
  scale?: Float32Array;
  /** (c); zeros by default. */
  shift?: Float32Array;
  /** Added to the variance; 1e-6 by default. */
  epsilon?: number;
}

/** Gradients at the input, scales and shifts. */
export interface AffineGradients {
  /** Shaped as x. */
  dx: Float32Array;
  /** (c) */
  dscale: Float32Array;
  /** (c) */
  dshift: Float32Array;
}

/** Two operands. */
export interface CombineOptions {
  /** (n, h, w, c) */
  a: Float32Array;
  /** (n, h, w, c), or (n, c): a vector for each map, which meets all its pixels. */
  b: Float32Array;
  /** [n, h, w, c] */
  shape: readonly number[];
}

/** Maps of one size, whose channels are put one behind the other. */
export interface ConcatOptions {
  /** (n, h, w, c) each. */
  xs: readonly Float32Array[];
  /** [n, h, w, c] each; they differ in c alone. */
  shapes: readonly (readonly number[])[];
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

/** The gradients of `conv2d`, whose options it takes. */
export interface Conv2dBackwardOptions extends Conv2dOptions, ReluMask {
  /** (n, outH, outW, cout), the gradient at the output. */
  dy: Float32Array;
}

/** The gradients of `dense`. */
export interface DenseBackwardOptions extends Omit<DenseOptions, 'b' | 'relu'>, ReluMask {
  /** (n, out), the gradient at the output. */
  dy: Float32Array;
}

/** The ReLU behind a layer whose gradient is asked for. */
export interface ReluMask {
  /**
   * The output of the layer with `relu: true`, shaped as `dy`, which then first goes backwards through the ReLU; none
   * by default.
   */
  y?: Float32Array;
  /** Whether only positive gradients pass that ReLU: guided backpropagation (Springenberg et al. 2015). */
  guided?: boolean;
}

/** The gradient of a ReLU alone. */
export interface ReluBackwardOptions extends Omit<ReluMask, 'y'> {
  /** The ReLU's output. */
  y: Float32Array;
  /** As long as y, the gradient at the output. */
  dy: Float32Array;
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

/** The gradient of `softmaxCrossEntropy`. */
export interface CrossEntropyBackwardOptions extends CrossEntropyOptions {
  /** (rows), the gradient at the losses; all one by default. */
  dy?: Float32Array;
}

/** Softmax of rows. */
export interface SoftmaxOptions {
  /** (rows, columns) */
  x: Float32Array;
  /** [rows, columns] */
  shape: readonly number[];
}

/** The gradient of `softmax`. */
export interface SoftmaxBackwardOptions {
  /** (rows, columns), the output. */
  y: Float32Array;
  /** [rows, columns] */
  shape: readonly number[];
  /** (rows, columns), the gradient at the output. */
  dy: Float32Array;
}
