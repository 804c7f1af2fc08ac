import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname ?? new URL('..', import.meta.url).pathname, import.meta.dirname ? '..' : '.');
const prefix = 'embed:';
const suffix = '.js';

/**
 * Plugin for Rollup and Vite: `import base64 from 'embed:build/kernels.simd.wasm'` gives the file's bytes as base64 text,
 * so that the bundle needs no second request and no bundler setting. Paths count from the repository's root.
 */
export function embed() {
  return {
    name: 'embed',
    enforce: 'pre',
    // The suffix keeps other plugins from taking the module for what the file's own ending says, such as JSON.
    resolveId: (id) => (id.startsWith(prefix) ? `\0${id}${suffix}` : null),
    load(id) {
      if (!id.startsWith(`\0${prefix}`)) return null;
      const path = resolve(root, id.slice(prefix.length + 1, -suffix.length));
      this.addWatchFile?.(path);
      return `export default ${JSON.stringify(readFileSync(path).toString('base64'))};`;
    },
  };
}
