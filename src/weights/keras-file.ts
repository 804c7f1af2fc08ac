import { abortedBy } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { loadAsset } from './assets.js';
import type { OpenedNetwork, RawLayer, RawNetwork } from './check-chain.js';
import type { Hdf5File } from './hdf5.js';
import { mapTensors, type Opened, type TensorData } from './hdf5-messages.js';
import { closed, Hdf5Reader } from './hdf5-reader.js';
import { mapContents, readKerasContents } from './keras/contents.js';
import { readKerasNetwork } from './keras.js';
import { type ByteSource, syncSource } from './source.js';
import type { RawTensor } from './tensor.js';

/** A file that a worker, or this thread, reads. */
interface OpenedFile<Value> {
  value: Value;
  close(): void;
}

/** Opens a Keras file as a network of VGG's family. */
export async function openKeras(source: ByteSource, signal?: AbortSignal): Promise<OpenedNetwork> {
  const here = async (file: Hdf5File) => readKerasNetwork(file);
  const { value, close } = await openAs(source, 'vgg', { signal, map: mapTensors, here });
  const known = isApplication(value) && { normalization: 'caffe' as const };
  return { network: { source: source.name, layout: 'keras', ...value, ...known, metadata: new Map() }, close };
}

/** Whether the layers have the names that keras.applications gives to VGG's, which says how its pictures are prepared. */
function isApplication({ blocks, dense }: Pick<RawNetwork, 'blocks' | 'dense'>): boolean {
  const isNamed = (layer: RawLayer | undefined, name: string) => layer?.kernel.name.includes(name) ?? false;
  return isNamed(blocks[0]?.[0], 'block1_conv1') && (dense.length === 0 || isNamed(dense.at(-1), 'predictions'));
}

/** Opens a Keras file as whatever it holds; undefined where it is not Keras'. */
export function openContents(
  source: ByteSource,
  signal?: AbortSignal,
): Promise<OpenedFile<Opened<RawTensor>['contents']>> {
  const map = (contents: Opened<TensorData>['contents'], change: (tensor: TensorData) => RawTensor) =>
    contents && mapContents(contents, change);
  const here = async (file: Hdf5File) => readKerasContents(file);
  return openAs(source, 'contents', { signal, map, here });
}

interface How<As extends keyof Opened<RawTensor>> {
  signal?: AbortSignal;
  /** Gives what the worker has found tensors that read through it. */
  map(opened: Opened<TensorData>[As], change: (tensor: TensorData) => RawTensor): Opened<RawTensor>[As];
  /** Does in this thread what the worker does. */
  here(file: Hdf5File): Promise<Opened<RawTensor>[As]>;
}

/**
 * Opens a Keras file in a worker, which is ended when the signal says so, when it gives no answer or when the file has broken it.
 * Where there are no workers (a strict content security policy), the calling thread reads by itself.
 */
async function openAs<As extends keyof Opened<RawTensor>>(
  source: ByteSource,
  as: As,
  { signal, map, here }: How<As>,
): Promise<OpenedFile<Opened<RawTensor>[As]>> {
  const reader = await Hdf5Reader.take();
  if (!reader) return openHere(source, here);
  const stop = () => reader.end(abortedBy(signal!));
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    signal?.removeEventListener('abort', stop);
    reader.release();
  };
  try {
    const value = map(
      await reader.open(source, as),
      ({ tensor, name, shape }): RawTensor => ({
        name,
        shape,
        async readRows(first, target) {
          if (!open) throw closed(source.name);
          await reader.read(tensor, first, target);
        },
      }),
    );
    return { value, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** In this thread. The platform reads files at once in Node and in workers; on a page the file is held whole. */
async function openHere<Value>(
  source: ByteSource,
  read: (file: Hdf5File) => Promise<Value>,
): Promise<OpenedFile<Value>> {
  const { openHdf5 } = await lazy(() => import('./hdf5.js'));
  const file = await openHdf5(await syncSource(source), () => loadAsset('hdf5'));
  try {
    return { value: await read(file), close: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}
