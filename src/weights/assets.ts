import { lazy } from '../base/lazy.js';

/**
 * Large data, each in a chunk of its own that is loaded when it is first needed. The code that runs in a worker has no files
 * beside it; there, src/worker/caller-assets.ts takes this file's place and asks the thread that started the worker.
 */
export type AssetName = 'default-network' | 'imagenet-network' | 'hdf5' | 'hdf5-worker';

/** The bytes of an embedded network, of the HDF5 library's WebAssembly module, or of the text of the worker that runs it. */
export async function loadAsset(name: AssetName): Promise<Uint8Array> {
  if (name === 'default-network') return (await lazy(() => import('./default-network.js'))).defaultNetwork();
  if (name === 'imagenet-network') return (await lazy(() => import('./imagenet-network.js'))).imagenetNetwork();
  if (name === 'hdf5') return (await lazy(() => import('./hdf5-library.js'))).hdf5Library();
  return (await lazy(() => import('./hdf5-text.js'))).hdf5Worker();
}
