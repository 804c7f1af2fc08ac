const before = 'getHeapMax=()=>2147483648';
const after = `getHeapMax=()=>${256 << 20}`;

/**
 * Plugin for Rollup and Vite: h5wasm may grow to 256 MB instead of 2 GB. Its C library believes the lengths that a file states, so
 * that a damaged one made it take 700 MB and seconds before the error, and WebAssembly memory never shrinks; reading VGG16 in
 * blocks needs 34 MB. The limit cannot be given at run time: h5wasm calls its module factory by itself.
 */
export function limitHdf5() {
  return {
    name: 'limit-hdf5',
    transform(code, id) {
      if (!/h5wasm\/dist\/esm\/hdf5_util\.js$/.test(id)) return null;
      if (!code.includes(before))
        this.error(`h5wasm: expected "${before}" in ${id}, got none; see scripts/building/limit-hdf5.js`);
      return { code: code.replace(before, after), map: null };
    },
  };
}
