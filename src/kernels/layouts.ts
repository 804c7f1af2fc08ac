import { type View, view } from '../wasm/job.js';

/**
 * Numbers of a row where numbers without a shape become a map: short enough for many tasks, long enough for few loops.
 */
const ROW = 4096;

/**
 * `points` vectors of c numbers that lie side by side, as one or two maps (h, w, c): kernels divide the rows of a map
 * among threads.
 */
export function blocks(ptr: number, points: number, c = 1): View[] {
  const w = Math.ceil(ROW / c);
  const h = Math.floor(points / w);
  const whole = view(ptr, h, w, c);
  const rest = view(ptr + 4 * h * w * c, 1, points - h * w, c);
  return [whole, rest].filter((block) => block.h * block.w > 0);
}

/** Rows first .. last - 1 of a map. */
export const rowsOf = (v: View, first: number, last: number): View => ({
  ...v,
  ptr: v.ptr + 4 * first * v.row,
  h: last - first,
});
