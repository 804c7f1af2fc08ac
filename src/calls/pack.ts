import { lazy } from '../base/lazy.js';
import type { OpenWeightsOptions, WeightsSource } from '../weights/open.js';

/** What the packed file holds. */
export interface PackOptions extends OpenWeightsOptions {
  /** How kernels are stored, `float16` by default: rounded to nearest even, half the bytes. Biases stay float32. */
  dtype?: 'float16' | 'float32';
  /** Where the evidence of layers lies, as a network's `evidence` measures it: kept in the file, so that it need not be measured again. */
  evidence?: Readonly<Record<string, readonly [number, number]>>;
  /** Share of the parameters that are written, 0..1. */
  onProgress?: (done: number) => void;
}

/**
 * Writes any weight file that `load` reads as a packed one: safetensors in the engine's own layouts with Keras' names
 * (`block1_conv1.kernel` (3, 3, cin, cout), ..., `fc1.kernel` (in, out) with rows in (row, column, channel) order, `NAME.bias`), batch
 * normalization folded, labels, preprocessing and the rates of degridding layers in the metadata. VGG16 loads in half the time of the .h5 (bench/load.js). The file
 * comes piece by piece; one tensor is held at a time, at most 411 MB for VGG16.
 *
 * Throws as `load` does, and BAD_WEIGHTS where a number exceeds float16.
 *
 * @example
 * const pieces = [];
 * for await (const piece of packWeights('vgg16_weights_tf_dim_ordering_tf_kernels.h5')) pieces.push(piece);
 * await writeFile('vgg16.safetensors', Buffer.concat(pieces)); // half the size of the .h5
 */
export async function* packWeights(source?: WeightsSource, options?: PackOptions): AsyncGenerator<Uint8Array> {
  yield* (await lazy(() => import('./packing.js'))).packWeights(source, options);
}
