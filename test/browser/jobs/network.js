/**
 * Everything that a network computes, once, of one small picture; runs alike in Node and in a browser, on the library and on its
 * mirror over a worker.
 *
 * @param {object} argument
 * @param {string} argument.library URL of dist/index.js or dist/worker.js
 * @param {string} argument.weights URL of a weight file, posted to the worker as a Blob
 * @param {object} argument.options for `load`
 * @returns {Promise<{ threads: number, facts: object, results: Record<string, unknown> }>}
 */
export default async function network({ library, weights, options }) {
  const { load } = await import(/* @vite-ignore */ library);
  const file = weights.startsWith('file:') ? new URL(weights) : await (await fetch(weights)).blob();
  const preprocessing = { normalization: 'caffe', resize: 'nearest', fit: 'squash' };
  const net = await load(file, { preprocessing, ...options });
  const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i) % 251);
  const picture = { width: 64, height: 64, data };
  /** @type {Record<string, unknown>} */
  const results = {};
  for (const mode of ['pooled', 'dilated', 'atrous']) {
    /** @type {unknown[]} */
    const refined = [];
    const onProgress = ({ map, outputStride }) => map && refined.push({ map, outputStride });
    const { seconds, overlay, ...explained } = await net.explain(picture, { mode, onProgress });
    const overlaid = overlay({ colormap: 'viridis' });
    const wrt = ['input', 'block2_conv1', 'weights'];
    const [prediction, maps, gradients] = await Promise.all([
      net.predict(picture, { mode }),
      net.activations(picture, { mode, layers: ['block1_conv1', 'block4_conv2'] }),
      net.gradients(picture, { mode, wrt }),
    ]);
    results[mode] = { explained, overlaid, refined, prediction, maps, gradients, plan: net.plan(mode) };
  }
  const { threads, kernels, parameters, labels, layers } = net;
  net.dispose();
  const facts = { kernels, parameters, labels, layers };
  return { threads, facts, results };
}
