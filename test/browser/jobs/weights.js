/**
 * Predicts with each weight file, given as a Blob, and counts the workers that are started: HDF5 is read in one. Where it cannot be
 * had, HDF5 is read whole on a page, and piece by piece in a worker.
 *
 * @param {object} argument
 * @param {string} argument.library URL of dist/index.js
 * @param {string[]} argument.files URLs of weight files (`file:` in Node)
 * @returns {Promise<{ logits: Float32Array, predictions: { index: number, label: string, probability: number }[], workers: number }[]>}
 */
export default async function weights({ library, files }) {
  const { load } = await import(/* @vite-ignore */ library);
  const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i) % 251);
  const preprocessing = { normalization: 'caffe', resize: 'nearest', fit: 'squash' };
  /** @type {{ logits: Float32Array, predictions: { index: number, label: string, probability: number }[], workers: number }[]} */
  const results = [];
  let workers = 0;
  if (globalThis.Worker)
    globalThis.Worker = class extends Worker {
      /** @param {string | URL} url @param {WorkerOptions} [options] */
      constructor(url, options) {
        super(url, options);
        workers++;
      }
    };
  for (const file of files) {
    workers = 0;
    const source = file.startsWith('file:') ? new URL(file) : await (await fetch(file)).blob();
    const net = await load(source, { kernels: 'simd', threads: 1, preprocessing });
    const { logits, predictions } = await net.predict({ width: 64, height: 64, data });
    results.push({ logits, predictions, workers });
    await net.dispose();
  }
  return results;
}
