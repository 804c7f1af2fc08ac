import { Level } from './multigrid.js';
import { Turns } from './passes.js';

/** The solution is good enough where the residual is this share of the right side. */
const TOLERANCE = 1e-5;
const CHANNELS = 3;

/**
 * ROAD's noisy linear imputation without the noise (Rong et al. 2022): each removed pixel becomes the weighted mean of its eight
 * neighbours, 1/6 for those that share an edge and 1/12 for those that share a corner, renormalised at the picture's border. The
 * neighbours may be removed themselves, so this is a sparse system of linear equations, symmetric and positive definite; it is
 * solved by conjugate gradients, preconditioned by a multigrid cycle, to a residual of 1e-5.
 *
 * @param tensor (side, side, 3)
 * @param removed (side x side) 1 where a pixel is gone; at least one pixel has to stay
 * @param guess where to begin: the answer for slightly fewer or more pixels saves iterations
 * @returns (side, side, 3); the pixels that stayed are as they were
 */
export async function impute(
  tensor: Float32Array,
  side: number,
  removed: Uint8Array,
  { guess = tensor, signal }: { guess?: Float32Array; signal?: AbortSignal } = {},
): Promise<Float32Array> {
  const level = new Level(side, side, (pixel) => removed[pixel] !== 0);
  const turns = new Turns(signal);
  const out = tensor.slice();
  for (let channel = 0; channel < CHANNELS; channel++) {
    const known = level.spread((pixel) => (removed[pixel] ? 0 : tensor[CHANNELS * pixel + channel]));
    const x = level.spread((pixel) => (removed[pixel] ? guess[CHANNELS * pixel + channel] : 0));
    await solve(level, known, x, turns);
    level.pixels.forEach((pixel, i) => {
      out[CHANNELS * pixel + channel] = x[level.unknown[i]];
    });
  }
  return out;
}

/** Changes `x`, where it is not known, until A x is the weighted sum of the known neighbours. */
async function solve(level: Level, known: Float64Array, x: Float64Array, turns: Turns): Promise<void> {
  const { unknown } = level;
  const [r, z, p, q] = [level.zeros(), level.zeros(), level.zeros(), level.zeros()];
  level.multiply(x, q);
  let right = 0;
  for (const at of unknown) {
    const b = level.around(known, at);
    right += b * b;
    r[at] = b - q[at];
  }
  let rz = 0;
  const enough = TOLERANCE ** 2 * right;
  while (dot(unknown, r, r) > enough) {
    const pause = turns.due();
    if (pause) await pause;
    level.precondition(r, z);
    const next = dot(unknown, r, z);
    const keep = rz > 0 ? next / rz : 0;
    rz = next;
    for (const at of unknown) p[at] = z[at] + keep * p[at];
    level.multiply(p, q);
    const step = rz / dot(unknown, p, q);
    for (const at of unknown) {
      x[at] += step * p[at];
      r[at] -= step * q[at];
    }
  }
}

function dot(places: Int32Array, a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (const at of places) sum += a[at] * b[at];
  return sum;
}
