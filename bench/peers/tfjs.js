import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { own, registerEmbed } from '../embed.js';

const require = createRequire(import.meta.url);
const PACKAGE = '@tensorflow/tfjs-backend-wasm';

let started;

/**
 * TensorFlow.js with its WebAssembly backend: SIMD, and `threads` threads if more than one. A process has one number of threads.
 * @param {number} threads
 */
export function startTfjs(threads) {
  started ??= start(threads);
  return started;
}

/**
 * In Node the backend takes one thread, because its workers come from a blob, which Node's do not read, and uses half of the processors
 * at most. Both are got around here without a change of what computes: the worker's own text from a file, and a longer list of processors.
 */
async function start(threads) {
  const tf = require('@tensorflow/tfjs-core');
  const wasm = require(PACKAGE);
  wasm.setWasmPaths(`${dirname(require.resolve(PACKAGE))}/`);
  const { createObjectURL } = URL;
  const { cpus } = os;
  const folder = mkdtempSync(join(os.tmpdir(), 'atrous-cam-tfjs-'));
  const workers = [];
  const threading = require('node:worker_threads');
  const { Worker } = threading;
  if (threads > 1) {
    const worker = writeWorker(folder);
    threading.Worker = class extends Worker {
      constructor(...given) {
        super(...given);
        workers.push(this);
      }
    };
    URL.createObjectURL = () => worker;
    os.cpus = () => [...cpus(), ...cpus()];
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', true);
    wasm.setThreadsCount(threads);
  }
  await tf.setBackend('wasm');
  await tf.ready();
  if (threads > 1) await runWorkers(tf);
  Object.assign(URL, { createObjectURL });
  Object.assign(os, { cpus });
  threading.Worker = Worker;
  for (const worker of workers) worker.unref(); // else the process does not end
  rmSync(folder, { recursive: true });
  const used = threads > 1 ? wasm.getThreadsCount() : 1;
  if (used !== threads) throw new Error(`tfjs: expected ${threads} threads, got ${used}`);
  return tf;
}

/** A file with the worker's text, which reads the backend's script from where it lies. */
function writeWorker(folder) {
  const { wasmWorkerContents } = require(`${PACKAGE}/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js`);
  const script = require.resolve(`${PACKAGE}/wasm-out/tfjs-backend-wasm-threaded-simd.js`);
  const file = join(folder, 'worker.cjs');
  const [path, home] = [script, dirname(script)].map((text) => JSON.stringify(text));
  const prelude = `URL.createObjectURL = () => ${path}; Object.assign(globalThis, { __filename: ${path}, __dirname: ${home} });`;
  writeFileSync(file, `${prelude}\n${wasmWorkerContents.replace(/\n/g, '\\n')}`);
  return file;
}

/** Workers begin while the first operations run; until then all is computed by one thread. */
async function runWorkers(tf) {
  const x = tf.zeros([1, 64, 64, 64]);
  const filter = tf.zeros([3, 3, 64, 64]);
  for (let i = 0; i < 10; i++) {
    const y = tf.conv2d(x, filter, 1, 'same');
    await y.data();
    y.dispose();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  tf.dispose([x, filter]);
}

/**
 * A network of a weight file on TensorFlow.js, by the graph that this package's reader makes of the file: batch normalization is folded,
 * biases and ReLUs are fused, as its converter does it.
 *
 * @param {string} path
 * @param {Float32Array} input (1, h, w, 3)
 * @returns {Promise<{ run: () => Promise<Float32Array>, dispose: () => Promise<void> }>}
 */
export async function openTfjs(path, input, [h, w], threads) {
  const tf = await startTfjs(threads);
  registerEmbed();
  const { openWeights } = await own('weights/open.js');
  const file = await openWeights(path);
  const { graph } = file;
  const weights = new Map();
  for (const [name, tensor] of file.tensors) {
    const data = new Float32Array(tensor.shape.reduce((size, side) => size * side, 1));
    await tensor.copyInto(data);
    weights.set(name, tf.tensor(data, [...tensor.shape]));
  }
  file.close();
  const steps = fuse(graph);
  return {
    async run() {
      const y = tf.tidy(() => {
        const maps = new Map([[0, tf.tensor4d(input, [1, h, w, 3])]]);
        for (const step of steps) maps.set(step.to, compute(tf, graph, step, maps, weights));
        return maps.get(graph.logits);
      });
      const logits = await y.data();
      y.dispose();
      return logits;
    },
    dispose: async () => tf.dispose([...weights.values()]),
  };
}

/** The graph's nodes up to the logits, an activation that alone reads a convolution or a dense layer in one step with it. */
function fuse({ nodes, logits }) {
  const readers = nodes.map((_, id) => nodes.flatMap(({ from }, reader) => (from.includes(id) ? [reader] : [])));
  const fused = new Set();
  const steps = [];
  for (let id = 1; id <= logits; id++) {
    if (fused.has(id)) continue;
    const [reader] = readers[id];
    const act = readers[id].length === 1 && id !== logits ? fusable(nodes[reader]) : undefined;
    const takes = act && (nodes[id].op === 'conv' || nodes[id].op === 'dense');
    if (takes) fused.add(reader);
    steps.push({ node: nodes[id], activation: takes ? act : 'linear', to: takes ? reader : id });
  }
  return steps;
}

function fusable({ op, activation }) {
  if (op !== 'activation') return undefined;
  if (activation.f === 'relu') return 'relu';
  return activation.f === 'clip' && activation.low === 0 && activation.high === 6 ? 'relu6' : undefined;
}

function compute(tf, { nodes }, { node, activation }, maps, weights) {
  const inputs = node.from.map((id) => maps.get(id));
  const [x] = inputs;
  const weight = (part) => weights.get(`${node.name}.${part}`);
  switch (node.op) {
    case 'conv': {
      const { stride: strides, dilation: dilations } = node.window;
      const call = {
        x,
        strides,
        dilations,
        pad: padding(node, nodes[node.from[0]].shape),
        bias: weight('bias'),
        activation,
      };
      const filter = weight('kernel');
      if (node.groups === 1) return tf.fused.conv2d({ ...call, filter });
      const [rows, columns, , channels] = filter.shape;
      return tf.fused.depthwiseConv2d({ ...call, filter: tf.reshape(filter, [rows, columns, channels, 1]) });
    }
    case 'dense': {
      const a = tf.reshape(x, [1, -1]);
      return tf.fused.matMul({ a, b: weight('kernel'), bias: weight('bias'), activation });
    }
    case 'pool': {
      const { rows, columns, stride } = node.window;
      const pool = node.kind === 'max' ? tf.maxPool : tf.avgPool;
      return pool(x, [rows, columns], stride, padding(node, nodes[node.from[0]].shape));
    }
    case 'global':
      return node.kind === 'mean' ? tf.mean(x, [1, 2], true) : tf.max(x, [1, 2], true);
    case 'affine':
      return tf.add(tf.mul(x, weight('scale')), weight('shift'));
    case 'activation':
      return activate(tf, x, node.activation);
    case 'add':
      return tf.add(x, inputs[1]);
    case 'multiply':
      return tf.mul(x, inputs[1]);
    case 'concat':
      return tf.concat(inputs, 3);
    default:
      throw new Error(`tfjs: no "${node.op}" (${node.name})`);
  }
}

/** Rows and columns of zeros around a map, in TensorFlow.js' form. */
function padding({ window, shape }, x) {
  const { rows, columns, stride, dilation, top, left } = window;
  const behind = (out, taps, side, before) =>
    Math.max(0, (out - 1) * stride + dilation * (taps - 1) + 1 - side - before);
  const rest = [behind(shape.h, rows, x.h, top), behind(shape.w, columns, x.w, left)];
  return [
    [0, 0],
    [top, rest[0]],
    [left, rest[1]],
    [0, 0],
  ];
}

function activate(tf, x, { f, low, high, slope, offset }) {
  switch (f) {
    case 'relu':
      return tf.relu(x);
    case 'clip':
      return low === 0 && high === 6 ? tf.relu6(x) : tf.clipByValue(x, low, high);
    case 'sigmoid':
      return tf.sigmoid(x);
    case 'silu':
      return tf.mul(x, tf.sigmoid(x));
    case 'hard-sigmoid':
      return tf.clipByValue(tf.add(tf.mul(x, slope), offset), 0, 1);
    case 'hard-swish':
      return tf.mul(tf.mul(x, 1 / 6), tf.relu6(tf.add(x, 3)));
    default:
      throw new Error(`tfjs: no "${f}"`);
  }
}
