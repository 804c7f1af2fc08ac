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

/**
 * Loads a network in a worker of its own: an included one, or weight files, which the worker reads piece by piece.
 *
 * @throws AtrousCamError as `load` of the library
 */
export function loadNetwork(
  source: Files | undefined,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (done: number) => void },
): Promise<WorkerNetwork> {
  return load(source, {
    createWorker: () => new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'atrous-cam' }),
    signal,
    onProgress: ({ done }) => onProgress(done),
  });
}

/** Where a network comes from: the name of an included one, or the file or files that hold it. */
export type Files = string | File | readonly File[];

/** One line about a loaded network. */
export function describeNetwork({ parameters, inputSize, labels, kernels, threads }: WorkerNetwork): string {
  const parts = [
    `${parameters.toLocaleString('en')} parameters`,
    `${labels.length} classes`,
    `${inputSize} × ${inputSize} pixels`,
    `${kernels === 'relaxed' ? 'relaxed SIMD' : 'SIMD'}, ${threads === 1 ? 'one thread' : `${threads} threads`}`,
  ];
  return parts.join(' · ');
}

/** Why there is one thread only, where that could be otherwise. */
export function describeThreads(): string {
  const why = (reason: string) => `Computing on one thread, because ${reason}; the results are the same.`;
  if (!crossOriginIsolated) return `${why('the server sends no COOP and COEP headers')} “atrous-cam serve” sends them.`;
  return typeof SharedArrayBuffer === 'undefined' ? why('this browser shares no memory between threads') : '';
}
