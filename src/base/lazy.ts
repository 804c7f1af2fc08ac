import { AtrousCamError } from './errors.js';

/**
 * A chunk that is loaded when it is first needed: `lazy(() => import('./chunk.js'))`.
 *
 * @throws AtrousCamError UNSUPPORTED where the engine allows no import() while it runs, as in a service worker
 */
export async function lazy<Module>(chunk: () => Promise<Module>): Promise<Module> {
  try {
    return await chunk();
  } catch (cause) {
    if (!/import\(\) is disallowed/i.test((cause as Error).message)) throw cause;
    const message =
      'this engine allows no import() while it runs, as in a service worker; let your bundler put the library into one file (dynamic imports inlined)';
    throw new AtrousCamError('UNSUPPORTED', message, { cause });
  }
}
