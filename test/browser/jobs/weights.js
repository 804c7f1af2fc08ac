/**
 * Predicts with each weight file, given as a Blob: on a page HDF5 is then read whole, in a worker piece by piece.
 *
 * @param {object} argument
 * @param {string} argument.library URL of dist/index.js
 * @param {string[]} argument.files URLs of weight files (`file:` in Node)
 * @returns {Promise<{ logits: Float32Array, predictions: { index: number, label: string, probability: number }[] }[]>}
 */
export default async function weights({ library, files }) {
  const { load } = await import(/* @vite-ignore */ library);
  const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i) % 251);
  const preprocessing = { normalization: 'caffe', resize: 'nearest', fit: 'squash' };
  /** @type {{ logits: Float32Array, predictions: { index: number, label: string, probability: number }[] }[]} */
  const results = [];
  for (const file of files) {
    const source = file.startsWith('file:') ? new URL(file) : await (await fetch(file)).blob();
    const net = await load(source, { kernels: 'simd', preprocessing });
    const { logits, predictions } = await net.predict({ width: 64, height: 64, data });
    results.push({ logits, predictions });
    await net.dispose();
  }
  return results;
}
