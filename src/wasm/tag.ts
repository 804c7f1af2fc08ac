/** The custom section at the end of every build of the kernels (scripts/building/tag-kernels.js): `BUILD HASH`. */
const SECTION = 'atrous-cam';

/** What a build says of itself; undefined where it is something else. Of bytes only the end need be there. */
export function tagOf(wasm: WebAssembly.Module | Uint8Array): string | undefined {
  if (wasm instanceof WebAssembly.Module) {
    const [section] = WebAssembly.Module.customSections(wasm, SECTION);
    return section && new TextDecoder().decode(section);
  }
  const end = new TextDecoder('latin1').decode(wasm.subarray(-120));
  return end.split(SECTION, 2)[1];
}
