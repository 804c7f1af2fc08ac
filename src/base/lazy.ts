import { AtrousCamError } from './errors.js';
import { patience, within } from './patience.js';

/**
 * A chunk that is loaded when it is first needed: `lazy(() => import('./chunk.js'))`.
 *
 * @throws AtrousCamError UNSUPPORTED where the engine allows no import() while it runs, as in a service worker;
 *   NOT_FOUND where the chunk cannot be loaded, or has not come within a minute
 */
export async function lazy<Module>(chunk: () => Promise<Module>): Promise<Module> {
  try {
    return await within(chunk(), patience.arrival, late);
  } catch (cause) {
    if (cause instanceof AtrousCamError) throw cause;
    const said = (cause as Error).message.split('\n', 1)[0];
    if (!/import\(\) is (disallowed|not allowed)/i.test(said) && !inServiceWorker()) {
      const message = `a part of the library cannot be loaded (${said}); its files must stay together`;
      throw new AtrousCamError('NOT_FOUND', message, { cause });
    }
    const message =
      'this engine allows no import() while it runs, as in a service worker; let your bundler put the library into one file (dynamic imports inlined)';
    throw new AtrousCamError('UNSUPPORTED', message, { cause });
  }
}

/** The engine goes on loading it, so that a later call may find it. */
const late = () => {
  const message = `a part of the library has not come within ${patience.arrival / 1000} s; call again when the connection is better`;
  return new AtrousCamError('NOT_FOUND', message);
};

const inServiceWorker = (): boolean => 'ServiceWorkerGlobalScope' in globalThis;
