import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Ends each build of the kernels with a custom section `atrous-cam` that says which one it is and the hash of its code, such as
 * `simd-shared 0123456789abcdef`: the library takes kernels that come as a file only where this is what its own say. Run after
 * the compiler, which writes the files anew.
 */
for (const build of ['simd', 'simd-shared', 'relaxed', 'relaxed-shared']) {
  const path = new URL(`../../build/kernels.${build}.wasm`, import.meta.url);
  const code = readFileSync(path);
  const hash = createHash('sha256').update(code).digest('hex').slice(0, 16);
  const name = Buffer.from('atrous-cam');
  const content = Buffer.concat([Buffer.of(name.length), name, Buffer.from(`${build} ${hash}`)]);
  writeFileSync(path, Buffer.concat([code, Buffer.of(0, content.length), content])); // both lengths below 128: one byte each
}
