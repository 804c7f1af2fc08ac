declare global {
  // For projects whose TypeScript libraries do not know them: Node's own (no DOM), and those without ESNext.Disposable.
  namespace WebAssembly {
    interface Module {}
  }
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
}

/** A decoded, upright picture: 8-bit RGB, row by row, no padding. `data.length === width * height * 3`. */
export interface RgbImage {
  width: number;
  height: number;
  data: Uint8Array;
  /** Of a decoded file that is damaged or was read at a smaller size: what is wrong and what was done, in whole sentences. */
  warnings?: readonly string[];
}

/** A rectangle in pixels of the upright photograph: the part that the network saw. May be fractional. */
export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/**
 * The network as it was trained (`pooled`), without pools and with dilated convolutions instead (`dilated`), or with
 * its pools at stride 1 (`atrous`: the same predictions, a point for every pixel).
 */
export type Mode = 'pooled' | 'dilated' | 'atrous';
/** The number that is explained: the class's value before or after the softmax. */
export type Score = 'logit' | 'probability';
/** `loss`: softmax cross-entropy with the target as label. */
export type GradientScore = Score | 'loss';
/** The caller's own score: its value and its derivative with respect to each logit. */
export type CustomScore = (logits: Float32Array) => { value: number; gradient: ArrayLike<number> };

/**
 * What is explained: a class (index or label), `top` (the pooled network's first choice), the sum of several (a list, or
 * 'cat,dog') or their mean ({ mean }, or 'mean(cat,dog)'), the difference of two ({ for, against }, or 'cat/dog': what speaks for a cat
 * rather than a dog), or a function.
 */
export type TargetOption =
  | number
  | string
  | readonly (number | string)[]
  | { readonly mean: readonly (number | string)[] }
  | { readonly for: number | string; readonly against: number | string }
  | CustomScore;

/** Which part of the raw map is shown: what speaks for the target, against it, both without sign, or both from -1 to 1. */
export type Sign = 'positive' | 'negative' | 'absolute' | 'signed';
/** How the finished maps of several layers, or of several zooms, become one. */
export type Combine = 'mean' | 'product' | 'geometric-mean';
/**
 * Where the points of a layer's map are drawn: at the centres of the windows that they see (`centres`); where the evidence in these
 * windows lies, as measured once a network and layer (`evidence`); or as if the map's cells tiled the picture (`cells`), as other libraries
 * enlarge maps.
 */
export type Align = 'centres' | 'evidence' | 'cells';
/**
 * Whose score is differentiated in `atrous`: the network's own, that of phase (0,0) (`one`); each phase its own
 * (`each`); the mean over all phases, the dense score (`mean`).
 */
export type Heads = 'one' | 'each' | 'mean';
/**
 * How the grid of a map is averaged away: over one period of the layer's lattice (`box`); over that, half of it, a quarter ... down to 2,
 * one after the other (`phases`); by a Gaussian as wide at half height as one period (`gaussian`); or as the mean of the maps of shifted
 * pictures, in `dilated` only (`shift`).
 */
export type Smoothing = 'none' | 'box' | 'phases' | 'gaussian' | 'shift';
/** How convolutions are summed: by Winograd's algorithm, or directly. */
export type Precision = 'fast' | 'exact';
/** Instruction set: plain or relaxed SIMD; `auto` takes relaxed where the engine has it. */
export type KernelSet = 'auto' | 'simd' | 'relaxed';

/** The builds of the kernels, `dist/wasm/NAME.wasm` in the package: an instruction set for one thread, or for memory that threads share. */
export type WasmBuild = 'simd' | 'simd-shared' | 'relaxed' | 'relaxed-shared';
/** One build: compiled, its bytes, a response that holds them, or where they lie (a URL; in Node also a path). */
export type WasmSource = WebAssembly.Module | ArrayBuffer | Uint8Array | Response | Promise<Response> | string | URL;
/** One build, which then decides the instruction set; several by name; or a folder of all four: a URL or path that ends in `/`. */
export type WasmOption = WasmSource | { readonly [Name in WasmBuild]?: WasmSource };

/**
 * Channel order, mean and scale. `caffe`: BGR minus (103.939, 116.779, 123.68); `torch`: RGB / 255, minus mean, over std; `tf`: -1..1;
 * `unit`: 0..1; `raw`: 0..255; or numbers of your own.
 */
export type Normalization = NormalizationName | CustomNormalization;
/** Normalizations that have a name; what each does stands at `Normalization`. */
export type NormalizationName = 'caffe' | 'torch' | 'tf' | 'unit' | 'raw';
/** (value - mean) / std for each channel, in units of 0..255. */
export interface CustomNormalization {
  /** One number, or one a channel in the network's order; 0 by default. */
  mean?: readonly number[];
  /** Likewise; 1 by default. */
  std?: readonly number[];
  /**
   * Of the network's channels; `rgb` by default. `gray`: each of them is the grey picture, as the one channel of networks that have one
   * always is.
   */
  order?: 'rgb' | 'bgr' | 'gray';
}
/** Filter that makes a picture the network's size; but for `nearest` as in Pillow, with a support that grows when it shrinks. */
export type ResizeFilter = 'nearest' | 'bilinear' | 'bicubic' | 'lanczos';
/**
 * `squash`: to the network's square, aspect not kept (Keras). `crop`: shorter side to 8/7 of the square (256 for 224),
 * centre crop (torchvision).
 */
export type Fit = 'squash' | 'crop';

/** How a picture becomes the network's input; every set of weights has its own. */
export interface Preprocessing {
  normalization: Normalization;
  resize: ResizeFilter;
  fit: Fit;
}

/** A class and how probable it is. */
export interface Prediction {
  index: number;
  label: string;
  probability: number;
}
