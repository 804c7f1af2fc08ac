import { PassThrough } from 'node:stream';
import type { ExplainOptions, Explanation, InspectOptions, LoadOptions, Network, PlanTable } from '../../src/api.js';
import { AtrousCamError } from '../../src/base/errors.js';
import type { Mode, RgbImage } from '../../src/base/types.js';
import type { Io } from '../../src/cli/context.js';
import { main } from '../../src/cli/main.js';
import { referenceGrid } from '../reference/grid.js';

/** The command line with a network that computes nothing: what is said, asked of the library and written. */

const labels = ['cat', 'dog'];
export const sizes: Record<Mode, number> = { pooled: 2, dilated: 32, atrous: 32 };

/** A map with a grid of period 8. */
const stripes = Float32Array.from(
  { length: 1024 },
  (_, i) => Math.cos((2 * Math.PI * i) / 8) + Math.floor(i / 32) / 16,
);
export const grid = referenceGrid({ width: 32, height: 32, data: stripes }).all;

/** What the commands asked of the library. */
export interface Calls {
  load: { source: string | Uint8Array | undefined; options: LoadOptions }[];
  inspect: { source: string | undefined; options: InspectOptions }[];
  explain: { image: unknown; options: ExplainOptions }[];
  disposed: number;
  /** Options of overlays. */
  styles: unknown[];
}

function fakePlan(mode: Mode): PlanTable {
  const rows = [
    { layer: 'input', operation: 'input', stride: 1, output: [32, 32, 3], parameters: 0, macs: 0, bytes: 12288 },
    { layer: 'conv', operation: 'conv 3x3', stride: 16, output: [2, 2, 4], parameters: 0, macs: 0, bytes: 64 },
    {
      layer: 'fc1',
      operation: 'dense',
      stride: undefined,
      output: [4096],
      parameters: 138357544,
      macs: 2000,
      bytes: 16384,
    },
  ];
  return { mode, outputStride: mode === 'pooled' ? 16 : 1, rows, parameters: 138357544, macs: 2e9, peakBytes: 1234567 };
}

/** A network that explains everything at once. Pictures whose path has `bad` in it cannot be read. */
export function fakeNetwork(calls: Calls): Network {
  const predictions = [
    { index: 1, label: 'dog', probability: 0.6904 },
    { index: 0, label: 'cat', probability: 0.3096 },
  ];
  const results = { predictions, logits: Float32Array.of(-1, 0.5), probabilities: Float32Array.of(0.3096, 0.6904) };
  const check = (image: unknown, signal?: AbortSignal) => {
    if (signal?.aborted) throw new AtrousCamError('ABORTED', 'aborted');
    if (String(image).includes('bad'))
      throw new AtrousCamError('BAD_IMAGE', `image ${JSON.stringify(image)}: is broken`);
  };
  return {
    source: 'default',
    parameters: 138357544,
    inputSize: 32,
    inputShape: [32, 32, 3] as const,
    assumptions: [],
    preprocessingAssumed: false,
    format: 'packed safetensors',
    family: 'VGG16',
    head: 'softmax',
    defaultLayer: 'block5_conv3',
    labels,
    layers: ['block1_conv1', 'block5_conv3'],
    kernels: 'simd',
    threads: 2,
    preprocessing: { normalization: 'caffe', resize: 'nearest', fit: 'squash' },
    predict: async (image, { signal } = {}) => {
      check(image, signal);
      return results;
    },
    preprocess: async (image, { signal } = {}) => {
      check(image, signal);
      return {
        tensor: Float32Array.from([...stripes].flatMap((value) => [value, 2 * value, -3])), // in grey the same stripes
        rect: { x: 0, y: 0, width: 40, height: 30 },
        image: image as RgbImage,
      };
    },
    activations: async () => ({}),
    evidence: () => Promise.reject(new Error('unused')),
    estimate: ({ mode = 'atrous', zoom = 1 } = {}) => ({
      mode,
      zoom: [zoom].flat(),
      macs: fakePlan(mode).macs,
      seconds: 1,
    }),
    gradients: () => Promise.reject(new Error('unused')),
    explain: async (image, options = {}): Promise<Explanation> => {
      const { mode = 'atrous', target, signal, onProgress } = options;
      check(image, signal);
      calls.explain.push({ image, options });
      if (target === 'horse') throw new AtrousCamError('BAD_ARGUMENT', 'target: expected a label, got "horse"');
      onProgress?.({ stage: 'compute', mode, done: 0.5 });
      const n = sizes[mode];
      return {
        ...results,
        mode,
        method: 'gradcam',
        layers: ['block5_conv3'],
        heads: 'one',
        target: { index: 1, label: 'dog' },
        score: 0.5,
        outputStride: 32 / n,
        placement: { align: 'centres', origin: [0, 0], pitch: [32 / n, 32 / n] },
        zoom: [1],
        raw: { width: n, height: n, data: mode === 'dilated' ? stripes : new Float32Array(n * n).fill(-2) },
        map: { width: 32, height: 32, data: new Float32Array(1024).fill(0.25), flat: mode === 'dilated' },
        rect: { x: 0, y: 0, width: 40, height: 30 },
        image: { width: 40, height: 30, data: new Uint8Array(3600) },
        seconds: 0.25,
        peakBytes: 4096,
        overlay: (style) => {
          calls.styles.push(style);
          return { width: 40, height: 30, data: new Uint8Array(3600) };
        },
      };
    },
    plan: fakePlan,
    dispose: () => {
      calls.disposed++;
    },
    [Symbol.dispose]: () => {},
  };
}

/** All that was written; Node 26 gives one write at a time, older ones all at once. */
export function text(stream: PassThrough): string {
  let all = '';
  for (let part = stream.read(); part !== null; part = stream.read()) all += part;
  return all;
}

interface Result {
  code: number;
  stdout: string;
  stderr: string;
  calls: Calls;
}

/** Runs the command line with a fake network. */
export async function run(argv: string[], io: Partial<Io> = {}): Promise<Result> {
  const calls: Calls = { load: [], inspect: [], explain: [], disposed: 0, styles: [] };
  const [stdout, stderr] = [new PassThrough({ highWaterMark: 1e7 }), new PassThrough({ highWaterMark: 1e7 })];
  const code = await main(argv, {
    stdout,
    stderr,
    load: async (source, options) => {
      calls.load.push({ source, options });
      return fakeNetwork(calls);
    },
    readImage: async (image) => image as unknown as RgbImage, // the fake network is given what the command line names
    inspect: async (source, options) => {
      calls.inspect.push({ source, options });
      return fakeNetwork(calls);
    },
    ...io,
  });
  return { code, stdout: text(stdout), stderr: text(stderr), calls };
}
