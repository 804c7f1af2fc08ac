import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Ends each build of the kernels with a custom section `atrous-cam` that says which one it is and the hash of its code,
 * such as `simd-shared 0123456789abcdef`: the library takes kernels that come as a file only where this is what its own
 * say. A build with shared memory has the code, and so the hash, of the one without. Run after the compiler, which
 * writes the files anew.
 */
for (const set of ['simd', 'relaxed']) {
  const hash = createHash('sha256')
    .update(readFileSync(pathOf(set)))
    .digest('hex')
    .slice(0, 16);
  for (const build of [set, `${set}-shared`]) {
    const name = Buffer.from('atrous-cam');
    const content = Buffer.concat([Buffer.of(name.length), name, Buffer.from(`${build} ${hash}`)]);
    const section = Buffer.concat([Buffer.of(0, content.length), content]); // both lengths below 128: one byte each
    writeFileSync(pathOf(build), Buffer.concat([readFileSync(pathOf(build)), section]));
  }
}

function pathOf(build) {
  return new URL(`../../build/kernels.${build}.wasm`, import.meta.url);
}
