import relaxed from 'hex:build/kernels.relaxed.wasm';
import simd from 'hex:build/kernels.simd.wasm';
import { AtrousCamError } from '../base/errors.js';
import { decodeHex } from '../base/hex.js';
import { isNode, nodeModule } from '../base/platform.js';
import type { KernelSet, WasmBuild } from '../base/types.js';
import { withSharedMemory } from './shared-memory.js';
import { tagOf } from './tag.js';

/** Instruction sets, each a build of the same source. */
export type InstructionSet = Exclude<KernelSet, 'auto'>;

/** The builds that there are to choose from. */
export interface Builds {
  readonly names: readonly WasmBuild[];
  compile(name: WasmBuild): Promise<WebAssembly.Module>;
}

/**
 * One build of each set: that with shared memory has the same code. In hexadecimal digits what repeats in the code
 * repeats in the text, and so it is sent in little more than half the bytes that base64 takes (21 kB instead of 37 by
 * brotli, 47 instead of 57 by gzip).
 */
const code: Readonly<Record<InstructionSet, string>> = { simd, relaxed };

/** The builds that the bundle carries. */
export const embedded: Builds = {
  names: ['simd', 'simd-shared', 'relaxed', 'relaxed-shared'],
  compile(name) {
    const plain = decodeHex(code[setOf(name)]);
    return compileBytes(isShared(name) ? withSharedMemory(plain) : plain);
  },
};

/** What the embedded build of a name says of itself; the last 120 bytes hold it. */
export function embeddedTag(name: WasmBuild): string | undefined {
  const hash = tagOf(decodeHex(code[setOf(name)].slice(-2 * 120)))?.split(' ')[1];
  return hash && `${name} ${hash}`;
}

export const setOf = (name: WasmBuild): InstructionSet => name.replace('-shared', '') as InstructionSet;
export const isShared = (name: WasmBuild): boolean => name.endsWith('-shared');
/** The builds of an instruction set that are offered. */
export const buildsOf = (set: InstructionSet, { names }: Builds): WasmBuild[] =>
  names.filter((name) => setOf(name) === set);

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
 * Chooses the instruction set among those of the builds: `auto` takes `relaxed` where the engine has it, or where there
 * is no other. Asking for `relaxed` by name in Node 20 sets V8's flag for the whole process, which is why `auto` does
 * not.
 */
export async function chooseInstructionSet(wanted: KernelSet, builds = embedded): Promise<InstructionSet> {
  if (!supports('simd'))
    throw new AtrousCamError(
      'UNSUPPORTED',
      'kernels: this engine has no WebAssembly SIMD; it needs Chrome 91, Firefox 89, Safari 16.4 or Node 16.4',
    );
  const has = (set: InstructionSet) => buildsOf(set, builds).length > 0;
  const automatic = has('relaxed') && (supports('relaxed') || !has('simd')) ? 'relaxed' : 'simd';
  const set = wanted === 'auto' ? automatic : wanted;
  if (!has(set))
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `wasm: has ${builds.names.join(' and ')}, but kernels '${set}' is asked for`,
    );
  if (set === 'relaxed' && !supports('relaxed') && isNode) {
    const v8 = await nodeModule('v8');
    v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
  }
  if (!supports(set))
    throw new AtrousCamError('UNSUPPORTED', `kernels: this engine has no ${set} SIMD; use 'auto' or 'simd'`);
  return set;
}

/** How engines say that they will not compile, and what to do there. */
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [
    /security policy|unsafe-eval/i,
    "the page's content security policy forbids WebAssembly; add 'wasm-unsafe-eval' to script-src",
  ],
  [
    /disallowed by embedder/i, // workerd
    'this engine compiles no WebAssembly while it runs; import a file of dist/wasm as a module, and pass { wasm: module }',
  ],
];

/** Compiles a module. Throws UNSUPPORTED where the page, or the engine, does not allow that. */
export async function compileBytes(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    const said = (cause as Error).message;
    const message = FORBIDDEN.find(([pattern]) => pattern.test(said))?.[1];
    throw message ? new AtrousCamError('UNSUPPORTED', `kernels: ${message}`, { cause }) : cause;
  }
}
