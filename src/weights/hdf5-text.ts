import text from 'text:build/hdf5-worker.js';

/**
 * The worker that reads Keras files as a classic script that imports nothing: made of src/weights/hdf5-worker.ts before
 * the library is bundled.
 */
export const hdf5Worker = (): Uint8Array => new TextEncoder().encode(text);
