import { AtrousCamError } from './errors.js';
import { sniffFormat } from './weights/format.js';
import { assembleNetwork, type NetworkOptions } from './weights/network.js';
import { isPacked, readPackedNetwork } from './weights/packed.js';
import { openSafetensors } from './weights/safetensors.js';
import { type ByteSource, bytesSource, openSource, type WeightsSource } from './weights/source.js';
import { readTorchNetwork } from './weights/torch.js';
import type { NetworkWeights } from './weights/types.js';

export { resolveTarget } from './weights/labels.js';
export type { WeightsSource } from './weights/source.js';

export interface OpenWeightsOptions extends NetworkOptions {
  signal?: AbortSignal;
}

/**
 * Opens a weight file: safetensors with torchvision's, timm's or the package's own names, or HDF5 as Keras writes it; without a source, the embedded
 * default network. Only headers are read here; the tensors read their part of the file when they are copied. Preprocessing and
 * labels are those that belong to the file. Call `close()` when all tensors are copied.
 *
 * Throws NOT_FOUND, BAD_WEIGHTS (broken, of another format, or not a VGG network), BAD_ARGUMENT and ABORTED.
 *
 * @example
 * const weights = await openWeights('vgg16_weights_tf_dim_ordering_tf_kernels.h5');
 * weights.labels[242]; // boxer
 */
export async function openWeights(source?: WeightsSource, options: OpenWeightsOptions = {}): Promise<NetworkWeights> {
  const { signal } = options;
  const abort = () => {
    if (signal?.aborted) throw new AtrousCamError('ABORTED', 'weights: aborted', { cause: signal.reason });
  };
  abort();
  const bytes = source === undefined ? await openDefault() : await openSource(source, signal);
  let close = () => bytes.close();
  try {
    abort();
    const format = await sniffFormat(bytes);
    abort();
    if (format === 'safetensors') {
      const file = await openSafetensors(bytes);
      return await assembleNetwork(isPacked(file) ? readPackedNetwork(file) : readTorchNetwork(file), options, close);
    }
    const { openHdf5, readKerasNetwork } = await import('./weights/keras.js');
    const file = await openHdf5(bytes);
    close = () => {
      file.close();
      bytes.close();
    };
    abort();
    return await assembleNetwork(readKerasNetwork(file), options, close);
  } catch (error) {
    close();
    throw error;
  }
}

async function openDefault(): Promise<ByteSource> {
  const { defaultNetwork } = await import('./weights/default-network.js');
  return bytesSource(defaultNetwork(), 'default');
}
