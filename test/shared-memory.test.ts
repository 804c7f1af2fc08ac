import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { withSharedMemory } from '../src/wasm/shared-memory.js';

const build = (name: string) => new Uint8Array(readFileSync(new URL(`../build/kernels.${name}.wasm`, import.meta.url)));

/** Sections by number, but for those that only describe. */
function sections(module: Uint8Array): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 8; at < module.length; ) {
    const id = module[at++];
    let [length, shift, byte] = [0, 0, 128];
    for (; byte >= 128; shift += 7) {
      byte = module[at++];
      length |= (byte & 127) << shift;
    }
    if (id > 0) found.set(id, Buffer.from(module.subarray(at, at + length)));
    at += length;
  }
  return found;
}

describe.each(['simd', 'relaxed'])('the build %s made one with shared memory', (name) => {
  it('is what the compiler makes of the same source', () => {
    const made = sections(withSharedMemory(build(name)));
    expect(made.size).toBeGreaterThan(4);
    expect(made).toEqual(sections(build(`${name}-shared`)));
  });

  it('asks for shared memory', () => {
    const module = new WebAssembly.Module(withSharedMemory(build('simd')));
    const abort = () => {};
    const instance = (shared: boolean) => {
      const memory = new WebAssembly.Memory({ initial: 1, maximum: 10, shared });
      return new WebAssembly.Instance(module, { env: { memory, abort } });
    };
    expect(() => instance(true)).not.toThrow();
    expect(() => instance(false)).toThrow(/shared/);
  });

  it('is not made of anything else', () => {
    expect(() => withSharedMemory(build(`${name}-shared`))).toThrow(/plain memory/);
    expect(() => withSharedMemory(build(name).subarray(0, 8))).toThrow(/no such section/);
  });
});
