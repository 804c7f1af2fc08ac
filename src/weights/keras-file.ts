import { abortedBy } from '../base/errors.js';
import { loadAsset } from './assets.js';
import type { OpenedNetwork } from './check-chain.js';
import { mapTensors } from './hdf5-messages.js';
import { closed, Hdf5Reader } from './hdf5-reader.js';
import { readKerasNetwork } from './keras.js';
import { type ByteSource, syncSource } from './source.js';
import type { RawTensor } from './tensor.js';

/**
 * Opens a Keras file in a worker, which is ended when the signal says so, when it gives no answer or when the file has broken it.
 * Where there are no workers (a strict content security policy), the calling thread reads by itself.
 */
export async function openKeras(source: ByteSource, signal?: AbortSignal): Promise<OpenedNetwork> {
  const reader = await Hdf5Reader.take();
  if (!reader) return openHere(source);
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
    const layers = mapTensors(
      await reader.open(source),
      ({ tensor, name, shape }): RawTensor => ({
        name,
        shape,
        async readRows(first, target) {
          if (!open) throw closed(source.name);
          await reader.read(tensor, first, target);
        },
      }),
    );
    return { network: { source: source.name, layout: 'keras', ...layers, metadata: new Map() }, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** In this thread. The platform reads files at once in Node and in workers; on a page the file is held whole. */
async function openHere(source: ByteSource): Promise<OpenedNetwork> {
  const { openHdf5 } = await import('./hdf5.js');
  const file = await openHdf5(await syncSource(source), () => loadAsset('hdf5'));
  try {
    return { network: readKerasNetwork(file), close: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}
