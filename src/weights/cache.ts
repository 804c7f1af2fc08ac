import { isNode, nodeModule } from '../base/platform.js';
import type { ManifestEntry } from './manifest.js';
import { type ByteSource, blobSource, fileSource } from './source.js';

export { manifest, manifestEntry } from './manifest.js';

/** The name that folders of ours have. */
const own = 'atrous-cam';

/**
 * The folder of downloaded weights: what ATROUS_CAM_CACHE names, else the platform's convention: `$XDG_CACHE_HOME/atrous-cam` or
 * `~/.cache/atrous-cam`, `~/Library/Caches/atrous-cam` (macOS), `%LOCALAPPDATA%\atrous-cam` (Windows). In Node only.
 */
export async function cacheFolder(): Promise<string> {
  const { env, platform } = process;
  if (env.ATROUS_CAM_CACHE) return env.ATROUS_CAM_CACHE;
  const { join, isAbsolute } = await nodeModule('path');
  const home = (await nodeModule('os')).homedir();
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), own);
  if (platform === 'darwin') return join(home, 'Library', 'Caches', own);
  const { XDG_CACHE_HOME: xdg } = env;
  return join(xdg && isAbsolute(xdg) ? xdg : join(home, '.cache'), own); // the specification ignores relative paths
}

/** The browser's own file system, of which every origin has one; undefined where there is none. */
export async function browserFolder(create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  const root = await globalThis.navigator?.storage?.getDirectory?.();
  return root?.getDirectoryHandle(own, { create });
}

/** A downloaded file; undefined where it is not there. */
export async function openCached({ file }: ManifestEntry): Promise<ByteSource | undefined> {
  try {
    if (isNode) return await fileSource((await nodeModule('path')).join(await cacheFolder(), file));
    const handle = await (await browserFolder(false))?.getFileHandle(file);
    return handle && blobSource(await handle.getFile(), file);
  } catch {
    return undefined; // the caller says how to get it
  }
}
