import type {
  Align,
  Combine,
  GradientScore,
  Heads,
  KernelSet,
  Mode,
  Precision,
  Prediction,
  Preprocessing,
  Rect,
  RgbImage,
  Score,
  Sign,
  Smoothing,
  TargetOption,
  WasmOption,
} from './base/types.js';
import type { HeadKind } from './graph/graph.js';
import type { MethodName } from './methods/facts.js';
import type { Labels } from './weights/label-lists.js';

export type { HeadKind, Labels, MethodName };

/**
 * A picture: a path or `file:` URL (Node), the bytes of a PNG, JPEG, WebP, GIF, BMP or AVIF file, a Blob or File, pixels (ImageData, or
 * RGBA or RGB bytes with their size), or in a browser what it can draw. Files are decoded by the package itself, everywhere alike.
 */
export type ImageInput = string | URL | Uint8Array | ArrayBuffer | Blob | PixelInput | DrawableInput;

/** Pixels row by row, 3 or 4 bytes each; alpha is composed over white. ImageData is one. */
export interface PixelInput {
  width: number;
  height: number;
  data: Uint8Array | Uint8ClampedArray;
}

/**
 * What a browser can draw: an ImageBitmap or a VideoFrame, a canvas of a page or a worker (OffscreenCanvas), and in a page an `<img>` that
 * is loaded or a `<video>`, whose present picture is taken.
 */
export type DrawableInput =
  | {
      readonly width: number;
      readonly height: number;
      /** Lets the pixels go; whoever made the bitmap calls it. */
      close(): void;
    }
  | {
      readonly width: number;
      readonly height: number;
      /** The drawing context whose pixels are read. */
      getContext(kind: '2d'): unknown;
    }
  | {
      readonly displayWidth: number;
      readonly displayHeight: number;
      /** Lets the frame go; whoever made it calls it. */
      close(): void;
    }
  | { readonly naturalWidth: number; readonly naturalHeight: number }
  | { readonly videoWidth: number; readonly videoHeight: number };

/**
 * What the network computes on, as `preprocess` makes it: (rows, columns, channels) float32, normalised; 0 is the data
 * set's mean colour.
 */
export interface TensorInput {
  readonly tensor: Float32Array;
}

/** A picture as the network gets it; `explain` takes it in the picture's place and draws over its photograph, so that several share the work. */
export interface Preprocessed extends TensorInput {
  /** The part of the upright photograph that the network sees. */
  readonly rect: Rect;
  /** The whole upright photograph. */
  readonly image: RgbImage;
}

/** What `onProgress` is told. */
export interface Progress {
  stage: 'load' | 'compute';
  mode?: Mode;
  /** Share of the work that is done, 0..1. */
  done: number;
  /** In `atrous`, each time the map was refined: the finished map so far at the input's size, 0..1. */
  map?: Float32Array;
  /** The spacing of the points that `map` rests on. */
  outputStride?: number;
}

/** What every call takes. */
export interface CallOptions {
  /** Overrides what belongs to the weights. */
  preprocessing?: Partial<Preprocessing>;
  /** Ends the call with the error ABORTED, within some 100 ms. */
  signal?: AbortSignal;
  /** Called on the calling thread as the work goes on. */
  onProgress?: (progress: Progress) => void;
}

/** What untrusted files may ask for at most; what asks for more is refused before it is read or memory is taken. */
export interface Limits {
  /** Width x height of a picture; 100 million by default. */
  pixels?: number;
  /** Bytes of a weight file; 8 GiB by default. */
  fileBytes?: number;
  /** Tensors of a weight file; 10,000 by default. */
  tensors?: number;
  /** Bytes of the WebAssembly memory, weights and maps together; by default what the platform gives, 4 GiB at most. */
  memoryBytes?: number;
}

/** How a network is loaded and where it runs. */
export interface LoadOptions extends CallOptions {
  /**
   * Threads, the calling one included. Default: what the machine offers, 8 at most; one where memory cannot be shared.
   * The results do not depend on it.
   */
  threads?: number;
  /** Instruction set. Default `auto`: relaxed SIMD where the engine has it. */
  kernels?: KernelSet;
  /** The kernels as files (`dist/wasm` of the package), for pages that serve and cache them by themselves. Default: those in the bundle. */
  wasm?: WasmOption;
  /** `fast` (Winograd, the default) or `exact` (direct accumulation). */
  precision?: Precision;
  /**
   * Side of the input, or rows and columns, where the network takes pictures of several sizes; by default what the file says. Networks of
   * VGG's family take multiples of 32, and only without dense layers.
   */
  inputSize?: number | readonly [number, number];
  /**
   * Names of the classes instead of the file's: a list, an object (`{"0": "cat"}`, `{"cat": 0}`), or the text of a file with one name a
   * line, JSON of these, or CSV.
   */
  labels?: Labels;
  /** What untrusted files may ask for at most. */
  limits?: Limits;
}

/** What of `LoadOptions` concerns a file that is only looked at. */
export type InspectOptions = Pick<
  LoadOptions,
  'precision' | 'preprocessing' | 'inputSize' | 'labels' | 'limits' | 'signal'
>;

/** How a picture is classified. */
export interface PredictOptions extends CallOptions {
  /** Default `pooled`, the network as it was trained; `explain` has another default. */
  mode?: Mode;
}

/** What is explained, and how finely. */
export interface ExplainOptions extends CallOptions {
  /**
   * Default: `pooled` with `zoom: [1, 2]` for Grad-CAM of networks of stride 32 that take any size, as docs/study.md recommends; with `zoom`
   * alone `pooled`; else `atrous`. `predict`, `activations` and `gradients` take `pooled` by default, so name the mode where you compare.
   */
  mode?: Mode;
  /** What is explained; `top` (the default): the pooled network's top class, in every mode. */
  target?: TargetOption;
  /** Default `gradcam`. */
  method?: MethodName;
  /**
   * The layer or layers whose activations are weighed: a name, several in a list or with commas. Default: the last convolution
   * (`refinecam`: those of the last three blocks). Methods that explain the input itself take none.
   */
  layer?: string | readonly string[];
  /** How the maps of several layers or zooms become one. Default `mean`; `product` for `refinecam`. */
  combine?: Combine;
  /** What is differentiated: the class logit (default) or its probability. */
  score?: Score;
  /** Whose head gives the gradient in `atrous`: that of phase (0,0), `one`. */
  heads?: Heads;
  /**
   * Pixels of the input between two points of the map in `atrous`: a divisor of the network's own spacing, 16 in VGG16. Default: the
   * finest at which the map costs no more than ten times what the pooled network does; 1 for networks of VGG's family.
   */
  outputStride?: number;
  /**
   * Where the points of a layer's map are drawn. `centres` (default): at the centres of the windows that they see. `evidence`: where the
   * evidence in these windows lies, measured once a network and layer. `cells`: as if the map's cells tiled the picture, as
   * pytorch-grad-cam draws maps. Maps of the input itself have a value for each pixel and stay where they are.
   */
  align?: Align;
  /**
   * Sizes of the input as multiples of the network's own, such as 2 or [1, 2]: the photograph is resampled from its own pixels to each
   * of them, and the maps are combined by `combine`, by default `product`, at the largest size. What the network says, and the target, are
   * those of its own size. For networks that take any size: those with a global mean, or whose first dense layer weighs all cells
   * alike. While one is computed, `onProgress` has the map of the size at hand. Default 1, or as `mode` says.
   */
  zoom?: number | readonly number[];
  /**
   * How the grid is averaged away, before the last normalisation; methods that explain the input itself have no lattice to average
   * over and change with `shift` alone. Default `box` in `atrous`, `none` in the other modes.
   */
  smoothing?: Smoothing;
  /** Which part of the raw map is shown: `positive` (default), `negative`, `absolute`, or `signed`, which gives a map of -1..1. */
  sign?: Sign;
  /** Mean of the maps of six inputs: the picture and its mirror image, each times 0.9, 1 and 1.1. Default false. */
  augSmooth?: boolean;
  /** Projects the weighted activations on their first principal component instead of summing them. Default false. */
  eigenSmooth?: boolean;
  /**
   * Keeps the maps that the explanation is made of, and takes those that an earlier call kept of the same picture, mode, layer,
   * output stride and zoom: another target then costs no pass through the network, and has the same bits as without. For Grad-CAM and
   * Finer-CAM at the layer in front of the head; other calls compute as ever. Up to 128 MB are held, until another picture is explained.
   * Default false.
   */
  reuse?: boolean;
  /** Of the methods that draw numbers (`smoothgrad`, `randomcam`); default 0. The same seed gives the same map. */
  seed?: number;
}

/** What the network makes of a picture. */
export interface PredictionResult {
  /** The five most probable classes, most probable first. */
  predictions: Prediction[];
  /** One a class. */
  logits: Float32Array;
  /** One a class, summing to 1. */
  probabilities: Float32Array;
}

/** What an explanation consists of, and what it costs. */
export interface Estimate {
  /** The mode; where options name none, the one that `explain` would take. */
  mode: Mode;
  /** Sizes of the input, as multiples of the network's own. */
  zoom: readonly number[];
  /** Multiply-accumulates of all passes through the network. */
  macs: number;
  /** At the pace of this network's latest run, or, before any, at a careful guess. */
  seconds: number;
}

/** Where the points of a raw map lie on the finished one, in its pixels: rows and columns. */
export interface Placement {
  align: Align;
  /** Where point (0, 0) lies. */
  origin: readonly [number, number];
  /** From one point to the next. */
  pitch: readonly [number, number];
}

/** Where a layer's points see most. */
export interface LayerEvidence {
  /** The layer's own name, as `packWeights` takes it. */
  layer: string;
  /** From the centres of its windows, in pixels of the input: rows (down) and columns (to the right). */
  offset: readonly [number, number];
}

/** Which pixels speak for a class. */
export interface Explanation extends PredictionResult {
  mode: Mode;
  method: MethodName;
  /** Names of the layers whose activations were weighed; none for methods at the input. */
  layers: string[];
  heads: Heads;
  /** Pixels of the input between two computed points of the map: of several layers' maps the last one's. */
  outputStride: number;
  /** The sizes of the input, as multiples of the network's own, whose maps were combined. */
  zoom: number[];
  /** Where the points of `raw` lie on the finished map. */
  placement: Placement;
  /** The class. Of a score that is not one class's, `index` is -1 and the label tells: `cat + dog`, `cat rather than dog`. */
  target: { index: number; label: string };
  /** The explained value: the target's logit or probability in this mode; of `finercam` what it has more than the nearest classes. */
  score: number;
  /**
   * The method's map as it is: signed, not normalised, at the mode's own resolution, (H, W) of the input for methods that explain the
   * input. Of several layers or zooms, or with `augSmooth`, the combined map before its last normalisation.
   */
  raw: { width: number; height: number; data: Float32Array };
  /**
   * The finished map, 0..1 (-1..1 where it is `signed`), at the input's size, or that of the largest zoom. `flat`: all values are equal, so there is
   * nothing to show.
   */
  map: { width: number; height: number; data: Float32Array; flat: boolean; signed?: boolean };
  /** The part of the upright photograph that the network saw. */
  rect: Rect;
  /** The whole upright photograph. */
  image: RgbImage;
  /** What the mode took by itself, from decoded picture to finished map. */
  seconds: number;
  /** High-water mark of maps and scratch in bytes, weights excluded. */
  peakBytes: number;
  /** Whether nothing but the target was computed anew (`reuse`). */
  reused?: boolean;
  /**
   * The map over the photograph. `alpha` 0..1 is the map's share.
   *
   * @example
   * const { overlay } = await net.explain('photo.jpg');
   * const { width, height, data } = overlay({ colormap: 'viridis', alpha: 0.6 });
   */
  overlay(options?: { colormap?: string; alpha?: number }): RgbImage;
}

/** Which maps are wanted. */
export interface ActivationsOptions extends CallOptions {
  /** Default `pooled`; `explain` has another default. */
  mode?: Mode;
  /** Names of convolutions; the last one by default. */
  layers?: readonly string[];
  /** Spacing of the last map's points in `atrous`; default 1. */
  outputStride?: number;
}

/** A layer's output after ReLU. */
export interface Activation {
  /** [1, rows, columns, channels] */
  shape: [number, number, number, number];
  /** NHWC */
  data: Float32Array;
}

/** What is differentiated, and with respect to what. */
export interface GradientsOptions extends CallOptions {
  /** Default `pooled`; `explain` has another default. */
  mode?: Mode;
  /** A class index, a label, or `top` (the default): the pooled network's top class, in every mode. */
  target?: 'top' | number | string;
  /**
   * What is differentiated: the target's logit (default), its probability, or the `loss`, softmax cross-entropy with
   * the target as label.
   */
  score?: GradientScore;
  /**
   * Whose score in `atrous`. `one` (default): the network's own, phase (0,0)'s; the gradient is the pooled network's, zero at the points
   * between. `mean`: the dense score, the mean over all phases. `each`: at each point of the last layer its own phase's score.
   */
  heads?: Heads;
  /** With respect to what: `input`, names of convolutions (their outputs after ReLU), `weights`. Default `input`. */
  wrt?: string | readonly string[];
  /** ReLU passes only positive gradients back (guided backpropagation). Default false. */
  guided?: boolean;
  /** Of the backward pass. Default: the network's. `fast` after an `exact` forward pass keeps its ReLU masks and maxima. */
  precision?: Precision;
  /** Spacing of the last map's points in `atrous`, with `mean` and `each` of the phases that have a score; default 1. */
  outputStride?: number;
}

/** Row by row, the last index fastest. */
export interface Tensor {
  shape: number[];
  data: Float32Array;
}

/** Gradients of the weights of one layer. Normalizations that are not part of a convolution have `scale` and `shift` instead. */
export interface WeightGradients {
  /** [rows, columns, in, out] of a convolution, [in, out] of a dense layer. */
  kernel: Tensor;
  /** [out] */
  bias: Tensor;
  [part: string]: Tensor;
}

/** Gradients by what they are taken with respect to. */
export interface Gradients extends PredictionResult {
  mode: Mode;
  target: { index: number; label: string };
  /** The differentiated value; with heads `mean` the mean over the phases, with `each` that of phase (0,0). */
  score: number;
  /** Of each head: one, or with heads `mean` and `each` (16 / outputStride)^2 in the row order of the phases. */
  scores: Float32Array;
  /** [1, rows, columns, channels], of the input after preprocessing. */
  input?: Activation;
  /** By layer: all convolutions, then the dense layers. */
  weights?: Record<string, WeightGradients>;
  /** By layer: the gradient at a convolution's output after ReLU, as `activations` gives that output. Empty where none was asked for. */
  layers: Record<string, Activation>;
  /** High-water mark of maps and scratch in bytes, weights excluded. */
  peakBytes: number;
}

/** One layer of a plan. */
export interface PlanRow {
  layer: string;
  /** The operation in a few words, such as `conv 3x3, stride 2`. */
  operation: string;
  /** Input pixels from one point of the output to the next; undefined for vectors. */
  stride: number | undefined;
  /** (rows, columns, channels) or (units) */
  output: number[];
  parameters: number;
  /** Multiply-accumulates. */
  macs: number;
  /** Bytes of the output in float32. */
  bytes: number;
}

/** What a mode computes, layer by layer. */
export interface PlanTable {
  mode: Mode;
  outputStride: number;
  rows: PlanRow[];
  parameters: number;
  macs: number;
  /** High-water mark of maps and scratch, weights excluded. */
  peakBytes: number;
}

/** What is known of a network without loading it. */
export interface NetworkInfo {
  /** Where the weights come from. */
  readonly source: string;
  readonly parameters: number;
  /** Side of the input in pixels; of one that is not square the longer side. */
  readonly inputSize: number;
  /** Rows, columns and channels of the input. */
  readonly inputShape: readonly [number, number, number];
  readonly labels: readonly string[];
  /** Names of the layers that have a map, first to last. */
  readonly layers: readonly string[];
  readonly preprocessing: Preprocessing;
  /** Whether the numbers of the input are a guess, because neither the file nor its publisher nor the caller states them. */
  readonly preprocessingAssumed: boolean;
  /** The kind of file: `ONNX`, `Keras .h5`, `PyTorch` ... */
  readonly format: string;
  /** What the network is called, where its names tell: `VGG16`, `ResNet`, `Keras model "sequential"`. */
  readonly family: string | undefined;
  /** How logits become probabilities; undefined of a network without classes. */
  readonly head: HeadKind | undefined;
  /** The layer that is explained where none is named. */
  readonly defaultLayer: string;
  /** What the file does not say and was assumed, in whole sentences. */
  readonly assumptions: readonly string[];
  /**
   * What a mode computes, layer by layer, without running it. Throws BAD_ARGUMENT for another mode or output stride.
   *
   * @example
   * net.plan('atrous', { outputStride: 8 }).macs; // multiply-accumulates of the whole map
   */
  plan(mode: Mode, options?: { outputStride?: number }): PlanTable;
  /**
   * What a call of `explain` would cost, from its plans; nothing is computed. Throws what `explain` would throw of its options.
   *
   * @example
   * const { macs, seconds } = net.estimate({ method: 'scorecam', mode: 'dilated' });
   * net.estimate().zoom; // [1, 2] of a ResNet, [1] of VGG16
   */
  estimate(options?: ExplainOptions): Estimate;
}

export interface Network extends NetworkInfo {
  readonly kernels: 'simd' | 'relaxed';
  readonly threads: number;
  /**
   * Class probabilities of a picture, or of a changed one: the numbers behind `preprocess`.
   *
   * @example
   * const { predictions } = await net.predict('photo.jpg');
   * for (const { label, probability } of predictions) console.log(label, probability);
   */
  predict(image: ImageInput | TensorInput, options?: PredictOptions): Promise<PredictionResult>;
  /**
   * A picture resized, cropped and normalised: the network's own input.
   *
   * @example
   * const { tensor, rect } = await net.preprocess('photo.jpg');
   * await net.predict({ tensor }); // as of the photograph
   */
  preprocess(image: ImageInput, options?: Pick<CallOptions, 'preprocessing' | 'signal'>): Promise<Preprocessed>;
  /**
   * Outputs of convolutions after ReLU, by name.
   *
   * @example
   * const { block3_conv3 } = await net.activations('photo.jpg', { layers: ['block3_conv3'] });
   * block3_conv3.data.length; // height x width x channels
   */
  activations(image: ImageInput | TensorInput, options?: ActivationsOptions): Promise<Record<string, Activation>>;
  /**
   * Gradients of a score with respect to the input, layers' outputs and weights.
   *
   * @example
   * const { layers } = await net.gradients('photo.jpg', { target: 'cat', wrt: ['block5_conv3'] });
   * layers.block5_conv3.data; // of the cat's logit
   */
  gradients(image: ImageInput | TensorInput, options?: GradientsOptions): Promise<Gradients>;
  /**
   * How far the evidence of a layer, by default the last one, lies from the centres of its windows: what `explain` takes with `align:
   * 'evidence'`. Measured when it is first asked for, in some 25 gradients of the network on pictures of seeded noise, unless the file
   * says it.
   * @example
   * const evidence = await net.evidence(); // of the last layer
   */
  evidence(layer?: string, options?: { signal?: AbortSignal }): Promise<LayerEvidence>;
  /**
   * Which pixels made the network decide.
   *
   * @example
   * const { map, target } = await net.explain('photo.jpg', { target: 'cat', mode: 'atrous', method: 'layercam' });
   * map.data; // 0..1 at the input's size
   */
  explain(image: ImageInput | TensorInput, options?: ExplainOptions): Promise<Explanation>;
  /** Ends the threads and gives the memory back. Running calls fail with ABORTED. */
  dispose(): void;
  /** The same, for `using net = await load()`. */
  [Symbol.dispose](): void;
}
