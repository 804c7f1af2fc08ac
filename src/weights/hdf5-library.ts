import binary from 'h5wasm:binary';

/** The WebAssembly module of h5wasm, which scripts/building/split-hdf5.js takes out of its JavaScript. */
export const hdf5Library = (): Uint8Array => binary();
