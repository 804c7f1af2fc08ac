import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import { rollup } from 'rollup';
import * as vite from 'vite';
import webpack from 'webpack';

/**
 * Bundles `src/ENTRY.js` of a project into `out` for browsers, as the bundler's guide shows. Rollup and esbuild leave
 * `new Worker(new URL('./worker.js', import.meta.url))` as it is, so a worker is an entry of its own there.
 */
export type Bundle = (project: string, entry: string, out: string) => Promise<void>;

const inputs = (project: string, entry: string): Record<string, string> => ({
  main: join(project, `src/${entry}.js`),
  ...(entry === 'browser' && { worker: join(project, 'src/worker.js') }),
});

const page = (script: string) => `<!doctype html><meta charset="utf-8"><script type="module" src="${script}"></script>`;

export const bundlers: Record<'vite' | 'webpack' | 'rollup' | 'esbuild', Bundle> = {
  async vite(project, entry, out) {
    writeFileSync(join(project, 'index.html'), page(`/src/${entry}.js`));
    await vite.build({ root: project, configFile: false, logLevel: 'error', build: { outDir: out } });
  },

  async webpack(project, entry, out) {
    const compiler = webpack({
      mode: 'production',
      context: project,
      entry: `./src/${entry}.js`,
      output: { path: out, filename: 'main.js' },
      performance: { hints: false }, // the default network is large, and known to be
    })!;
    const stats = await new Promise<webpack.Stats>((done, fail) => {
      compiler.run((error, result) => (error ? fail(error) : done(result!)));
    });
    await new Promise((done) => compiler.close(done));
    const { errors = [], warnings = [] } = stats.toJson({ all: false, errors: true, warnings: true });
    const problems = [...errors, ...warnings].map(({ message }) => message);
    if (problems.length > 0) throw new Error(problems.join('\n'));
    writeFileSync(join(out, 'index.html'), page('main.js'));
  },

  async rollup(project, entry, out) {
    const bundle = await rollup({
      input: inputs(project, entry),
      plugins: [nodeResolve({ browser: true, rootDir: project })],
      onwarn: ({ message }) => {
        throw new Error(message);
      },
    });
    await bundle.write({ dir: out, format: 'es', entryFileNames: '[name].js' });
    await bundle.close();
    writeFileSync(join(out, 'index.html'), page('main.js'));
  },

  async esbuild(project, entry, out) {
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
    writeFileSync(join(out, 'index.html'), page('main.js'));
  },
};
