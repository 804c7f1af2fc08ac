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
