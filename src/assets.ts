/**
 * Large data, each in a chunk of its own that is loaded when it is first needed. The code that runs in a worker has no files
 * beside it; there, src/worker/caller-assets.ts takes this file's place and asks the thread that started the worker.
 */
export type AssetName = 'default-network' | 'hdf5';

/** The bytes of the embedded network, or of the HDF5 library's WebAssembly module. */
export async function loadAsset(name: AssetName): Promise<Uint8Array> {
  if (name === 'default-network') return (await import('./weights/default-network.js')).defaultNetwork();
  return (await import('./weights/hdf5-library.js')).hdf5Library();
}
