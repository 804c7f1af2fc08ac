import { AtrousCamError } from '../base/errors.js';
import type { WasmBuild, WasmOption, WasmSource } from '../base/types.js';
import type { Builds } from './modules.js';
import { isFolder, isNamed, type LoadedWasm, loadSource } from './sources.js';
import type { tagOf } from './tag.js';

/**
 * What given builds are held against and compiled by. It is handed over, because a bundler that keeps all that a lazy chunk imports would
 * keep the embedded kernels.
 */
export interface Own {
  readonly names: readonly WasmBuild[];
  readonly tagOf: typeof tagOf;
  tag(name: WasmBuild): string | undefined;
  compile(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module>;
}

/**
 * The builds that a caller gives: one in any form, which then decides; several by name; or a folder of all four, of which the
 * one that is used is fetched. Each must be the build that this version of the library was made with.
 *
 * Throws BAD_ARGUMENT (something else), NOT_FOUND (cannot be fetched or read).
 */
export async function givenBuilds(wasm: WasmOption, own: Own): Promise<Builds> {
  if (isFolder(wasm)) return { names: own.names, compile: (name) => compile(fileIn(wasm, name), name, own) };
  if (isNamed(wasm)) {
    const names = Object.keys(wasm) as WasmBuild[];
    const unknown = names.find((name) => !own.names.includes(name));
    if (unknown !== undefined || names.length === 0)
      throw new AtrousCamError('BAD_ARGUMENT', `wasm: expected ${own.names.join(', ')}, got '${unknown ?? ''}'`);
    return { names, compile: (name) => compile(wasm[name]!, name, own) };
  }
  const loaded = await loadSource(wasm as WasmSource);
  const name = own.tagOf(loaded)?.split(' ')[0] as WasmBuild;
  check(loaded, name, own);
  return { names: [name], compile: async () => toModule(loaded, own) };
}

const fileIn = (folder: string | URL, name: WasmBuild): string => `${folder}${name}.wasm`;

async function compile(source: WasmSource, name: WasmBuild, own: Own): Promise<WebAssembly.Module> {
  const loaded = await loadSource(source);
  check(loaded, name, own);
  return toModule(loaded, own);
}

const toModule = (loaded: LoadedWasm, own: Own): Promise<WebAssembly.Module> | WebAssembly.Module =>
  loaded instanceof WebAssembly.Module ? loaded : own.compile(loaded);

function check(wasm: LoadedWasm, name: WasmBuild, own: Own): void {
  const tag = own.tagOf(wasm);
  const refuse = (got: string) => {
    const where = 'take the files of dist/wasm in the same version of the package';
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `wasm: expected ${name ? `the build '${name}'` : 'kernels'}, got ${got}; ${where}`,
    );
  };
  if (tag === undefined) refuse('something else');
  const build = tag!.split(' ')[0];
  if (build !== name) refuse(`'${build}'`);
  if (tag !== own.tag(name)) refuse('that of another version');
}
