import { mulberry32 } from '../base/random.js';
import type { Cam } from './cams.js';
import { countOf, eachPoint } from './field.js';

/**
 * FEM (Fuad et al. 2020): alpha_k = the share of points at which A_k exceeds its mean by more than two standard deviations; whatever the
 * class.
 */
export const fem: Cam = {
  gradient: false,
  term: (a, _, weight) => weight * a,
  weights: async (points, pause) => {
    const { channels, activation } = points.field;
    const count = countOf(points);
    const [means, squares, shares] = [0, 0, 0].map(() => new Float64Array(channels));
    await eachPoint(points, pause, (at) => {
      for (let k = 0; k < channels; k++) means[k] += activation[at + k] / count;
    });
    await eachPoint(points, pause, (at) => {
      for (let k = 0; k < channels; k++) squares[k] += (activation[at + k] - means[k]) ** 2 / count;
    });
    const bounds = means.map((mean, k) => mean + 2 * Math.sqrt(squares[k]));
    await eachPoint(points, pause, (at) => {
      for (let k = 0; k < channels; k++) if (activation[at + k] > bounds[k]) shares[k] += 1 / count;
    });
    return shares;
  },
};

/**
 * Seg-Eigen-CAM (Chung and Ying 2025): the first principal component of |G| A, turned over where its least value lies further from 0 than
 * its largest.
 */
export const segEigenCam: Cam = {
  gradient: true,
  term: (a, g) => Math.abs(g) * a,
  project: true,
  turns: true,
};

/**
 * The weights of the baseline that knows the layer's channels and nothing of the class (RandomCAM of pytorch-grad-cam): evenly distributed
 * in -1..1, by the seed, one after the other over the channels of all layers.
 */
export function randomWeights(seed: number): (channels: number) => Float64Array {
  const uniform = mulberry32(seed);
  return (channels) => Float64Array.from({ length: channels }, () => 2 * uniform() - 1);
}
