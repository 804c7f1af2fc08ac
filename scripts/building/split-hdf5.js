import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const virtual = 'h5wasm:binary';
const library = /h5wasm\/dist\/esm\/(hdf5_util|hdf5_hl)\.js$/;
/** h5wasm's WebAssembly module, one character a byte, and the function that decodes it. */
const embedded = /function findWasmBinary\(\)\{return binaryDecode\(('(?:[^'\\]|\\[\s\S])*')\)\}/;
const decoder = /function binaryDecode\(bin\)\{.*?return o\}/;
const start = /const ready = ModuleFactory\(\{ noInitialRun: true \}\)(\.then\(.*?\}\));/;

/**
 * Plugin for Rollup and Vite: parts h5wasm's WebAssembly module (3.7 MB) from its JavaScript, and starts it only when asked to.
 * `import binary from 'h5wasm:binary'` gives the function that makes the module's bytes; h5wasm's `ready` becomes a function of these bytes
 * that returns the promise which it was. So the bytes can come from another thread, and nothing runs at import.
 */
export function splitHdf5() {
  return {
    name: 'split-hdf5',
    enforce: 'pre',
    resolveId: (id) => (id === virtual ? `\0${virtual}.js` : null),
    load(id) {
      if (id !== `\0${virtual}.js`) return null;
      const code = readFileSync(fileURLToPath(new URL('hdf5_util.js', import.meta.resolve('h5wasm'))), 'utf8');
      const [, literal] = find(this, code, embedded);
      return `${find(this, code, decoder)[0]}\nexport default () => binaryDecode(${literal});`;
    },
    transform(code, id) {
      const part = library.exec(id)?.[1];
      if (!part) return null;
      if (part === 'hdf5_util') {
        const [whole] = find(this, code, embedded);
        return { code: code.replace(whole, () => 'function findWasmBinary(){return Module["wasmBinary"]}'), map: null };
      }
      const [whole, then] = find(this, code, start);
      const ready = `let started;\nconst ready = (wasmBinary) => started ??= ModuleFactory({ noInitialRun: true, wasmBinary })${then};`;
      return { code: code.replace(whole, () => ready), map: null };
    },
  };
}

function find(plugin, code, pattern) {
  const match = pattern.exec(code);
  return match ?? plugin.error(`h5wasm: expected ${pattern}, got none; see scripts/building/split-hdf5.js`);
}
