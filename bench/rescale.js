import { load, packWeights } from '../dist/index.js';

/**
 * Rescales the channels of transplanted weights for the dilated network, without training: without its pools each layer sees all values
 * where it was trained on maxima, which are about twice as large. Layer by layer from the input, each channel's kernel and bias are
 * multiplied so that its mean over a few pictures is the one that it has behind the pool in the pooled network.
 *
 * @param {string} file weights of any format
 * @param {string[]} pictures paths of photographs; their classes do not matter
 * @param {object} [options]
 * @param {number} [options.threads]
 * @param {number} [options.window] of the pool that is left behind the last convolution: 32 in front of dense layers, 1 before a mean
 * @param {Pick<import('../dist/types/index.js').PackOptions, 'preprocessing' | 'labels'>} [options.read] what the file does not say
 * @returns {Promise<Buffer>} the packed network, float32
 */
export async function rescale(file, pictures, { threads, window: left = 32, read = {} } = {}) {
  const pieces = [];
  for await (const piece of packWeights(file, { ...read, dtype: 'float32' })) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  const begin = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, begin));
  const options = /** @type {const} */ ({ threads, kernels: 'simd' });

  let net = await load(bytes, options);
  const { layers } = net;
  const isLast = (/** @type {number} */ i) => layers[i].split('_')[0] !== layers[i + 1]?.split('_')[0]; // of its block
  const wanted = layers.map(() => /** @type {number[]} */ ([]));
  for (const picture of pictures) {
    const activations = await net.activations(picture, { mode: 'pooled', layers });
    for (const [i, name] of layers.entries()) addTo(wanted[i], meansOf(activations[name], isLast(i) ? 2 : 1));
  }
  for (const [i, name] of layers.entries()) {
    /** @type {number[]} */
    const got = [];
    const window = i === layers.length - 1 ? left : 1; // the only pool that is left
    for (const picture of pictures) {
      const activations = await net.activations(picture, { mode: 'dilated', layers: [name] });
      addTo(got, meansOf(activations[name], window));
    }
    for (const part of ['kernel', 'bias']) multiply(bytes, begin, header[`${name}.${part}`], got, wanted[i]);
    net.dispose();
    net = await load(bytes, options);
  }
  net.dispose();
  return bytes;
}

/**
 * The mean of each channel behind a max pool.
 *
 * @param {{ shape: readonly number[], data: Float32Array }} map (1, height, width, channels)
 * @param {number} window of the pool, its stride too
 */
function meansOf({ shape: [, height, width, channels], data }, window) {
  const sums = new Array(channels).fill(0);
  const [rows, columns] = [Math.floor(height / window), Math.floor(width / window)];
  for (let cell = 0; cell < rows * columns; cell++) {
    const [y, x] = [window * Math.floor(cell / columns), window * (cell % columns)];
    for (let k = 0; k < channels; k++) {
      let most = 0; // behind a ReLU
      for (let i = 0; i < window * window; i++) {
        const at = (y + Math.floor(i / window)) * width + x + (i % window);
        most = Math.max(most, data[at * channels + k]);
      }
      sums[k] += most / (rows * columns);
    }
  }
  return sums;
}

/** @param {number[]} sums @param {number[]} more */
function addTo(sums, more) {
  for (const [k, value] of more.entries()) sums[k] = (sums[k] ?? 0) + value;
}

/**
 * Multiplies a tensor of the file by `wanted` over `got`, its last axis being the channels; by at most 8; not where a
 * channel is silent.
 */
function multiply(
  /** @type {Buffer} */ bytes,
  /** @type {number} */ begin,
  /** @type {{ data_offsets: [number, number] }} */ { data_offsets: [from, to] },
  /** @type {number[]} */ got,
  /** @type {number[]} */ wanted,
) {
  const factors = got.map((value, k) => (value > 0 ? Math.min(8, Math.max(1 / 8, wanted[k] / value)) : 1));
  for (let at = begin + from, i = 0; at < begin + to; at += 4, i++)
    bytes.writeFloatLE(bytes.readFloatLE(at) * factors[i % factors.length], at);
}
