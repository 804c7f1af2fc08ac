import { load } from 'atrous-cam';
import { load as loadInWorker } from 'atrous-cam/worker';
import { explain } from './explain.js';

const bytes = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());

/** The page's answers, for the test to wait for: here, in the package's own worker, in one that the bundler made a file of. */
globalThis.answers = (async () => {
  const files = { photo: await bytes('/photo.jpg'), weights: await bytes('/weights.h5') };
  const createWorker = () => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  return {
    page: await explain(load, files),
    worker: await explain(loadInWorker, files),
    ownWorker: await explain(loadInWorker, files, { createWorker }),
  };
})();
