/**
 * @typedef {object} Explained
 * @property {Float32Array} logits
 * @property {Float32Array} raw
 * @property {Float32Array} map
 * @property {{ index: number, label: string, probability: number }[]} predictions
 */

/**
 * Loads the library and explains one picture in each mode; runs alike in Node and in a browser.
 *
 * @param {object} argument
 * @param {string} argument.library URL of dist/index.js
 * @param {string} argument.photo URL of the picture (`data:` in Node)
 * @param {object} argument.options for `load`
 * @param {string[]} argument.modes
 * @param {string} argument.target
 * @returns {Promise<{ threads: number, kernels: string, modes: Record<string, Explained> }>}
 */
export default async function explain({ library, photo, options, modes, target }) {
  const { load } = await import(/* @vite-ignore */ library);
  const bytes = await (await fetch(photo)).arrayBuffer();
  const net = await load(undefined, options);
  /** @type {Record<string, Explained>} */
  const results = {};
  for (const mode of modes) {
    const { logits, raw, map, predictions } = await net.explain(bytes, { mode, target });
    results[mode] = { logits, raw: raw.data, map: map.data, predictions };
  }
  const { threads, kernels } = net;
  await net.dispose();
  return { threads, kernels, modes: results };
}
