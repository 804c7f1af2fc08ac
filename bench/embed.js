import { readFileSync } from 'node:fs';
import { register } from 'node:module';

/**
 * Makes the compiled sources in build/js loadable one by one: what the bundler makes of `embed:build/...`
 * (scripts/building/embed.js) is here made when Node loads it. Import this before them, and them by `import()`.
 */
export const resolve = (specifier, context, next) =>
  specifier.startsWith('embed:') ? { url: specifier, format: 'module', shortCircuit: true } : next(specifier, context);

export function load(url, context, next) {
  if (!url.startsWith('embed:')) return next(url, context);
  const bytes = readFileSync(new URL(`../${url.slice('embed:'.length)}`, import.meta.url));
  return { format: 'module', source: `export default "${bytes.toString('base64')}";`, shortCircuit: true };
}

/** Loads a module of build/js. @param {string} path */
export const own = (path) => import(new URL(`../build/js/${path}`, import.meta.url).href);

/** Registers the hooks above for this process, once. */
export const registerEmbed = () => register(import.meta.url);
