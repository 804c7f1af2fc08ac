import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import { rollup } from 'rollup';
import * as vite from 'vite';
import webpack from 'webpack';

/** The entries of a project: all of the package, and next to nothing of it. */
export const entries = ['browser', 'png'] as const;

/**
 * Bundles `src/browser.js` and `src/png.js` of a project for browsers, as the bundler's guide shows, with the pages `browser.html` and
 * `png.html`. What two entries of one build share is not shaken for each, but by webpack, so that the others build one at a time.
 * Rollup and esbuild leave `new Worker(new URL('./worker.js', import.meta.url))` as it is, so a worker is an entry of its own there.
 */
export type Bundle = (project: string, out: string) => Promise<void>;

const inputs = (project: string, entry: string): Record<string, string> => ({
  [entry]: join(project, `src/${entry}.js`),
  ...(entry === 'browser' && { worker: join(project, 'src/worker.js') }),
});

const writePage = (folder: string, entry: string, script: string) =>
  writeFileSync(
    join(folder, `${entry}.html`),
    `<!doctype html><meta charset="utf-8"><script type="module" src="${script}"></script>`,
  );

export const bundlers: Record<'vite' | 'webpack' | 'rollup' | 'esbuild', Bundle> = {
  async vite(project, out) {
    for (const entry of entries) {
      writePage(project, entry, `/src/${entry}.js`);
      const build = { outDir: out, emptyOutDir: false, rollupOptions: { input: join(project, `${entry}.html`) } };
      await vite.build({ root: project, configFile: false, logLevel: 'error', build });
    }
  },

  webpack: webpackBundle(false), // its minifier takes 20 s

  async rollup(project, out) {
    for (const entry of entries) {
      const bundle = await rollup({
        input: inputs(project, entry),
        plugins: [nodeResolve({ browser: true, rootDir: project })],
        onwarn: ({ message }) => {
          throw new Error(message);
        },
      });
      await bundle.write({ dir: out, format: 'es', entryFileNames: '[name].js' });
      await bundle.close();
      writePage(out, entry, `${entry}.js`);
    }
  },

  async esbuild(project, out) {
    for (const entry of entries) {
      const result = await esbuild.build({
        absWorkingDir: project,
        entryPoints: inputs(project, entry),
        outdir: out,
        bundle: true,
        minify: true,
        format: 'esm',
        splitting: true,
        logLevel: 'silent',
      });
      if (result.warnings.length > 0) throw new Error(result.warnings.map(({ text }) => text).join('\n'));
      writePage(out, entry, `${entry}.js`);
    }
  },
};

/** As webpack does by default: with Terser. */
export const minifiedByWebpack: Bundle = webpackBundle(true);

function webpackBundle(minimize: boolean): Bundle {
  return async (project, out) => {
    const compiler = webpack({
      mode: 'production',
      context: project,
      entry: Object.fromEntries(entries.map((entry) => [entry, `./src/${entry}.js`])),
      output: { path: out, filename: '[name].js' },
      optimization: { minimize },
      performance: { hints: false }, // the default network is large, and known to be
    })!;
    const stats = await new Promise<webpack.Stats>((done, fail) => {
      compiler.run((error, result) => (error ? fail(error) : done(result!)));
    });
    await new Promise((done) => compiler.close(done));
    const { errors = [], warnings = [] } = stats.toJson({ all: false, errors: true, warnings: true });
    const problems = [...errors, ...warnings].map(({ message }) => message);
    if (problems.length > 0) throw new Error(problems.join('\n'));
    for (const entry of entries) writePage(out, entry, `${entry}.js`);
  };
}
