import { AtrousCamError } from '../base/errors.js';
import type { WasmBuild, WasmOption, WasmSource } from '../base/types.js';
import { type Builds, compileBytes, embedded, embeddedTag } from './modules.js';
import { isFolder, isNamed, type LoadedWasm, loadSource } from './sources.js';
import { tagOf } from './tag.js';

/**
 * The builds that a caller gives: one in any form, which then decides; several by name; or a folder of all four, of which the
 * one that is used is fetched. Each must be the build that this version of the library was made with.
 *
 * Throws BAD_ARGUMENT (something else), NOT_FOUND (cannot be fetched or read).
 */
export async function givenBuilds(wasm: WasmOption): Promise<Builds> {
  if (isFolder(wasm)) return { names: embedded.names, compile: (name) => compile(fileIn(wasm, name), name) };
  if (isNamed(wasm)) {
    const names = Object.keys(wasm) as WasmBuild[];
    const unknown = names.find((name) => !embedded.names.includes(name));
    if (unknown !== undefined || names.length === 0)
      throw new AtrousCamError('BAD_ARGUMENT', `wasm: expected ${embedded.names.join(', ')}, got '${unknown ?? ''}'`);
    return { names, compile: (name) => compile(wasm[name]!, name) };
  }
  const loaded = await loadSource(wasm as WasmSource);
  const name = tagOf(loaded)?.split(' ')[0] as WasmBuild;
  check(loaded, name);
  return { names: [name], compile: async () => toModule(loaded) };
}

const fileIn = (folder: string | URL, name: WasmBuild): string => `${folder}${name}.wasm`;

async function compile(source: WasmSource, name: WasmBuild): Promise<WebAssembly.Module> {
  const loaded = await loadSource(source);
  check(loaded, name);
  return toModule(loaded);
}

const toModule = (loaded: LoadedWasm): Promise<WebAssembly.Module> | WebAssembly.Module =>
  loaded instanceof WebAssembly.Module ? loaded : compileBytes(loaded);

function check(wasm: LoadedWasm, name: WasmBuild): void {
  const tag = tagOf(wasm);
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
  if (tag !== embeddedTag(name)) refuse('that of another version');
}
