import type {
  Activation,
  ActivationsOptions,
  ExplainOptions,
  Explanation,
  Gradients,
  GradientsOptions,
  ImageInput,
  InspectOptions,
  LayerEvidence,
  LoadOptions,
  Network,
  NetworkInfo,
  PredictionResult,
  PredictOptions,
  Preprocessed,
  TensorInput,
} from './api.js';
import { DescribedNetwork, type Description } from './calls/network-info.js';
import { overlayMap } from './map/overlay.js';
import { portableWasm } from './wasm/sources.js';
import type { WeightsSource } from './weights/source.js';
import { Connection, type RemoteOptions } from './worker/connection.js';
import type { LoadReply } from './worker/serve.js';
import type { WorkerOptions } from './worker/start.js';

export type * from './api.js';
export type { WorkerLike } from './base/channel.js';
export { AtrousCamError, type ErrorCode } from './base/errors.js';
export type * from './base/types.js';
export type { SingleSource, WeightsSource } from './weights/source.js';
export type { WorkerOptions } from './worker/start.js';

/** Whether arrays are handed over or copied. */
export interface TransferOption {
  /**
   * Hands the buffer of an array (a picture's bytes or pixels, a weight file's bytes) over to the worker instead of
   * copying it; the caller cannot use it afterwards.
   */
  transfer?: boolean;
}

/**
 * Loads a network in a worker of its own, so that the calling thread stays free. What it returns is used like the network of
 * `load` from `atrous-cam`: the same calls, the same numbers, the same errors. Files and blobs are posted and read over there,
 * results are transferred. `dispose()` ends the worker.
 *
 * @param source as for `load` from `atrous-cam`
 * @throws AtrousCamError also WORKER_FAILED: the worker could not be started, or ended by itself
 * @example
 * const net = await load(file, { onProgress: ({ done }) => show(done) });
 * const { overlay } = await net.explain(photo, { target: 'cat', signal: controller.signal });
 * net.dispose();
 */
export async function load(
  source?: WeightsSource,
  { workerUrl, createWorker, ...options }: LoadOptions & WorkerOptions & TransferOption = {},
): Promise<WorkerNetwork> {
  const connection = await Connection.open({ workerUrl, createWorker, signal: options.signal });
  try {
    const portable = { ...options, wasm: options.wasm && (await portableWasm(options.wasm)) };
    return new WorkerNetwork(connection, (await connection.call('load', source, portable)) as LoadReply);
  } catch (error) {
    connection.close();
    throw error;
  }
}

/**
 * Reads in a worker what a weight file says about its network, without loading it: as `inspect` from `atrous-cam`, but an HDF5
 * file, which a page would have to read whole, is read piece by piece.
 *
 * @throws AtrousCamError as `inspect` from `atrous-cam`, and WORKER_FAILED
 * @example
 * const { layers, parameters } = await inspect(file);
 */
export async function inspect(
  source?: WeightsSource,
  { workerUrl, createWorker, ...options }: InspectOptions & WorkerOptions & TransferOption = {},
): Promise<NetworkInfo> {
  const connection = await Connection.open({ workerUrl, createWorker, signal: options.signal });
  try {
    return new DescribedNetwork((await connection.call('inspect', source, options)) as Description);
  } finally {
    connection.close();
  }
}

/** The caller's side of a network in a worker; calls are queued over there. */
export class WorkerNetwork extends DescribedNetwork implements Network {
  readonly #connection: Connection;
  readonly kernels: 'simd' | 'relaxed';
  readonly threads: number;

  /** @internal Use `load`. */
  constructor(connection: Connection, { description, kernels, threads }: LoadReply) {
    super(description, threads);
    this.#connection = connection;
    this.kernels = kernels;
    this.threads = threads;
  }

  predict(image: ImageInput | TensorInput, options?: PredictOptions & TransferOption): Promise<PredictionResult> {
    return this.#call('predict', image, options);
  }

  preprocess(image: ImageInput, options?: PredictOptions & TransferOption): Promise<Preprocessed> {
    return this.#call('preprocess', image, options);
  }

  activations(
    image: ImageInput | TensorInput,
    options?: ActivationsOptions & TransferOption,
  ): Promise<Record<string, Activation>> {
    return this.#call('activations', image, options);
  }

  gradients(image: ImageInput | TensorInput, options?: GradientsOptions & TransferOption): Promise<Gradients> {
    return this.#call('gradients', image, options);
  }

  evidence(layer?: string, options?: { signal?: AbortSignal }): Promise<LayerEvidence> {
    return this.#connection.call('evidence', layer, options ?? {}) as Promise<LayerEvidence>;
  }

  async explain(image: ImageInput | TensorInput, options?: ExplainOptions & TransferOption): Promise<Explanation> {
    const result = await this.#call<Explanation>('explain', image, options);
    const { transfer: _, ...asked } = options ?? {};
    if (!result.reused) this.pace.note(this.estimate(asked).macs, result.seconds);
    result.overlay = (style) => overlayMap(result.image, result.map, result.rect, style);
    return result;
  }

  dispose(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #call<Result>(
    method: keyof Network & string,
    image: ImageInput | TensorInput,
    options?: RemoteOptions,
  ): Promise<Result> {
    return this.#connection.call(method, image, options) as Promise<Result>;
  }
}
