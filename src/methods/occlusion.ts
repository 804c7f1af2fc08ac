import type { RawMap } from '../map/finish.js';
import { OCCLUSION } from './facts.js';
import type { Work } from './work.js';

/**
 * Occlusion (Zeiler and Fergus 2013): how much the score falls where a window is filled with 0 (the data set's mean colour); a
 * pixel has the mean over the windows that cover it.
 */
export async function occlusion(work: Work): Promise<RawMap> {
  const { input, side } = work;
  const [window, step] = [side * OCCLUSION.window, side * OCCLUSION.step];
  const sums = new Float64Array(side * side);
  const counts = new Float64Array(side * side);
  const whole = await work.scoreOf(input);
  for (let top = 0; top + window <= side; top += step)
    for (let left = 0; left + window <= side; left += step) {
      const occluded = input.slice();
      for (let y = top; y < top + window; y++) occluded.fill(0, 3 * (y * side + left), 3 * (y * side + left + window));
      const drop = whole - (await work.scoreOf(occluded));
      for (let y = top; y < top + window; y++)
        for (let x = left; x < left + window; x++) {
          sums[y * side + x] += drop;
          counts[y * side + x]++;
        }
    }
  return { width: side, height: side, data: Float32Array.from(sums, (value, i) => value / counts[i]) };
}
