import type { gemmJob, matrix, transpose } from '../wasm/ops/gemm.js';
import type { Runtime } from '../wasm/runtime.js';
import { leadingEigenvector } from './eigenvector.js';
import type { Pause } from './field.js';

/** What this module, loaded when needed, uses of the engine: it has no copy of it. */
export interface Products {
  readonly gemmJob: typeof gemmJob;
  readonly matrix: typeof matrix;
  readonly transpose: typeof transpose;
}

/** Floats of the points that are multiplied at a time: 4 MB, which float32 sums bear. */
const CHUNK = 1_048_576;

/**
 * The terms (points, channels), minus their means, on their first principal component: X v, one number a point. The sign is fixed
 * so that the entries of v sum to a non-negative number. The covariance (channels, channels) is all that is decomposed, never
 * the (points, channels) matrix. No spread at all gives zeros.
 */
export async function project(
  runtime: Runtime,
  terms: Float32Array,
  channels: number,
  pause: Pause,
  products: Products,
): Promise<Float32Array> {
  const points = terms.length / channels;
  const means = await columnMeans(terms, channels, pause);
  const covariance = await scatter(runtime, terms, means, pause, products);
  const v = await leadingEigenvector(covariance, channels, pause);
  const raw = new Float32Array(points);
  for (let i = 0; i < points; i++) {
    let sum = 0;
    for (let k = 0; k < channels; k++) sum += (terms[i * channels + k] - means[k]) * v[k];
    raw[i] = sum;
    if (i % 256 === 0) await pause();
  }
  return raw;
}

async function columnMeans(terms: Float32Array, channels: number, pause: Pause): Promise<Float64Array> {
  const sums = new Float64Array(channels);
  for (let at = 0; at < terms.length; at += channels) {
    for (let k = 0; k < channels; k++) sums[k] += terms[at + k];
    if (at % (256 * channels) === 0) await pause();
  }
  return sums.map((sum) => (sum * channels) / terms.length);
}

/** X' X of the centred terms, in float64 over products of 4 MB each. */
async function scatter(
  runtime: Runtime,
  terms: Float32Array,
  means: Float64Array,
  pause: Pause,
  { gemmJob, matrix, transpose }: Products,
): Promise<Float64Array> {
  const { arena } = runtime;
  const channels = means.length;
  const total = new Float64Array(channels * channels);
  const rows = Math.max(1, Math.floor(CHUNK / channels));
  const mark = arena.mark();
  try {
    const x = arena.alloc(4 * rows * channels);
    const y = arena.alloc(4 * total.length);
    for (let from = 0; from < terms.length; from += rows * channels) {
      const chunk = terms.subarray(from, from + rows * channels);
      arena.f32(x, chunk.length).set(chunk.map((value, i) => value - means[i % channels]));
      const part = matrix(x, chunk.length / channels, channels);
      await runtime.runAsync(gemmJob(transpose(part), part, matrix(y, channels, channels)));
      const product = arena.f32(y, total.length);
      for (let i = 0; i < total.length; i++) total[i] += product[i];
      await pause();
    }
  } finally {
    arena.release(mark);
  }
  return total;
}
