import { checkMap, type GreyMap, refuse } from './map.js';

/**
 * Spearman's rank correlation of two maps, -1..1; points of equal value share the mean of their ranks. 0 where one map is constant.
 *
 * @throws AtrousCamError BAD_ARGUMENT (sizes, numbers that are not finite)
 * @example
 * rankCorrelation(map, map); // 1
 */
export function rankCorrelation(a: GreyMap, b: GreyMap): number {
  checkMap('rankCorrelation', a);
  checkMap('rankCorrelation', b, a);
  const [x, y] = [a, b].map(({ data }) => ranks(data));
  const middle = (x.length - 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i] - middle, y[i] - middle];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : 0;
}

/** Rank of each value, 0 the smallest. */
function ranks(data: ArrayLike<number>): Float64Array {
  const order = Uint32Array.from(data, (_, i) => i).sort((a, b) => data[a] - data[b]);
  const out = new Float64Array(data.length);
  for (let first = 0; first < order.length; ) {
    let next = first + 1;
    while (next < order.length && data[order[next]] === data[order[first]]) next++;
    for (let i = first; i < next; i++) out[order[i]] = (first + next - 1) / 2;
    first = next;
  }
  return out;
}

/** The window: a Gaussian of sigma 1.5, 11 points. */
const SIGMA = 1.5;
const REACH = 5;

/**
 * Structural similarity of two maps (Wang et al. 2004), -1..1: the mean over all windows of 11 x 11 points that lie
 * inside, Gaussian weights of sigma 1.5, K1 = 0.01, K2 = 0.03, values of range 1. Maps of less than 11 points a side
 * are refused.
 *
 * @param a values of 0..1, as finished maps have
 * @throws AtrousCamError BAD_ARGUMENT (sizes, numbers that are not finite)
 * @example
 * ssim(map, map); // 1
 */
export function ssim(a: GreyMap, b: GreyMap): number {
  checkMap('ssim', a);
  checkMap('ssim', b, a);
  const { width, height } = a;
  if (Math.min(width, height) <= 2 * REACH) refuse('ssim', 'maps of at least 11 x 11', `${width} x ${height}`);
  const [c1, c2] = [0.01 ** 2, 0.03 ** 2];
  const means = (value: (i: number) => number) =>
    windowMeans(
      Float64Array.from({ length: width * height }, (_, i) => value(i)),
      width,
      height,
    );
  const [x, y] = [a.data, b.data];
  const [mx, my] = [means((i) => x[i]), means((i) => y[i])];
  const [xx, yy, xy] = [means((i) => x[i] * x[i]), means((i) => y[i] * y[i]), means((i) => x[i] * y[i])];
  let sum = 0;
  for (let i = 0; i < mx.length; i++) {
    const [vx, vy, cov] = [xx[i] - mx[i] ** 2, yy[i] - my[i] ** 2, xy[i] - mx[i] * my[i]];
    sum += ((2 * mx[i] * my[i] + c1) * (2 * cov + c2)) / ((mx[i] ** 2 + my[i] ** 2 + c1) * (vx + vy + c2));
  }
  return sum / mx.length;
}

/** Weighted means of all windows that lie inside. */
function windowMeans(values: Float64Array, width: number, height: number): Float64Array {
  const weights = Array.from({ length: 2 * REACH + 1 }, (_, i) => Math.exp(-((i - REACH) ** 2) / (2 * SIGMA ** 2)));
  const sum = weights.reduce((a, b) => a + b, 0);
  const [w, h] = [width - 2 * REACH, height - 2 * REACH];
  const rows = new Float64Array(w * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < w; x++)
      for (let k = 0; k < weights.length; k++) rows[y * w + x] += (weights[k] / sum) * values[y * width + x + k];
  const out = new Float64Array(w * h);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++)
      for (let k = 0; k < weights.length; k++) out[y * w + x] += (weights[k] / sum) * rows[(y + k) * w + x];
  return out;
}
