import type { Limits } from '../api.js';
import { AtrousCamError } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { checkOptions, PREPROCESSING } from '../base/options.js';
import { didYouMean } from '../base/suggest.js';
import { loadAsset } from './assets.js';
import { assembleNetwork, type NetworkOptions, type OpenedNetwork } from './check-chain.js';
import { sniffFormat, type WeightFormat } from './format.js';
import type { GraphFile } from './graph-network.js';
import type { OpenedGraph as KerasGraph } from './keras/open.js';
import type { ManifestEntry } from './manifest.js';
import type { OpenSibling } from './onnx/siblings.js';
import { isPacked, readPackedNetwork } from './packed.js';
import { openSafetensors } from './safetensors.js';
import {
  type ByteSource,
  badWeights,
  bytesSource,
  openSource,
  quote,
  type SingleSource,
  type WeightsSource,
} from './source.js';
import type { TensorFile } from './tensor-file.js';
import type { NetworkWeights } from './types.js';
import type { ZipFile } from './zip.js';

export { resolveTarget } from './labels.js';
export type { SingleSource, WeightsSource } from './source.js';

export interface OpenWeightsOptions extends Omit<NetworkOptions, 'inputSize' | 'published'> {
  /** Side of the input, or rows and columns, where the network takes several; by default the file's. */
  inputSize?: number | readonly [number, number];
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
  checkOptions('preprocessing', options.preprocessing, PREPROCESSING);
  checkOptions('limits', options.limits as Limits, { pixels: 1, fileBytes: 1, tensors: 1, memoryBytes: 1 });
  const { signal, limits: { fileBytes = 8 * 2 ** 30, tensors = 10_000 } = {} } = options;
  const abort = () => {
    if (signal?.aborted) throw new AtrousCamError('ABORTED', 'weights: aborted', { cause: signal.reason });
  };
  abort();
  const { model, siblings } = await filesOf(source, signal);
  const bytes = model === undefined ? await openBundled('default') : await openGiven(model, signal);
  let close = () => bytes.close();
  try {
    abort();
    if (bytes.size > fileBytes)
      throw badWeights(bytes.name, `expected a file of at most ${fileBytes} bytes, got ${bytes.size}`);
    const format = await sniffFormat(bytes);
    abort();
    const file = await openNetwork(bytes, format, { tensors, siblings, signal, inputSize: options.inputSize });
    const closeReader = file.close;
    if (closeReader)
      close = () => {
        closeReader();
        bytes.close();
      };
    abort();
    const known = { ...options, published: (await publishedEntry(model, bytes))?.preprocessing };
    const network =
      'graph' in file
        ? await (await lazy(() => import('./graph-network.js'))).graphNetwork(file.graph, known, close)
        : await assembleNetwork(file.network, chainOptions(known), close);
    return { ...network, format: formatName(format, 'graph' in file ? file.graph : file.network) };
  } catch (error) {
    close();
    throw error;
  }
}

/** What was opened: a graph, or the layers of a network of VGG's family. */
type Opened = OpenedNetwork | { graph: GraphFile; close?: () => void };

interface Reading {
  /** The most tensors of a file. */
  readonly tensors: number;
  readonly siblings?: OpenSibling;
  readonly signal?: AbortSignal;
  readonly inputSize?: number | readonly [number, number];
}

/** The readers of each format are loaded when the first file of it is opened. */
async function openNetwork(bytes: ByteSource, format: WeightFormat, reading: Reading): Promise<Opened> {
  const { signal } = reading;
  switch (format) {
    case 'safetensors':
      return tensorNetwork(await openSafetensors(bytes), reading);
    case 'safetensors-index': {
      const { openShards } = await lazy(() => import('./safetensors-shards.js'));
      const { file, close } = await openShards(bytes, reading.siblings);
      try {
        return { ...(await tensorNetwork(file, reading)), close };
      } catch (error) {
        close();
        throw error;
      }
    }
    case 'hdf5':
      return openKeras(bytes, reading);
    case 'zip':
      return openArchive(bytes, reading);
    case 'legacy-pth': {
      const { openLegacyPth } = await lazy(() => import('./pth.js'));
      return tensorNetwork(await openLegacyPth(bytes), reading);
    }
    case 'tfjs': {
      const { openTfjs } = await lazy(() => import('./keras/tfjs.js'));
      return openedKeras(bytes.name, await openTfjs(bytes, reading.siblings, { inputSize: reading.inputSize }));
    }
    case 'onnx': {
      const { readOnnxGraph } = await lazy(() => import('./onnx/graph.js'));
      const { inputSize, siblings: openSibling } = reading;
      const { close, ...read } = await readOnnxGraph(bytes, { inputSize, openSibling });
      signal?.throwIfAborted();
      return { graph: { ...read, layout: 'torch', assumptions: [] }, close };
    }
  }
}

async function tensorNetwork(file: TensorFile, { tensors: most, inputSize }: Reading): Promise<Opened> {
  if (file.tensors.size > most)
    throw badWeights(file.source, `expected at most ${most} tensors, got ${file.tensors.size}`);
  if (file.metadata.has('graph')) {
    const { readPackedGraph } = await lazy(() => import('./packed-graph.js'));
    return { graph: readPackedGraph(file, inputSize) };
  }
  if (isPacked(file)) return { network: readPackedNetwork(file) };
  const { readTorchGraph } = await lazy(() => import('./torch-graph.js'));
  const read = await readTorchGraph(file, { inputSize });
  if (!read) return { network: (await lazy(() => import('./torch.js'))).readTorchNetwork(file) };
  const { source, metadata } = file;
  const family = read.family.replace(/^an? /, '');
  return { graph: { ...read, family, source, metadata, layout: 'torch' } };
}

/** A model saved whole says what it is; a file of weights alone is known by the names of VGG's layers, if at all. */
async function openKeras(bytes: ByteSource, { signal, inputSize }: Reading, archive?: ZipFile): Promise<Opened> {
  const { openKerasArchive, openKerasH5 } = await lazy(() => import('./keras/open.js'));
  const options = { inputSize };
  const read = await (archive ? openKerasArchive(archive, options, signal) : openKerasH5(bytes, options, signal));
  if (!read) return (await lazy(() => import('./keras-file.js'))).openKeras(bytes, signal);
  return openedKeras(bytes.name, read);
}

function openedKeras(source: string, { close, preprocessing, ...network }: KerasGraph): Opened {
  const { kind, assumed, isAssumed } = preprocessing;
  const stated = { normalization: kind, isAssumed, assumptions: assumed };
  return { graph: { ...network, source, layout: 'keras', ...stated }, close };
}

/** A zip archive: PyTorch's .pth or Keras' .keras, which is a .weights.h5 beside descriptions of the model. */
async function openArchive(bytes: ByteSource, reading: Reading): Promise<Opened> {
  const { openPth, openZip } = await lazy(() => import('./pth.js'));
  const zip = await openZip(bytes);
  const keras = await zip.member('model.weights.h5');
  if (keras) return openKeras(keras, reading, zip);
  if (zip.names.some((name) => /(^|\/)data\.pkl$/.test(name))) return tensorNetwork(await openPth(bytes, zip), reading);
  if (zip.names.some((name) => name.endsWith('.npy')))
    throw badWeights(bytes.name, 'expected a .pth or .keras archive, got .npz; save its arrays as safetensors');
  const names = zip.names.slice(0, 4).map(quote).join(', ');
  throw badWeights(
    bytes.name,
    `expected a .pth ("data.pkl") or .keras archive ("model.weights.h5"), got a zip archive of ${names || 'nothing'}`,
  );
}

/** The file that says what the network is, and those beside it. */
async function filesOf(
  source: WeightsSource | undefined,
  signal?: AbortSignal,
): Promise<{ model: SingleSource | undefined; siblings: OpenSibling | undefined }> {
  if (isList(source)) return (await lazy(() => import('./several.js'))).severalFiles(source, signal);
  return { model: source, siblings: siblingsOf(source, signal) };
}

const isList = (source: unknown): source is readonly SingleSource[] => Array.isArray(source);

/** Opens files beside a weight file: where that is a path or an address, there are such. */
function siblingsOf(source: SingleSource | undefined, signal?: AbortSignal): OpenSibling | undefined {
  if (source instanceof URL || (typeof source === 'string' && /^[a-z]+:\/\//i.test(source)))
    return (path) => openSource(new URL(path, source), signal);
  if (typeof source !== 'string') return undefined;
  const folder = source.slice(0, Math.max(source.lastIndexOf('/'), source.lastIndexOf('\\')) + 1);
  return (path) => openSource(folder + path, signal);
}

/** Networks of VGG's family have square inputs. */
function chainOptions({
  inputSize,
  ...options
}: OpenWeightsOptions & Pick<NetworkOptions, 'published'>): NetworkOptions {
  if (typeof inputSize !== 'object') return { ...options, inputSize };
  const [height, width] = inputSize;
  if (height === width) return { ...options, inputSize: height };
  throw new AtrousCamError('UNSUPPORTED', `inputSize: networks of VGG's family take squares, got ${height} x ${width}`);
}

/**
 * A file of that name comes first, then the network that is in the package, then the names of published weights, which
 * are looked for in the cache and never downloaded here.
 */
export async function openGiven(source: WeightsSource, signal?: AbortSignal): Promise<ByteSource> {
  if (isList(source)) return openGiven((await filesOf(source, signal)).model!, signal);
  try {
    return await openSource(source, signal);
  } catch (error) {
    if (
      typeof source !== 'string' ||
      !isName(source) ||
      !(error instanceof AtrousCamError) ||
      error.code !== 'NOT_FOUND'
    )
      throw error;
    if (source === 'imagenet') return openBundled(source);
    const { manifest, manifestEntry, openCached } = await lazy(() => import('./cache.js'));
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

/** What a file is called by people. */
function formatName(format: WeightFormat, { layout, metadata }: Pick<GraphFile, 'layout' | 'metadata'>): string {
  switch (format) {
    case 'safetensors':
      return layout === 'keras' || metadata?.has('graph') ? 'packed safetensors' : 'PyTorch safetensors';
    case 'safetensors-index':
      return 'PyTorch safetensors, several files';
    case 'hdf5':
      return 'Keras .h5';
    case 'zip':
      return layout === 'keras' ? 'Keras .keras' : 'PyTorch';
    case 'legacy-pth':
      return 'PyTorch, before 1.6';
    case 'tfjs':
      return 'TensorFlow.js';
    case 'onnx':
      return 'ONNX';
  }
}

/** The published weights that a name meant, if it was no file's. */
async function publishedEntry(
  source: SingleSource | undefined,
  { name }: ByteSource,
): Promise<ManifestEntry | undefined> {
  if (typeof source !== 'string' || source === name || !isName(source)) return undefined; // a file, or bundled
  return (await lazy(() => import('./cache.js'))).manifestEntry(source);
}

const isName = (source: string): boolean => /^[\w-]+$/.test(source);

/** The network that is in the package by this name. */
async function openBundled(name: 'default' | 'imagenet'): Promise<ByteSource> {
  return bytesSource(await loadAsset(`${name}-network`), name);
}
