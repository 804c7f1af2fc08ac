import relaxed from 'embed:build/kernels.relaxed.wasm';
import relaxedShared from 'embed:build/kernels.relaxed-shared.wasm';
import simd from 'embed:build/kernels.simd.wasm';
import simdShared from 'embed:build/kernels.simd-shared.wasm';
import { decodeBase64 } from '../base64.js';
import { AtrousCamError } from '../errors.js';
import { isNode, nodeModule } from '../platform.js';
import type { KernelSet } from '../types.js';

/** Instruction sets, each a build of the same source. */
export type InstructionSet = Exclude<KernelSet, 'auto'>;

const builds = { simd: [simd, simdShared], relaxed: [relaxed, relaxedShared] } as const;

/** Smallest modules that use one instruction of each set, for `WebAssembly.validate`. */
const probes = {
  simd: [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
  relaxed: [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15,
    253, 128, 2, 11,
  ],
} as const;

/** Whether this environment can run an instruction set. */
export const supports = (set: InstructionSet): boolean => WebAssembly.validate(new Uint8Array(probes[set]));

/**
 * Chooses the instruction set: `auto` takes `relaxed` where the engine has it. Asking for `relaxed` by name in Node 20 sets
 * V8's flag for the whole process, which is why `auto` does not.
 */
export async function chooseInstructionSet(wanted: KernelSet): Promise<InstructionSet> {
  if (!supports('simd'))
    throw new AtrousCamError(
      'UNSUPPORTED',
      'kernels: this engine has no WebAssembly SIMD; it needs Chrome 91, Firefox 89, Safari 16.4 or Node 16.4',
    );
  if (wanted === 'auto') return supports('relaxed') ? 'relaxed' : 'simd';
  if (wanted === 'relaxed' && !supports('relaxed') && isNode) {
    const v8 = await nodeModule('v8');
    v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
  }
  if (!supports(wanted))
    throw new AtrousCamError('UNSUPPORTED', `kernels: this engine has no ${wanted} SIMD; use 'auto' or 'simd'`);
  return wanted;
}

/** Compiles the build of an instruction set for plain or shared memory. */
export function compile(set: InstructionSet, shared: boolean): Promise<WebAssembly.Module> {
  return WebAssembly.compile(decodeBase64(builds[set][shared ? 1 : 0]));
}
