/**
 * Node's modules without a single `node:` import, so that one bundle runs in Node, browsers and workers.
 * `process.getBuiltinModule` exists from Node 20.16 and 22.3 on; before, a dynamic import that bundlers cannot see.
 */
type NodeModules = {
  fs: typeof import('node:fs');
  'fs/promises': typeof import('node:fs/promises');
  os: typeof import('node:os');
  path: typeof import('node:path');
  url: typeof import('node:url');
  v8: typeof import('node:v8');
  worker_threads: typeof import('node:worker_threads');
};

export const isNode: boolean =
  typeof process !== 'undefined' && typeof process.versions === 'object' && typeof process.versions.node === 'string';

/** One of Node's own modules. Call only where `isNode`. */
export async function nodeModule<Name extends keyof NodeModules>(name: Name): Promise<NodeModules[Name]> {
  const specifier = `node:${name}`;
  return (process.getBuiltinModule?.(specifier) ??
    (await import(/* webpackIgnore: true */ /* @vite-ignore */ specifier))) as NodeModules[Name];
}
