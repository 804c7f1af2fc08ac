import commonjs from '@rollup/plugin-commonjs';
import nodeResolve from '@rollup/plugin-node-resolve';
import { embed } from './scripts/embed.js';

/** TypeScript is compiled to build/js first (`npm run build`); everything the package needs at run time is bundled. */
export default {
  input: { index: 'build/js/index.js', kernels: 'build/js/kernels.js', cli: 'build/js/cli.js' },
  output: { dir: 'dist', format: 'es', chunkFileNames: 'chunks/[name].js', generatedCode: 'es2015' },
  external: [/^node:/],
  plugins: [embed(), nodeResolve(), commonjs()],
};
