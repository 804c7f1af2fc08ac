import { AtrousCamError } from '../base/errors.js';
import { fetchPatiently } from '../base/fetch-patiently.js';
import { patience, within } from '../base/patience.js';
import { isNode, nodeModule } from '../base/platform.js';
import type { WasmBuild, WasmOption, WasmSource } from '../base/types.js';

/** A build as it comes: compiled or not yet. */
export type LoadedWasm = WebAssembly.Module | Uint8Array<ArrayBuffer>;

/** The same option in a form that can be posted to a worker: responses are read, addresses made absolute. */
export async function portableWasm(wasm: WasmOption): Promise<WasmOption> {
  if (isFolder(wasm)) return address(wasm);
  if (!isNamed(wasm)) return portable(wasm as WasmSource);
  const entries = Object.entries(wasm).map(async ([name, source]) => [name, await portable(source)]);
  return Object.fromEntries(await Promise.all(entries));
}

async function portable(source: WasmSource): Promise<WasmSource> {
  const given = await arrived(source);
  return typeof given === 'string' || given instanceof URL ? address(given) : loadSource(given);
}

/** In a browser, an address counts from the page. */
const address = (url: string | URL): string => (isNode ? String(url) : new URL(url, location.href).href);

const isAddress = (wasm: unknown): wasm is string | URL => typeof wasm === 'string' || wasm instanceof URL;

export const isFolder = (wasm: WasmOption): wasm is string | URL => isAddress(wasm) && String(wasm).endsWith('/');

export const isNamed = (wasm: WasmOption): wasm is Partial<Record<WasmBuild, WasmSource>> =>
  typeof wasm === 'object' && wasm !== null && Object.getPrototypeOf(wasm) === Object.prototype;

/** A caller's response may be on its way. */
const arrived = async (source: WasmSource): Promise<Awaited<WasmSource>> =>
  within(Promise.resolve(source), patience.arrival, () => {
    const message = `wasm: the response that was passed has not come within ${patience.arrival / 1000} s`;
    return new AtrousCamError('NOT_FOUND', message);
  });

/** Reads or fetches a build, of whatever kind. Throws BAD_ARGUMENT, NOT_FOUND. */
export async function loadSource(source: WasmSource): Promise<LoadedWasm> {
  const given = await arrived(source);
  if (given instanceof WebAssembly.Module) return given;
  if (given instanceof ArrayBuffer) return new Uint8Array(given);
  if (given instanceof Uint8Array) return new Uint8Array(given); // a copy: of a plain buffer, and the caller's to change
  if (isAddress(given)) return read(given);
  if (typeof Response !== 'undefined' && given instanceof Response) return bytesOf(given);
  throw new AtrousCamError(
    'BAD_ARGUMENT',
    `wasm: expected a WebAssembly.Module, bytes, a Response or a URL, got ${Object.prototype.toString.call(given).slice(8, -1)}`,
  );
}

async function read(url: string | URL): Promise<Uint8Array<ArrayBuffer>> {
  const failed = (cause: unknown) => {
    throw new AtrousCamError('NOT_FOUND', `wasm ${url}: cannot be read (${(cause as Error).message})`, { cause });
  };
  if (!isNode || /^(https?|data|blob):/i.test(String(url)))
    return bytesOf(await fetchPatiently(url).catch(failed), url);
  const fs = await nodeModule('fs/promises');
  const path = String(url).startsWith('file:') ? (await nodeModule('url')).fileURLToPath(url) : (url as string);
  return new Uint8Array(await fs.readFile(path).catch(failed));
}

async function bytesOf(response: Response, url: string | URL = response.url): Promise<Uint8Array<ArrayBuffer>> {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new AtrousCamError('NOT_FOUND', `wasm ${url}: ${reason}`, { cause });
  };
  if (!response.ok) refuse(`the server answers ${response.status}`);
  const late = () => new Error(`it has not come within ${patience.arrival / 1000} s`);
  const bytes = within(response.arrayBuffer(), patience.arrival, late);
  return new Uint8Array(await bytes.catch((cause: Error) => refuse(`cannot be read (${cause.message})`, cause)));
}
