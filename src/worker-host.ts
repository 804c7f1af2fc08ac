import { serve } from './worker/serve.js';

/**
 * The worker's side of `atrous-cam/worker`: a worker that imports this module answers the calls of the network that started it.
 * Whether this thread is one; elsewhere nothing happens.
 *
 * @example
 * // my-worker.js, for load(source, { createWorker: () => new Worker(new URL('my-worker.js', import.meta.url), { type: 'module' }) })
 * import 'atrous-cam/worker-host';
 */
export const serving: Promise<boolean> = serve();
