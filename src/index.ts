import type {
  ExplainOptions,
  Explanation,
  ImageInput,
  LoadOptions,
  Network,
  PlanTable,
  PredictionResult,
  PredictOptions,
} from './api.js';
import { AtrousCamError } from './errors.js';
import { explain, type Loaded, predict } from './explain.js';
import { readImage } from './input.js';
import { packNetwork } from './network.js';
import { planTable } from './plan-table.js';
import type { Mode, OutputStride } from './types.js';
import { Runtime } from './wasm/runtime.js';
import type { NetworkWeights } from './weights/types.js';
import { openWeights, type WeightsSource } from './weights.js';

export type * from './api.js';
export { AtrousCamError, type ErrorCode } from './errors.js';
export { drawFigure, type FigureOptions } from './figure.js';
export { encodePng } from './image.js';
export { encodeNpy } from './npy.js';
export { colormapNames, type OverlayOptions } from './overlay.js';
export type * from './types.js';
export type { WeightsSource } from './weights.js';

/**
 * Loads a network.
 *
 * @param source nothing: the embedded cat/dog network; else a weight file of VGG's family: a path (Node), URL, File, Blob or its bytes
 * @throws AtrousCamError NOT_FOUND, BAD_WEIGHTS, OUT_OF_MEMORY, UNSUPPORTED, ABORTED
 * @example
 * const net = await load();
 * const { map, target } = await net.explain('photo.jpg', { mode: 'atrous', target: 'cat' });
 * net.dispose();
 */
export async function load(source?: WeightsSource, options: LoadOptions = {}): Promise<Network> {
  const { threads, kernels, precision = 'fast', signal, onProgress, preprocessing, inputSize } = options;
  if (precision !== 'fast' && precision !== 'exact')
    throw new AtrousCamError('BAD_ARGUMENT', `precision: expected one of fast, exact, got '${precision}'`);
  const weights = await openWeights(source, { preprocessing, inputSize, signal });
  try {
    const runtime = await Runtime.create({ threads, kernels });
    try {
      const network = await packNetwork(runtime, weights, precision, {
        signal,
        onProgress: onProgress && ((done) => onProgress({ stage: 'load', done })),
      });
      return new LoadedNetwork(weights, {
        runtime,
        network,
        labels: weights.labels,
        preprocessing: weights.preprocessing,
      });
    } catch (error) {
      runtime.dispose();
      throw error;
    }
  } finally {
    weights.close();
  }
}

/** Calls are queued: one runs at a time, with all threads. */
class LoadedNetwork implements Network {
  readonly #loaded: Loaded;
  #queue: Promise<unknown> = Promise.resolve();

  readonly source: string;
  readonly parameters: number;

  constructor(weights: NetworkWeights, loaded: Loaded) {
    this.#loaded = loaded;
    this.source = weights.source;
    this.parameters = weights.parameters;
  }

  get inputSize(): number {
    return this.#loaded.network.topology.inputSize;
  }
  get labels(): readonly string[] {
    return this.#loaded.labels;
  }
  get layers(): readonly string[] {
    return this.#loaded.network.topology.blocks.flat().map((layer) => layer.name);
  }
  get kernels(): 'simd' | 'relaxed' {
    return this.#loaded.runtime.kernels;
  }
  get threads(): number {
    return this.#loaded.runtime.threads;
  }
  get preprocessing() {
    return this.#loaded.preprocessing;
  }

  predict(image: ImageInput, options?: PredictOptions): Promise<PredictionResult> {
    return this.#enqueue(async () => predict(this.#loaded, await readImage(image), options));
  }

  explain(image: ImageInput, options?: ExplainOptions): Promise<Explanation> {
    return this.#enqueue(async () => explain(this.#loaded, await readImage(image), options));
  }

  plan(mode: Mode, options: { outputStride?: OutputStride } = {}): PlanTable {
    const { topology, precision } = this.#loaded.network;
    return planTable(topology, precision, mode, options.outputStride);
  }

  dispose(): void {
    this.#loaded.runtime.dispose();
  }

  #enqueue<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(call);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}
