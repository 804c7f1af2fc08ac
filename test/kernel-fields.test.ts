import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { assemblyText } from '../scripts/building/kernel-fields.js';
import { COLUMNS, KERNEL_FIELDS, OWN } from '../src/wasm/assembly.js';
import { fieldValues, floatBits, job } from '../src/wasm/job.js';

const softmax = { x: 64, y: 128, columns: 10 };

describe('the fields of kernels', () => {
  it('are those of assembly/: after a change there, run npm run build:wasm', () => {
    expect(readFileSync(new URL('../src/wasm/assembly.ts', import.meta.url), 'utf8')).toBe(assemblyText());
  });

  it('are known of every kernel that the modules export', () => {
    const module = new WebAssembly.Module(readFileSync(new URL('../build/kernels.simd.wasm', import.meta.url)));
    const exported = WebAssembly.Module.exports(module).map(({ name }) => name);
    expect(Object.keys(KERNEL_FIELDS).sort()).toEqual(exported.filter((name) => name !== 'multiplyTile').sort());
  });

  it('come in the order of the struct, whatever the order in the call', () => {
    expect(job('softmax', { columns: 10, y: 128, x: 64 }, 3)).toEqual({
      kernel: 'softmax',
      args: [64, 128, 10],
      tasks: 3,
      scratch: 0,
    });
  });

  it('are inherited fields first', () => {
    const base = Object.keys(KERNEL_FIELDS.winogradGemm);
    const all = Object.keys(KERNEL_FIELDS.winogradGradientGemm);
    expect(all.slice(0, base.length)).toEqual(base);
    expect(all.length).toBeGreaterThan(base.length);
  });

  it('are truth values as 1 and 0, and float32 as their bits', () => {
    const struct = { a: 'i32', b: 'i32', c: 'f32' } as const;
    expect(fieldValues(struct, { a: true, b: false, c: 0.1 })).toEqual([1, 0, floatBits(0.1)]);
  });

  it('are checked by the compiler: none missing, none unknown, also in a spread or a variable', () => {
    // @ts-expect-error columns is missing
    job('softmax', { x: 64, y: 128 }, 1);
    // @ts-expect-error z is unknown
    job('softmax', { ...softmax, z: 1 }, 1);
    const more = { ...softmax, z: 1 };
    // @ts-expect-error z is unknown
    job('softmax', more, 1);
    // @ts-expect-error a pointer is no truth value
    job('softmax', { ...softmax, x: true }, 1);
    // @ts-expect-error no such kernel
    expect(() => job('softmin', softmax, 1)).toThrow();
    job('softmax', softmax, 1);
  });

  it('come with the constants that both sides need', () => {
    expect([COLUMNS, OWN]).toEqual([8, 65 * 256 + 64]);
  });
});
