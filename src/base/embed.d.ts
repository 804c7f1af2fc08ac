/** The bytes of a file of the repository as base64 text, put there by scripts/building/embed.js. */
declare module 'embed:*' {
  const base64: string;
  export default base64;
}

/** The text of a file of the repository, put there by scripts/building/embed.js. */
declare module 'text:*' {
  const text: string;
  export default text;
}

/** Makes the bytes of h5wasm's WebAssembly module, put there by scripts/building/split-hdf5.js. */
declare module 'h5wasm:binary' {
  const binary: () => Uint8Array;
  export default binary;
}

/** A file's bytes as hexadecimal text. */
declare module 'hex:*' {
  const hex: string;
  export default hex;
}

/** libavif's decoder as Emscripten compiles it; its own declarations name types that come with Emscripten. */
declare module '@jsquash/avif/codec/dec/avif_dec.js' {
  export interface AvifLibrary {
    /** RGBA of 8 bits, or null where the file cannot be decoded. */
    decode(file: Uint8Array, bitDepth: 8): { width: number; height: number; data: Uint8ClampedArray } | null;
  }
  export default function start(options: {
    noInitialRun: boolean;
    print(text: string): void;
    printErr(text: string): void;
    locateFile(name: string): string;
    instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void): WebAssembly.Exports;
  }): Promise<AvifLibrary>;
}
