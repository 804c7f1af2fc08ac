import type { RawMap } from '../map/finish.js';
import { OCCLUSION, OCCLUSION_STEPS } from './sampling.js';
import type { Work } from './work.js';

/**
 * Occlusion (Zeiler and Fergus 2013): how much the score falls where a window is filled with 0 (the data set's mean colour); a
 * pixel has the mean over the windows that cover it.
 */
export async function occlusion(work: Work): Promise<RawMap> {
  const { input, shape } = work;
  const { h, w, c } = shape;
  const sums = new Float64Array(h * w);
  const counts = new Float64Array(h * w);
  const whole = await work.scoreOf(input);
  for (const { top, bottom } of windowsAlong(h))
    for (const { top: left, bottom: right } of windowsAlong(w)) {
      const occluded = input.slice();
      for (let y = top; y < bottom; y++) occluded.fill(0, c * (y * w + left), c * (y * w + right));
      const drop = whole - (await work.scoreOf(occluded));
      for (let y = top; y < bottom; y++)
        for (let x = left; x < right; x++) {
          sums[y * w + x] += drop;
          counts[y * w + x]++;
        }
    }
  return { width: w, height: h, data: Float32Array.from(sums, (value, i) => value / counts[i]) };
}

/** Windows and steps are shares of the side, rounded to whole pixels where it is no multiple of 16; the last window ends with the side. */
const windowsAlong = (side: number): { top: number; bottom: number }[] =>
  Array.from({ length: OCCLUSION_STEPS }, (_, i) => ({
    top: Math.round(i * side * OCCLUSION.step),
    bottom: Math.round(side * (i * OCCLUSION.step + OCCLUSION.window)),
  }));
