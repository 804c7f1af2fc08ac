import type {
  Activation,
  ActivationsOptions,
  CallOptions,
  ExplainOptions,
  Explanation,
  Gradients,
  GradientsOptions,
  ImageInput,
  LayerEvidence,
  Limits,
  LoadOptions,
  Network,
  PredictionResult,
  PredictOptions,
  Preprocessed,
  TensorInput,
} from './api.js';
import { lazy } from './base/lazy.js';
import { CALL, checkOptions, checkPrecision, type Names } from './base/options.js';
import type { RgbImage } from './base/types.js';
import { evidenceOf } from './calls/evidence.js';
import { explain } from './calls/explain.js';
import { readLayer } from './calls/layers.js';
import { DescribedNetwork, describe } from './calls/network-info.js';
import { chooseTop, inputOf, predict, prepare, topFive } from './calls/predict.js';
import { readImage } from './image/input.js';
import { planForward } from './plan/forward.js';
import { lastLevel, outputStrides } from './plan/modes.js';
import { planFreely } from './plan/wide.js';
import { runPlan } from './run/engine.js';
import { gradientsOf } from './run/gradient-pass.js';
import { LayerMap } from './run/layer-map.js';
import { type Loaded, requireHead } from './run/loaded.js';
import { packNetwork } from './run/packed-network.js';
import { classScore } from './run/score.js';
import { Runtime, throwIfAborted } from './wasm/runtime.js';
import { openWeights, type WeightsSource } from './weights/open.js';
import type { NetworkWeights } from './weights/types.js';

export type * from './api.js';
export { AtrousCamError, type ErrorCode } from './base/errors.js';
export type * from './base/types.js';
export { inspect } from './calls/inspect.js';
export { type PackOptions, packWeights } from './calls/pack.js';
export { drawFigure, type FigureOptions } from './figure/draw.js';
export { encodePng, type PngOptions } from './image/decode.js';
export { type ReadImageOptions, readImage } from './image/input.js';
export { drawHeatmap } from './map/heatmap.js';
export { encodeNpy } from './map/npy.js';
export { colormapNames, type DrawnMap, type OverlayOptions } from './map/overlay.js';
export { smoothingNames } from './map/smoothing.js';
export { methodNames } from './methods/facts.js';
export type { SingleSource, WeightsSource } from './weights/open.js';
export {
  type ManifestEntry,
  type PublishedWeights,
  type Pulled,
  type PullOptions,
  type PullProgress,
  publishedWeights,
  pullWeights,
  type Verified,
  type VerifyOptions,
  verifyWeights,
} from './weights/published.js';

/**
 * Loads a network.
 *
 * @param source nothing: the embedded cat/dog network; `imagenet`: the embedded MobileNet of ImageNet's 1000 classes; else a weight
 *   file of a convolutional classifier (docs/networks.md): a path (Node), URL, File, Blob or its bytes, several files of one network,
 *   or the name of published weights that `pullWeights` has downloaded, such as `vgg16`
 * @throws AtrousCamError NOT_FOUND, BAD_WEIGHTS, OUT_OF_MEMORY, UNSUPPORTED, ABORTED
 * @example
 * const net = await load();
 * const { map, target } = await net.explain('photo.jpg', { mode: 'atrous', target: 'cat' });
 * net.dispose();
 */
export async function load(source?: WeightsSource, options: LoadOptions = {}): Promise<Network> {
  checkOptions('load', options, LOAD);
  const { threads, kernels, wasm, signal, onProgress, preprocessing, labels: given, inputSize, limits = {} } = options;
  const precision = checkPrecision(options.precision);
  const weights = await openWeights(source, { preprocessing, labels: given, inputSize, limits, signal });
  try {
    const runtime = await Runtime.create({ threads, kernels, wasm });
    runtime.arena.limit = limits.memoryBytes ?? Number.POSITIVE_INFINITY;
    try {
      const network = await packNetwork(runtime, weights, precision, {
        signal,
        onProgress: onProgress && ((done) => onProgress({ stage: 'load', done })),
      });
      const { labels, preprocessing } = weights;
      const evidence = new Map(weights.evidence);
      return new LoadedNetwork(weights, { runtime, network, labels, preprocessing, evidence }, limits);
    } catch (error) {
      runtime.dispose();
      throw error;
    }
  } finally {
    weights.close();
  }
}

const LOAD: Names<LoadOptions> = {
  ...CALL,
  ...{ threads: 1, kernels: 1, wasm: 1, precision: 1, inputSize: 1, labels: 1, limits: 1 },
};

/** What the chunks of activations and gradients borrow. */
const TOOLS = {
  ...{ chooseTop, classScore, gradientsOf, inputOf, lastLevel, LayerMap },
  ...{ outputStrides, planFreely, readLayer, requireHead, runPlan, topFive },
};

/** Calls are queued: one runs at a time, with all threads. */
class LoadedNetwork extends DescribedNetwork implements Network {
  readonly #loaded: Loaded;
  readonly #limits: Limits;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(weights: NetworkWeights, loaded: Loaded, limits: Limits) {
    super(describe(weights, loaded.network.precision), loaded.runtime.threads);
    this.#loaded = loaded;
    this.#limits = limits;
  }

  get kernels(): 'simd' | 'relaxed' {
    return this.#loaded.runtime.kernels;
  }
  get threads(): number {
    return this.#loaded.runtime.threads;
  }

  predict(image: ImageInput | TensorInput, options?: PredictOptions): Promise<PredictionResult> {
    const timed = async (picture: RgbImage | TensorInput) => {
      const start = performance.now();
      const result = await predict(this.#loaded, picture, options);
      const seconds = (performance.now() - start) / 1000;
      this.pace.note(planForward(this.layout, { mode: options?.mode ?? 'pooled', head: true }).macs, seconds);
      return result;
    };
    return this.#enqueue(image, options, timed);
  }

  preprocess(image: ImageInput, options?: Pick<CallOptions, 'preprocessing' | 'signal'>): Promise<Preprocessed> {
    return this.#enqueue(image, options, async (picture) => {
      checkOptions('preprocess', options, { preprocessing: 1, signal: 1 });
      return prepare(this.#loaded, picture as RgbImage, options);
    });
  }

  activations(image: ImageInput | TensorInput, options?: ActivationsOptions): Promise<Record<string, Activation>> {
    return this.#enqueue(image, options, async (picture) => {
      const { activations } = await lazy(() => import('./calls/activations.js'));
      return activations(this.#loaded, picture, options ?? {}, TOOLS);
    });
  }

  gradients(image: ImageInput | TensorInput, options?: GradientsOptions): Promise<Gradients> {
    return this.#enqueue(image, options, async (picture) => {
      const { gradients } = await lazy(() => import('./calls/gradients.js'));
      return gradients(this.#loaded, picture, options ?? {}, TOOLS);
    });
  }

  explain(image: ImageInput | TensorInput, options?: ExplainOptions): Promise<Explanation> {
    return this.#enqueue(image, options, async (picture) => {
      const result = await explain(this.#loaded, picture, options);
      if (!result.reused) this.pace.note(this.estimate(options).macs, result.seconds);
      return result;
    });
  }

  evidence(layer?: string, options: { signal?: AbortSignal } = {}): Promise<LayerEvidence> {
    return this.#inTurn(options, async () => {
      checkOptions('evidence', options, { signal: 1 });
      return evidenceOf(this.#loaded, layer, options.signal);
    });
  }

  dispose(): void {
    this.#loaded.runtime.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #enqueue<T>(
    image: ImageInput | TensorInput,
    options: { signal?: AbortSignal } | undefined,
    call: (picture: RgbImage | TensorInput) => Promise<T>,
  ): Promise<T> {
    return this.#inTurn(options, async () => call(isTensor(image) ? image : await this.#read(image)));
  }

  /** A limit that the caller has set is one: a larger JPEG is refused, not decoded at a smaller size. */
  #read(image: ImageInput): Promise<RgbImage> {
    const { pixels } = this.#limits;
    return readImage(image, { maxPixels: pixels, ...(pixels !== undefined && { reduces: false }) });
  }

  /** A call that was stopped while it waited does not even read its picture. */
  #inTurn<T>(options: { signal?: AbortSignal } | undefined, call: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(() => {
      throwIfAborted(options?.signal);
      return call();
    });
    this.#queue = result.catch(() => undefined);
    return result;
  }
}

const isTensor = (image: unknown): image is TensorInput =>
  typeof image === 'object' && image !== null && 'tensor' in image;
