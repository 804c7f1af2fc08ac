import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const kinds = {
  'embed:': (path) => readFileSync(path).toString('base64'),
  'hex:': (path) => readFileSync(path).toString('hex'),
  'text:': (path) => readFileSync(path, 'utf8'),
};
const suffix = '.js';

/**
 * Plugin for Rollup and Vite: `import base64 from 'embed:weights/imagenet-labels.txt'` gives the file's bytes as base64 text,
 * `hex:` as hexadecimal text, `text:` gives it as it is, so that the bundle needs no second request and no bundler setting.
 * Paths count from the repository's root.
 */
export function embed() {
  return {
    name: 'embed',
    enforce: 'pre',
    // The suffix keeps other plugins from taking the module for what the file's own ending says, such as JSON.
    resolveId: (id) => (kindOf(id) ? `\0${id}${suffix}` : null),
    load(id) {
      const kind = id.startsWith('\0') && kindOf(id.slice(1));
      if (!kind) return null;
      const path = resolve(root, id.slice(kind.length + 1, -suffix.length));
      if (!existsSync(path)) this.error(`${path} is missing: run "npm install"`);
      this.addWatchFile?.(path);
      return `export default ${JSON.stringify(kinds[kind](path))};`;
    },
  };
}

const kindOf = (id) => Object.keys(kinds).find((kind) => id.startsWith(kind));
