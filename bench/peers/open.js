import { readFileSync } from 'node:fs';
import { openTfjs } from './tfjs.js';

/** @typedef {{ run: () => Promise<Float32Array>, dispose: () => Promise<void> }} OpenedPeer run: the network's logits */

const ENTRY = { 'onnxruntime-node': 'onnxruntime-node', 'onnxruntime-web': 'onnxruntime-web' };

/** The names that `openPeer` knows. */
export const PEERS = [...Object.keys(ENTRY), 'tfjs-wasm'];

/**
 * A network of an ONNX file in another runtime, with an input that stays the same: its layout is prepared once, outside of what is timed.
 *
 * @param {string} name one of `PEERS`
 * @param {string} path
 * @param {Float32Array} input (h, w, 3)
 * @param {[number, number]} size h and w
 * @param {number} threads
 * @returns {Promise<OpenedPeer>}
 */
export async function openPeer(name, path, input, size, threads) {
  if (name === 'tfjs-wasm') return openTfjs(path, input, size, threads);
  if (!ENTRY[name]) throw new Error(`peer: expected one of ${PEERS.join(', ')}, got "${name}"`);
  const { default: runtime } = await import(ENTRY[name]);
  if (name === 'onnxruntime-web') runtime.env.wasm.numThreads = threads; // the first session of a process fixes it
  const session = await runtime.InferenceSession.create(readFileSync(path), {
    executionProviders: [name === 'onnxruntime-node' ? 'cpu' : 'wasm'],
    intraOpNumThreads: threads,
  });
  const [h, w] = size;
  const planes = Float32Array.from(input, (_, i) => input[3 * (i % (h * w)) + Math.floor(i / (h * w))]);
  return {
    async run() {
      const feeds = { [session.inputNames[0]]: new runtime.Tensor('float32', planes, [1, 3, h, w]) };
      const results = await session.run(feeds);
      return results[session.outputNames[0]].data;
    },
    dispose: () => session.release(),
  };
}
