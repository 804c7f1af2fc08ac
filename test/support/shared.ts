import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of the reference data, which lies beside the repository or in the folder that ATROUS_CAM_SHARED names. */
export function sharedPath(name: string): string {
  const folder = process.env.ATROUS_CAM_SHARED ?? fileURLToPath(new URL('../../../shared', import.meta.url));
  const path = join(resolve(folder), name);
  if (!existsSync(path))
    throw new Error(
      `reference data: expected ${path}; put the folder beside the repository or name it in ATROUS_CAM_SHARED`,
    );
  return path;
}
