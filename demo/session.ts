import type { Preprocessing } from '../src/base/types.js';
import { load, type WorkerNetwork } from '../src/worker.js';
import { PageError } from './messages.js';

/** Smallest module with an instruction of SIMD; the worker would find out as well, but only after its code was loaded. */
const SIMD_PROBE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];

/** Throws PageError UNSUPPORTED where the browser cannot run the network at all. */
export function checkBrowser(): void {
  if (typeof WebAssembly === 'undefined' || !WebAssembly.validate(new Uint8Array(SIMD_PROBE)))
    throw new PageError(
      'UNSUPPORTED',
      'This browser has no WebAssembly SIMD, which the computation needs. Chrome 91, Firefox 89, Safari 16.4 and later have it.',
    );
}

/** Where a network comes from: the name of an included one, or the file or files that hold it. */
export type Files = string | File | readonly File[];

/** What the visitor says instead of the file, or instead of what was assumed of it. */
export interface Stated {
  /** The text of a file with the classes' names. */
  labels?: string;
  preprocessing?: Partial<Preprocessing>;
}

/** A network to load: its name in the list, what it is read from, and what is stated of it. */
export interface Source {
  readonly name: string;
  readonly open: () => Promise<Files | undefined>;
  readonly stated: Stated;
}

/**
 * Loads a network in a worker of its own: an included one, or weight files, which the worker reads piece by piece.
 *
 * @throws AtrousCamError as `load` of the library
 */
export async function loadNetwork(
  { open, stated }: Source,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (done: number) => void },
): Promise<WorkerNetwork> {
  return load(await open(), {
    ...stated,
    createWorker: () => new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'atrous-cam' }),
    signal,
    onProgress: ({ done }) => onProgress(done),
  });
}
