/**
 * Other runtimes on the same weights, convolution stack only: the same input, the same layer out. The benchmark takes them from
 * here to alternate them with this package in one run; by itself, this file measures them alone.
 *
 *     npm ci --ignore-scripts --prefix bench/peers
 *     node bench/peers/run.js vgg16.h5 [--peers onnxruntime-node,onnxruntime-web,tfjs-backend-wasm] [--modes pooled,dilated] [--threads 2] [--runs 3]
 */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { onnxBytes } from './onnx.js';
import { startTfjs } from './tfjs.js';
import { arrangement, openVgg, transpose } from './weights.js';

const require = createRequire(import.meta.url);

/** @typedef {'pooled' | 'dilated' | 'atrous'} Mode */

/**
 * A network on another runtime.
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} version
 * @property {number} threads that it really uses
 * @property {(input: Float32Array) => Promise<void>} run takes the preprocessed picture, (1, 224, 224, 3); what is timed
 * @property {() => Float32Array} output block5_conv3 of the last run, (side, side, 512) in the package's own order (NHWC)
 * @property {() => Promise<void>} dispose
 */

/** @type {Record<string, (path: string, mode: Mode, threads: number, inputSide?: number) => Promise<Peer>>} */
const makers = {
  'onnxruntime-node': async (path, mode, threads, inputSide) => {
    const { default: runtime } = await import('onnxruntime-node');
    return fromOnnx('onnxruntime-node', runtime, path, mode, threads, inputSide);
  },
  // In Node its default is one thread, but it takes the number that it is told.
  'onnxruntime-web': async (path, mode, threads, inputSide) => {
    const { default: runtime } = await import('onnxruntime-web');
    runtime.env.wasm.numThreads = threads; // the first session of a process fixes it
    return fromOnnx('onnxruntime-web', runtime, path, mode, threads, inputSide);
  },
  'tfjs-backend-wasm': makeTfjs,
};

/** The names that `makePeer` knows. */
export const peerNames = Object.keys(makers);

/**
 * Loads VGG16's convolutions into another runtime.
 * @param {string} name one of `peerNames`
 * @param {string} path of VGG16's weights, Keras' official .h5 layout
 * @param {Mode} mode tfjs-backend-wasm has no `atrous`
 * @param {number} threads
 * @param {number} [inputSide] 224
 */
export function makePeer(name, path, mode, threads, inputSide) {
  if (!makers[name]) throw new Error(`peer: expected one of ${peerNames.join(', ')}, got "${name}"`);
  return makers[name](path, mode, threads, inputSide);
}

/**
 * @param {string} name
 * @param {any} runtime onnxruntime-node or onnxruntime-web
 * @param {string} path
 * @param {Mode} mode
 * @param {number} threads
 * @param {number | undefined} inputSide
 * @returns {Promise<Peer>}
 */
async function fromOnnx(name, runtime, path, mode, threads, inputSide) {
  const session = await runtime.InferenceSession.create(await onnxBytes(path, mode, inputSide), {
    executionProviders: [name === 'onnxruntime-node' ? 'cpu' : 'wasm'],
    intraOpNumThreads: threads,
  });
  let last;
  return {
    name,
    version: version(name),
    threads: name === 'onnxruntime-web' ? runtime.env.wasm.numThreads : threads,
    async run(input) {
      const side = Math.sqrt(input.length / 3);
      const nchw = transpose(input, [1, side, side, 3], [0, 3, 1, 2]);
      const results = await session.run({ input: new runtime.Tensor('float32', nchw, [1, 3, side, side]) });
      last = results[session.outputNames[0]];
    },
    output: () => transpose(last.data, last.dims, [0, 2, 3, 1]),
    dispose: () => session.release(),
  };
}

/** @param {string} path @param {Mode} mode @param {number} threads @returns {Promise<Peer>} */
async function makeTfjs(path, mode, threads) {
  if (mode === 'atrous') throw new Error('tfjs-backend-wasm: no dilated max pool');
  const tf = await startTfjs(threads);
  const weights = await openVgg(path);
  const layers = arrangement(weights.convs, mode).map(({ layer: { kernel, bias, shape }, rate, last }, i, all) => ({
    filter: tf.tensor4d(kernel(), shape),
    bias: tf.tensor1d(bias()),
    rate,
    pool: last && mode === 'pooled' && i < all.length - 1,
  }));
  weights.close();
  let output;
  return {
    name: 'tfjs-backend-wasm',
    version: version('@tensorflow/tfjs-backend-wasm'),
    threads,
    async run(input) {
      const side = Math.sqrt(input.length / 3);
      const y = tf.tidy(() => {
        let x = tf.tensor4d(input, [1, side, side, 3]);
        for (const { filter, bias, rate, pool } of layers) {
          const sum = { x, filter, strides: 1, pad: 'same', dilations: rate, bias, activation: 'relu' };
          const next = tf.fused.conv2d(sum);
          x.dispose(); // a dilated network holds 103 MB a map
          x = pool ? tf.maxPool(next, 2, 2, 'valid') : next;
          if (pool) next.dispose();
        }
        return x;
      });
      output = await y.data();
      y.dispose();
    },
    output: () => output,
    async dispose() {
      for (const { filter, bias } of layers) tf.dispose([filter, bias]);
    },
  };
}

/** The pinned version. @param {string} name */
const version = (name) => require('./package.json').dependencies[name];

/** The largest difference between two outputs over the largest value of the first. @param {Float32Array} a @param {Float32Array} b */
export function difference(a, b) {
  if (a.length !== b.length) throw new Error(`outputs: expected ${a.length} values, got ${b.length}`);
  let [largest, apart] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(a[i]));
    apart = Math.max(apart, Math.abs(a[i] - b[i]));
  }
  return apart / largest;
}

/** An input like a preprocessed picture's, the same in every run: smooth waves over -128..128. */
export function syntheticInput(side = 224) {
  const wave = (/** @type {number} */ i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % side, Math.floor(i / 3 / side)];
    return 64 * (Math.sin(x / (7 + c)) + Math.cos((y * (c + 1)) / 11));
  };
  return Float32Array.from({ length: side * side * 3 }, (_, i) => wave(i));
}

/** Prints one JSON line a peer and mode. */
async function main() {
  const list = { type: /** @type {const} */ ('string') };
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { peers: list, modes: list, threads: { ...list, default: '2' }, runs: { ...list, default: '3' } },
  });
  const input = syntheticInput();
  for (const mode of /** @type {Mode[]} */ ((values.modes ?? 'pooled,dilated').split(','))) {
    let first;
    for (const name of values.peers?.split(',') ?? peerNames) {
      const peer = await makePeer(name, positionals[0], mode, Number(values.threads));
      const times = [];
      for (let i = 0; i < Number(values.runs); i++) {
        const start = performance.now();
        await peer.run(input);
        times.push(performance.now() - start);
      }
      first ??= peer.output();
      const { version, threads } = peer;
      const row = {
        name,
        version,
        mode,
        threads,
        milliseconds: times.map(Math.round),
        differenceFromFirst: difference(first, peer.output()),
      };
      console.log(JSON.stringify(row));
      await peer.dispose();
    }
  }
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
