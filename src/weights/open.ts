import type { Limits } from '../api.js';
import { AtrousCamError } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import { loadAsset } from './assets.js';
import { assembleNetwork, type NetworkOptions, type OpenedNetwork, type RawNetwork } from './check-chain.js';
import { sniffFormat, type WeightFormat } from './format.js';
import { isPacked, readPackedNetwork } from './packed.js';
import { openSafetensors } from './safetensors.js';
import { type ByteSource, badWeights, bytesSource, openSource, quote, type WeightsSource } from './source.js';
import type { TensorFile } from './tensor-file.js';
import { readTorchNetwork } from './torch.js';
import type { NetworkWeights } from './types.js';

export { resolveTarget } from './labels.js';
export type { WeightsSource } from './source.js';

export interface OpenWeightsOptions extends NetworkOptions {
  /** Of the file: bytes and tensors. */
  limits?: Pick<Limits, 'fileBytes' | 'tensors'>;
  /** Ends the call with the error ABORTED. */
  signal?: AbortSignal;
}

/**
 * Opens a weight file: safetensors or .pth with torchvision's or timm's names, a packed file, ONNX, HDF5 (.h5,
 * .weights.h5) or .keras as Keras writes them; without a source, the embedded default network. Only headers are read
 * here; the tensors read their part of the file when they are copied. Preprocessing and labels are those that belong to
 * the file. Call `close()` when all tensors are copied.
 *
 * Throws NOT_FOUND, BAD_WEIGHTS (broken, of another format, or not a VGG network), BAD_ARGUMENT and ABORTED.
 *
 * @example
 * const weights = await openWeights('vgg16_weights_tf_dim_ordering_tf_kernels.h5');
 * weights.labels[242]; // boxer
 */
export async function openWeights(source?: WeightsSource, options: OpenWeightsOptions = {}): Promise<NetworkWeights> {
  const { signal, limits: { fileBytes = 8 * 2 ** 30, tensors = 10_000 } = {} } = options;
  const abort = () => {
    if (signal?.aborted) throw new AtrousCamError('ABORTED', 'weights: aborted', { cause: signal.reason });
  };
  abort();
  const bytes = source === undefined ? await openDefault() : await openGiven(source, signal);
  let close = () => bytes.close();
  try {
    abort();
    if (bytes.size > fileBytes)
      throw badWeights(bytes.name, `expected a file of at most ${fileBytes} bytes, got ${bytes.size}`);
    const format = await sniffFormat(bytes);
    abort();
    const file = await openNetwork(bytes, format, (file) => tensorNetwork(file, tensors), signal);
    const closeReader = file.close;
    if (closeReader)
      close = () => {
        closeReader();
        bytes.close();
      };
    abort();
    return await assembleNetwork(file.network, options, close);
  } catch (error) {
    close();
    throw error;
  }
}

/** The readers of each format are loaded when the first file of it is opened. */
async function openNetwork(
  bytes: ByteSource,
  format: WeightFormat,
  tensorNetwork: ReadTensors,
  signal?: AbortSignal,
): Promise<OpenedNetwork> {
  switch (format) {
    case 'safetensors':
      return { network: tensorNetwork(await openSafetensors(bytes)) };
    case 'hdf5':
      return openKeras(bytes, signal);
    case 'zip':
      return openArchive(bytes, tensorNetwork, signal);
    case 'legacy-pth': {
      const { openLegacyPth } = await import('./pth.js');
      return { network: tensorNetwork(await openLegacyPth(bytes)) };
    }
    case 'onnx': {
      const { readOnnxNetwork } = await import('./onnx.js');
      return { network: await readOnnxNetwork(bytes) };
    }
  }
}

type ReadTensors = (file: TensorFile) => RawNetwork;

function tensorNetwork(file: TensorFile, most: number): RawNetwork {
  if (file.tensors.size > most)
    throw badWeights(file.source, `expected at most ${most} tensors, got ${file.tensors.size}`);
  return isPacked(file) ? readPackedNetwork(file) : readTorchNetwork(file);
}

async function openKeras(bytes: ByteSource, signal?: AbortSignal): Promise<OpenedNetwork> {
  return (await import('./keras-file.js')).openKeras(bytes, signal);
}

/** A zip archive: PyTorch's .pth or Keras' .keras, which is a .weights.h5 beside descriptions of the model. */
async function openArchive(
  bytes: ByteSource,
  tensorNetwork: ReadTensors,
  signal?: AbortSignal,
): Promise<OpenedNetwork> {
  const { openPth, openZip } = await import('./pth.js');
  const zip = await openZip(bytes);
  const keras = await zip.member('model.weights.h5');
  if (keras) return openKeras(keras, signal);
  if (zip.names.some((name) => /(^|\/)data\.pkl$/.test(name)))
    return { network: tensorNetwork(await openPth(bytes, zip)) };
  if (zip.names.some((name) => name.endsWith('.npy')))
    throw badWeights(bytes.name, 'expected a .pth or .keras archive, got .npz; save its arrays as safetensors');
  const names = zip.names.slice(0, 4).map(quote).join(', ');
  throw badWeights(
    bytes.name,
    `expected a .pth ("data.pkl") or .keras archive ("model.weights.h5"), got a zip archive of ${names || 'nothing'}`,
  );
}

/** A file of that name comes first; then the names of published weights, which are looked for in the cache and never downloaded here. */
export async function openGiven(source: WeightsSource, signal?: AbortSignal): Promise<ByteSource> {
  try {
    return await openSource(source, signal);
  } catch (error) {
    const isName = typeof source === 'string' && /^[\w-]+$/.test(source);
    if (!isName || !(error instanceof AtrousCamError) || error.code !== 'NOT_FOUND') throw error;
    const { manifest, manifestEntry, openCached } = await import('./cache.js');
    const entry = manifestEntry(source);
    if (!entry)
      throw new AtrousCamError(
        'NOT_FOUND',
        `weights ${quote(source)}: no such file, and no published weights of that name${didYouMean(
          source,
          manifest.map(({ name }) => name),
        )}`,
        { cause: error },
      );
    const cached = await openCached(entry);
    if (cached) return cached;
    throw new AtrousCamError(
      'NOT_FOUND',
      `weights ${quote(source)}: not downloaded yet; run \`atrous-cam weights pull ${source}\` or pullWeights('${source}') once`,
      { cause: error },
    );
  }
}

async function openDefault(): Promise<ByteSource> {
  return bytesSource(await loadAsset('default-network'), 'default');
}
