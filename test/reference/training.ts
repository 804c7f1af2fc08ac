import type { ConvLayer, Topology } from '../../src/graph/topology.js';
import { conv3x3 } from './conv.js';
import { multiply, softmax } from './dense.js';

/** A batch of maps without gaps, (n, h, w, c). */
export interface Maps {
  n: number;
  h: number;
  w: number;
  c: number;
  data: ArrayLike<number>;
}

/** Mean and variance (biased) of each channel, in float64. */
export function moments({ n, h, w, c, data }: Maps): { mean: Float64Array; variance: Float64Array } {
  const pixels = n * h * w;
  const [mean, variance] = [new Float64Array(c), new Float64Array(c)];
  for (let i = 0; i < pixels * c; i++) mean[i % c] += data[i] / pixels;
  for (let i = 0; i < pixels * c; i++) variance[i % c] += (data[i] - mean[i % c]) ** 2 / pixels;
  return { mean, variance };
}

/** relu(gamma (z - mean) / sqrt(variance + 1e-5) + beta), in float64. */
export function normalized(
  z: Maps,
  gamma: ArrayLike<number>,
  beta: ArrayLike<number>,
  { mean, variance }: { mean: ArrayLike<number>; variance: ArrayLike<number> },
): Float64Array {
  return Float64Array.from(z.data, (value, i) => {
    const k = i % z.c;
    return Math.max(0, (gamma[k] * (value - mean[k])) / Math.sqrt(variance[k] + 1e-5) + beta[k]);
  });
}

/** The largest of each window of `size` x `size`, `size` apart, and where it was: the first in row order. */
export function pooled({ n, h, w, c, data }: Maps, size: number): { data: Float64Array; from: Int32Array } {
  const [rows, cols] = [h / size, w / size];
  const made = new Float64Array(n * rows * cols * c);
  const from = new Int32Array(made.length);
  for (let i = 0; i < made.length; i++) {
    const [k, x, y, p] = [
      i % c,
      Math.floor(i / c) % cols,
      Math.floor(i / c / cols) % rows,
      Math.floor(i / c / cols / rows),
    ];
    let best = -1;
    for (let a = 0; a < size; a++)
      for (let b = 0; b < size; b++) {
        const at = ((p * h + y * size + a) * w + x * size + b) * c + k;
        if (best < 0 || data[at] > data[best]) best = at;
      }
    made[i] = data[best];
    from[i] = best;
  }
  return { data: made, from };
}

/** What a network of `Topology` computes with: kernels as the engine keeps them, the input's channels filled up to 4. */
export interface Numbers {
  convs: { kernel: ArrayLike<number>; gamma: ArrayLike<number>; beta: ArrayLike<number> }[];
  dense: { kernel: ArrayLike<number>; bias: ArrayLike<number> }[];
}

/**
 * The mean cross-entropy of a batch (n, size, size, 4) with batch normalization by the batch's statistics, in float64.
 * `keep(layer, i)`: what unit i of a hidden dense layer is multiplied with.
 */
export function meanLoss(
  { blocks, degridding = [], dense, inputSize }: Topology,
  { convs, dense: heads }: Numbers,
  input: { n: number; data: ArrayLike<number> },
  targets: ArrayLike<number>,
  { mode, keep }: { mode: 'pooled' | 'dilated'; keep: (layer: number, i: number) => number },
): number {
  const { n } = input;
  let maps: Maps = { n, h: inputSize, w: inputSize, c: 4, data: input.data };
  let next = 0;
  for (const layers of [...blocks, degridding]) {
    for (const { cout, block, rate = 2 ** block } of layers as readonly (ConvLayer & { rate?: number })[]) {
      const { kernel, gamma, beta } = convs[next++];
      const dilation = mode === 'dilated' ? rate : 1;
      const { h, w, c } = maps;
      const from = Float64Array.from(maps.data);
      const z = new Float64Array(n * h * w * cout);
      for (let p = 0; p < n; p++) {
        const x = { data: from.subarray(p * h * w * c, (p + 1) * h * w * c), h, w, c };
        z.set(conv3x3(x, kernel, new Float64Array(cout), cout, { dilation, relu: false }), p * h * w * cout);
      }
      const raw = { n, h, w, c: cout, data: z };
      maps = { ...raw, data: normalized(raw, gamma, beta, moments(raw)) };
    }
    if (mode === 'pooled' && layers !== degridding)
      maps = { ...maps, h: maps.h / 2, w: maps.w / 2, data: pooled(maps, 2).data };
  }
  let rows: ArrayLike<number> = mode === 'pooled' ? maps.data : pooled(maps, 2 ** blocks.length).data;
  for (const [i, layer] of dense.entries()) {
    const y = multiply(rows, heads[i].kernel, n, layer.in, layer.out, heads[i].bias as Float64Array);
    rows = i === dense.length - 1 ? y : y.map((value, k) => Math.max(0, value) * keep(i, k));
  }
  const classes = dense.at(-1)!.out;
  return softmax(rows, n, classes).reduce((sum, p, i) => sum - (targets[i] * Math.log(p)) / n, 0);
}

/** The 32 random bits of assembly/optimizer.ts's dropout, in plain integers. */
export function dropoutBits(seed: number, i: number): number {
  const times = (a: number, b: number) => Math.imul(a, b) >>> 0;
  let h = (seed ^ times(i, 0x9e3779b1)) >>> 0;
  h = times((h ^ (h >>> 16)) >>> 0, 0x85ebca6b);
  h = times((h ^ (h >>> 13)) >>> 0, 0xc2b2ae35);
  h = (((h ^ (h >>> 16)) >>> 0) + seed) >>> 0;
  h = times((h ^ (h >>> 15)) >>> 0, 0x2c1b3c6d);
  return (h ^ (h >>> 12)) >>> 0;
}

/** Bilinear interpolation of an RGB picture at (x, y), counted from pixel centres and held inside, in float64. */
export function sample(
  { width, height, data }: { width: number; height: number; data: ArrayLike<number> },
  x: number,
  y: number,
  channel: number,
): number {
  const [sx, sy] = [Math.max(0, Math.min(width - 1, x)), Math.max(0, Math.min(height - 1, y))];
  const [x0, y0] = [Math.floor(sx), Math.floor(sy)];
  const at = (r: number, c: number) => data[3 * (Math.min(r, height - 1) * width + Math.min(c, width - 1)) + channel];
  const upper = at(y0, x0) + (at(y0, x0 + 1) - at(y0, x0)) * (sx - x0);
  const lower = at(y0 + 1, x0) + (at(y0 + 1, x0 + 1) - at(y0 + 1, x0)) * (sx - x0);
  return upper + (lower - upper) * (sy - y0);
}
