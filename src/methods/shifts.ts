import type { Shape } from '../graph/graph.js';
import type { LocatedMap } from './work.js';

/** Pixels by which a picture is moved, down and to the right. */
export interface Shift {
  readonly down: number;
  readonly right: number;
}

/** From one row's shift to the next one's, in columns: odd, so that each column has its turn, and such that neighbours lie apart. */
const STEP = 5;

/**
 * The shifts that `shift` averages over: as many as the period has pixels, each row and each column of it once, at most half a period
 * to each side; the first is none. So of the waves that repeat with `period` all that run along rows or columns cancel, and all but
 * one in `period` of the others.
 */
export const shiftsOf = (period: number): Shift[] =>
  Array.from({ length: period }, (_, i) => ({ down: centred(i, period), right: centred((STEP * i) % period, period) }));

const centred = (at: number, period: number): number => (at < period / 2 ? at : at - period);

/** An input moved; what comes in is 0, the data set's mean colour. */
export function shiftInput(input: Float32Array, { h, w, c }: Shape, { down, right }: Shift): Float32Array {
  if (down === 0 && right === 0) return input;
  const out = new Float32Array(input.length);
  const [from, to] = [Math.max(0, right), Math.min(w, w + right)]; // columns that the picture still covers
  for (let y = Math.max(0, down); y < Math.min(h, h + down); y++) {
    const row = (y - down) * w - right;
    out.set(input.subarray(c * (row + from), c * (row + to)), c * (y * w + from));
  }
  return out;
}

/** Of each layer's raw maps of shifted inputs, a point for each pixel: moved back, the mean of those that have the point. */
export function shiftedMean(runs: readonly (readonly LocatedMap[])[], shifts: readonly Shift[]): LocatedMap[] {
  if (runs.length === 1) return [...runs[0]];
  return runs[0].map(({ raw: { width, height }, place }, layer) => {
    const sums = new Float64Array(width * height);
    const counts = new Float64Array(width * height);
    for (const [i, { down, right }] of shifts.entries()) {
      const { data } = runs[i][layer].raw;
      for (let y = Math.max(0, -down); y < Math.min(height, height - down); y++)
        for (let x = Math.max(0, -right); x < Math.min(width, width - right); x++) {
          sums[y * width + x] += data[(y + down) * width + x + right];
          counts[y * width + x]++;
        }
    }
    return { raw: { width, height, data: Float32Array.from(sums, (sum, i) => sum / counts[i]) }, place };
  });
}
