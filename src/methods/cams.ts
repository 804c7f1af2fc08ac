import { countOf, eachPoint, type Pause, type Points } from './field.js';

/**
 * A class activation map as data: raw(i, j) = sum_k term(A_ijk, G_ijk, alpha_k), where G = dy/dA. With `project` the terms are not
 * summed but projected on their first principal component (see project.ts).
 */
export interface Cam {
  /** alpha, one weight a channel; without it the terms need none. */
  readonly weights?: (points: Points, pause: Pause) => Promise<Float64Array>;
  readonly term: (a: number, g: number, weight: number) => number;
  readonly project?: boolean;
  /** Whether a projection is turned over where its least value lies further from 0 than its largest. */
  readonly turns?: boolean;
  /** False where the gradient is not looked at. */
  readonly gradient: boolean;
}

const weighted = (a: number, _: number, weight: number): number => weight * a;

/** Grad-CAM (Selvaraju et al. 2017): alpha_k = mean of G_k over the points that the pooled layer has. */
const gradcam: Cam = {
  gradient: true,
  term: weighted,
  weights: async (points, pause) => {
    const { channels, gradient } = points.field;
    const alpha = new Float64Array(channels);
    await eachPoint(points, pause, (at) => {
      for (let k = 0; k < channels; k++) alpha[k] += gradient[at + k];
    });
    return alpha.map((sum) => (sum * points.density) / countOf(points));
  },
};

/** XGrad-CAM (Fu et al. 2020): alpha_k = sum G_k A_k / (sum A_k + 1e-7). */
const xgradcam: Cam = {
  gradient: true,
  term: weighted,
  weights: async (points, pause) => {
    const { channels, activation, gradient } = points.field;
    const products = new Float64Array(channels);
    const sums = new Float64Array(channels);
    await eachPoint(points, pause, (at) => {
      for (let k = 0; k < channels; k++) {
        products[k] += gradient[at + k] * activation[at + k];
        sums[k] += activation[at + k];
      }
    });
    return products.map((product, k) => product / (sums[k] + 1e-7));
  },
};

/**
 * Grad-CAM++ (Chattopadhay et al. 2018), as pytorch-grad-cam has it: a = G^2 / (2 G^2 + (sum A_k) G^3 + 1e-6), 0 where G is 0;
 * alpha_k = sum a max(G_k, 0). Where the score is a mean over phases, G is brought to the pooled network's scale first, and the
 * sums to its number of points: otherwise the 1e-6 would outweigh G^2.
 */
const gradcamPlusPlus: Cam = {
  gradient: true,
  term: weighted,
  weights: async (points, pause) => {
    const { density, field } = points;
    const { channels, activation, gradient } = field;
    const sums = new Float64Array(channels);
    await eachPoint(points, pause, (at) => {
      for (let k = 0; k < channels; k++) sums[k] += activation[at + k];
    });
    const alpha = new Float64Array(channels);
    await eachPoint(points, pause, (at) => {
      for (let k = 0; k < channels; k++) {
        const g = gradient[at + k] * density;
        if (g <= 0) continue; // max(g, 0) is 0
        const square = g * g;
        alpha[k] += (g * square) / (2 * square + (sums[k] / density) * square * g + 1e-6);
      }
    });
    return alpha.map((sum) => sum / density);
  },
};

/** LayerCAM (Jiang et al. 2021): sum_k max(G_k, 0) A_k. */
const layercam: Cam = { gradient: true, term: (a, g) => (g > 0 ? g * a : 0) };

/** HiResCAM (Draelos and Carin 2020): sum_k G_k A_k. */
const hirescam: Cam = { gradient: true, term: (a, g) => g * a };

/** Element-wise Grad-CAM: sum_k max(G_k A_k, 0). */
const elementwise: Cam = { gradient: true, term: (a, g) => Math.max(g * a, 0) };

/** EigenCAM (Muhammad and Yeasin 2020): the first principal component of A. */
const eigencam: Cam = { gradient: false, term: (a) => a, project: true };

/** EigenGradCAM: the first principal component of G A. */
const eigengradcam: Cam = { gradient: true, term: (a, g) => g * a, project: true };

/** Score-CAM and Ablation-CAM: sum_k alpha_k A_k with weights that forward passes gave, one set for all points or one a phase. */
export const withWeights = (alpha: readonly Float64Array[]): Cam => ({
  gradient: false,
  term: weighted,
  weights: async ({ period, row, column }) => alpha[(row * period + column) % alpha.length],
});

export const CAMS = {
  gradcam,
  'gradcam++': gradcamPlusPlus,
  xgradcam,
  layercam,
  hirescam,
  elementwise,
  eigencam,
  eigengradcam,
} as const satisfies Record<string, Cam>;
