const library = /@jsquash\/avif\/codec\/dec\/avif_dec\.js$/;
const place = /new URL\("avif_dec\.wasm",import\.meta\.url\)\.href/g;
const uses = /import\.meta\.url(===undefined|="https:\/\/localhost")?/g;

/**
 * Plugin for Rollup and Vite: the library of @jsquash/avif asks where it lies, to find its WebAssembly module beside it, and makes an answer up
 * where there is none. It is given the module, and a script has no `import.meta`: the questions are taken out.
 */
export function avifGlue() {
  return {
    name: 'avif-glue',
    enforce: 'pre',
    transform(code, id) {
      if (!library.test(id)) return null;
      if (!place.test(code))
        this.error('@jsquash/avif: expected import.meta.url, got none; see scripts/building/avif-glue.js');
      const changed = code
        .replace(place, '""')
        .replace(uses, (_, rest) => (rest?.startsWith('===') ? 'false' : rest ? '0' : '""'));
      return { code: changed, map: null };
    },
  };
}
