import { lazy } from '../base/lazy.js';

/**
 * WebAssembly modules of picture decoders, each in a chunk of its own that is loaded when it is first needed. In the code that is started
 * from text, src/worker/caller-assets.ts takes this file's place.
 */
export type DecoderName = 'webp' | 'avif';

/** The bytes of a decoder's WebAssembly module. */
export async function loadAsset(name: DecoderName): Promise<Uint8Array> {
  if (name === 'webp') return (await lazy(() => import('./webp-library.js'))).webpLibrary();
  return (await lazy(() => import('./avif-library.js'))).avifLibrary();
}
