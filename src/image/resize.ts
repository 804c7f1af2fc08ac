import { AtrousCamError } from '../base/errors.js';
import type { ResizeFilter, RgbImage } from '../base/types.js';

/** A part of the resized picture, in its whole pixels. */
export interface Window {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Fractional bits of the weights: 8 bits of value and 2 of headroom in 32 (Pillow's PRECISION_BITS). */
const PRECISION = 32 - 8 - 2;

/** A filter's weight at distance `x`, in samples, and how far it reaches. */
const filters: Record<Exclude<ResizeFilter, 'nearest'>, { reach: number; weight: (x: number) => number }> = {
  bilinear: { reach: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { reach: 2, weight: (x) => cubic(Math.abs(x)) },
  lanczos: { reach: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/**
 * Resizes a picture as Pillow's `Image.resize` does, bit for bit: `nearest`, or with a filter that widens when it shrinks
 * (antialiasing), over columns then rows, with 22-bit weights and 8-bit results of both passes. (From version 13 on, Pillow
 * takes the rows first where the height shrinks by more pixels than twice what the width does; pictures then differ slightly.)
 *
 * @param image any size; returned itself if it has the wanted size
 * @param width of the result, in pixels
 * @param height of the result, in pixels
 * @throws AtrousCamError BAD_ARGUMENT for a size that is no positive integer or an unknown filter
 */
export function resizeImage(image: RgbImage, width: number, height: number, filter: ResizeFilter): RgbImage {
  return resizeWindow(image, width, height, filter, { x: 0, y: 0, width, height });
}

/**
 * Resizes a picture to `width` x `height`, but computes only the part inside `window`: what cropping the whole result would
 * give, in memory bound by the window and the original however large the whole would be.
 *
 * @throws AtrousCamError as `resizeImage`
 */
export function resizeWindow(
  image: RgbImage,
  width: number,
  height: number,
  filter: ResizeFilter,
  window: Window,
): RgbImage {
  for (const size of [width, height]) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new AtrousCamError(
        'BAD_ARGUMENT',
        `resize: expected a positive integer width and height, got ${width}x${height}`,
      );
    }
  }
  if (filter !== 'nearest' && !Object.hasOwn(filters, filter)) {
    const known = ['nearest', ...Object.keys(filters)].map((name) => `"${name}"`).join(', ');
    throw new AtrousCamError('BAD_ARGUMENT', `resize filter: expected one of ${known}, got "${filter}"`);
  }
  const whole = window.width === width && window.height === height;
  if (whole && width === image.width && height === image.height) return image;
  return filter === 'nearest'
    ? resizeNearest(image, width, height, window)
    : resizeFiltered(image, width, height, filter, window);
}

function resizeNearest(image: RgbImage, width: number, height: number, window: Window): RgbImage {
  const columns = nearestIndices(image.width, width, window.x, window.width);
  const rows = nearestIndices(image.height, height, window.y, window.height);
  const data = new Uint8Array(window.width * window.height * 3);
  let to = 0;
  for (const row of rows) {
    for (const column of columns) {
      const from = 3 * (row * image.width + column);
      data[to++] = image.data[from];
      data[to++] = image.data[from + 1];
      data[to++] = image.data[from + 2];
    }
  }
  return { width: window.width, height: window.height, data };
}

/**
 * The sample under the centre of each of `count` results from `first` on. Adds the steps up in doubles from the very first
 * result on, as Pillow does: the rounding decides where a centre falls between two samples.
 */
function nearestIndices(samples: number, size: number, first: number, count: number): Int32Array {
  const step = samples / size;
  const indices = new Int32Array(count);
  for (let i = -first, at = step * 0.5; i < count; i++, at += step) if (i >= 0) indices[i] = Math.min(at, samples - 1);
  return indices;
}

/**
 * Each original row inside the window's reach is resized over its columns, rounded to 8 bits, and added to the results that
 * it has a weight in. So only the sums are held (4 bytes per value of the result), never a picture between the passes.
 */
function resizeFiltered(
  image: RgbImage,
  width: number,
  height: number,
  filter: keyof typeof filters,
  window: Window,
): RgbImage {
  const columns = weightsOf(image.width, width, filter, window.x, window.width);
  const rows = weightsOf(image.height, height, filter, window.y, window.height);
  const rowLength = window.width * 3;
  const sums = new Int32Array(rowLength * window.height).fill(1 << (PRECISION - 1)); // half, to round
  const row = new Uint8ClampedArray(rowLength);
  const end = rows.start[window.height - 1] + rows.count[window.height - 1];
  // Starts and ends never decrease, so the results that row y adds to are those from `low` up to the first that starts later.
  for (let y = rows.start[0], low = 0; y < end; y++) {
    resizeRow(image, y, columns, row);
    while (rows.start[low] + rows.count[low] <= y) low++;
    for (let result = low; result < window.height && rows.start[result] <= y; result++) {
      const weight = rows.weights[result * rows.stride + y - rows.start[result]];
      const base = result * rowLength;
      for (let i = 0; i < rowLength; i++) sums[base + i] += Math.imul(row[i], weight); // 30 bits: half the time of `*`
    }
  }
  const bytes = new Uint8ClampedArray(sums.length); // holds what is stored between 0 and 255
  for (let i = 0; i < bytes.length; i++) bytes[i] = sums[i] >> PRECISION;
  return { width: window.width, height: window.height, data: new Uint8Array(bytes.buffer) };
}

/** Row `y` of the original, resized over its columns, rounded to 8 bits. */
function resizeRow({ data, width }: RgbImage, y: number, columns: Weights, out: Uint8ClampedArray): void {
  const { start, count, stride, weights } = columns;
  for (let x = 0; x < start.length; x++) {
    let from = 3 * (y * width + start[x]);
    let r = 1 << (PRECISION - 1);
    let g = r;
    let b = r;
    for (let k = x * stride, end = k + count[x]; k < end; k++, from += 3) {
      r += Math.imul(data[from], weights[k]);
      g += Math.imul(data[from + 1], weights[k]);
      b += Math.imul(data[from + 2], weights[k]);
    }
    out[3 * x] = r >> PRECISION;
    out[3 * x + 1] = g >> PRECISION;
    out[3 * x + 2] = b >> PRECISION;
  }
}

/** For each result: the samples [start, start + count) and their weights, from index result * stride on. */
interface Weights {
  start: Int32Array;
  count: Int32Array;
  stride: number;
  /** With PRECISION fractional bits; those of one result add up to about 1. */
  weights: Int32Array;
}

/** Pillow's precompute_coeffs and normalize_coeffs_8bpc (Resample.c), for `results` results from `first` on. */
function weightsOf(
  samples: number,
  size: number,
  filter: keyof typeof filters,
  first: number,
  results: number,
): Weights {
  const { reach, weight } = filters[filter];
  const scale = samples / size;
  const widening = Math.max(scale, 1);
  const support = reach * widening;
  const stride = Math.min(Math.ceil(support) * 2 + 1, samples);
  const start = new Int32Array(results);
  const count = new Int32Array(results);
  const weights = new Int32Array(results * stride);
  const exact = new Float64Array(stride);
  for (let i = 0; i < results; i++) {
    const center = (first + i + 0.5) * scale;
    start[i] = Math.max(Math.trunc(center - support + 0.5), 0);
    count[i] = Math.min(Math.trunc(center + support + 0.5), samples) - start[i];
    let total = 0;
    for (let k = 0; k < count[i]; k++) {
      exact[k] = weight((k + start[i] - center + 0.5) * (1 / widening));
      total += exact[k];
    }
    for (let k = 0; k < count[i]; k++) {
      const value = (total === 0 ? exact[k] : exact[k] / total) * 2 ** PRECISION;
      weights[i * stride + k] = value < 0 ? value - 0.5 : value + 0.5; // rounds half away from zero: storing truncates
    }
  }
  return { start, count, stride, weights };
}

/** Keys' cubic with a = -0.5, for x >= 0. */
function cubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}
