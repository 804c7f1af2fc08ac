import { transform } from 'esbuild';

/**
 * Plugin for Rollup: takes comments, white space and long local names out of what comes from node_modules, which is two thirds of
 * the library. The package's own code stays as readable as it is in src. Expressions are left alone, so that unused
 * functions can still be recognised and dropped, and what is as short already (h5wasm, a binary as text) is left as it is.
 */
export function shrinkDependencies() {
  return {
    name: 'shrink-dependencies',
    async transform(code, id) {
      if (!id.includes('/node_modules/') || !/\.(js|mjs|cjs)$/.test(id)) return null;
      const { code: shrunk } = await transform(code, {
        charset: 'utf8',
        format: 'esm',
        legalComments: 'none', // the licences are collected in dist/licences
        minifyWhitespace: true,
        minifyIdentifiers: true,
        target: 'es2022',
      });
      return Buffer.byteLength(shrunk) < Buffer.byteLength(code) ? { code: shrunk, map: null } : null;
    },
  };
}
