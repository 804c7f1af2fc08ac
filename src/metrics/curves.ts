import { checkOptions, type Names } from '../base/options.js';
import { checkCount, checkMap, type GreyMap, ranking, refuse } from './map.js';
import { PassCounter, type Watch } from './passes.js';
import type { Probe } from './probe.js';

/** How pixels are taken away or put back. */
export interface CurveOptions extends Watch {
  /**
   * Steps from nothing to all of the picture, at most one a pixel; a forward pass each. RISE takes 224 pixels a step, which is 224 steps
   * on an input of 224; the default, 32, has 1568 pixels a step and the same ends.
   */
  steps?: number;
  /**
   * What stands where the picture does not: the data set's mean colour (`mean`: 0 in the normalised input), the picture
   * blurred by RISE's kernel of 11 x 11 pixels with sigma 5 (`blur`), or an input of the caller's own (side, side, 3).
   * RISE deletes to `mean` and inserts into `blur`.
   */
  baseline?: 'mean' | 'blur' | Float32Array;
  /** Of the order of points of equal value; default 0. */
  seed?: number;
}

const NAMES: Names<CurveOptions> = { steps: 1, baseline: 1, seed: 1, signal: 1, onProgress: 1 };

/** A score on the way from one picture to another. */
export interface Curve {
  /** Area under the curve, trapezoids over 0..1: the mean score. */
  auc: number;
  /** The scores, steps + 1 of them. */
  scores: number[];
  /** The share of the pixels that were changed at each, 0 ... 1. */
  fractions: number[];
}

/**
 * Deletion (Petsiuk, Das and Saenko 2018, RISE): the score while the pixels vanish, the map's most important first. A map that names what
 * the network rests on makes it fall at once: less is better. `steps` forward passes.
 *
 * @param map (side, side) finite numbers; only their order counts
 * @throws AtrousCamError BAD_ARGUMENT (another size, a number that is not finite), ABORTED
 * @example
 * const { auc } = await deletion(probe, map, { steps: 224 });
 */
export function deletion(probe: Probe, map: GreyMap, options: CurveOptions = {}): Promise<Curve> {
  checkOptions('deletion', options, NAMES);
  const empty = baselineOf('deletion', probe, options.baseline ?? 'mean');
  return curve('deletion', probe, map, probe.tensor, empty, options);
}

/**
 * Insertion (RISE): the score while the pixels come back, the map's most important first, into the blurred picture: more is better.
 * `steps` forward passes.
 *
 * @param map (side, side) finite numbers; only their order counts
 * @throws AtrousCamError BAD_ARGUMENT (another size, a number that is not finite), ABORTED
 * @example
 * const { auc, scores } = await insertion(probe, map, { steps: 8 });
 */
export function insertion(probe: Probe, map: GreyMap, options: CurveOptions = {}): Promise<Curve> {
  checkOptions('insertion', options, NAMES);
  const empty = baselineOf('insertion', probe, options.baseline ?? 'blur');
  return curve('insertion', probe, map, empty, probe.tensor, options);
}

async function curve(
  metric: string,
  { side, tensor, score, scoreOf }: Probe,
  map: GreyMap,
  from: Float32Array,
  to: Float32Array,
  { steps = 32, seed, ...watch }: CurveOptions,
): Promise<Curve> {
  checkMap(metric, map, { width: side, height: side });
  const pixels = side * side;
  if (checkCount(metric, 'steps', steps) > pixels) refuse(metric, `at most ${pixels} steps, one a pixel`, steps);
  const passes = new PassCounter(steps, watch);
  const order = ranking(map, seed);
  const x = from.slice();
  const [scores, fractions]: number[][] = [[], []];
  let changed = 0;
  for (let step = 0; step <= steps; step++) {
    const until = Math.round((step * pixels) / steps);
    for (; changed < until; changed++) {
      const at = 3 * order[changed];
      for (let i = at; i < at + 3; i++) x[i] = to[i];
    }
    const whole = step === 0 ? from : step === steps ? to : undefined;
    scores.push(whole === tensor ? score : await passes.pass(() => scoreOf(x))); // one end is the picture itself
    fractions.push(until / pixels);
  }
  return { auc: trapezoid(scores), scores, fractions };
}

/** Mean of a curve whose points are equally far apart, by trapezoids. */
function trapezoid(values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  return (sum - (values[0] + values[values.length - 1]) / 2) / (values.length - 1);
}

function baselineOf(metric: string, { tensor, side }: Probe, baseline: 'mean' | 'blur' | Float32Array): Float32Array {
  if (baseline === 'mean') return new Float32Array(tensor.length);
  if (baseline === 'blur') return blurred(tensor, side);
  if (!(baseline instanceof Float32Array) || baseline.length !== tensor.length)
    refuse(metric, `baseline mean, blur or a Float32Array of ${tensor.length} numbers`, `'${baseline}'`);
  return baseline;
}

/**
 * RISE's kernel along one axis: a Gaussian filter (sigma 5, cut at 4 sigma, the borders mirrored) of an impulse in the
 * middle of 11 points.
 */
export function riseKernel(size = 11, sigma = 5): Float64Array {
  const kernel = new Float64Array(size);
  const reach = Math.floor(4 * sigma + 0.5);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)));
  const sum = weights.reduce((a, b) => a + b, 0);
  for (let i = 0; i < size; i++)
    for (let d = -reach; d <= reach; d++)
      if (mirrored(i + d, size) === (size - 1) / 2) kernel[i] += weights[d + reach] / sum;
  return kernel;
}

/** The point that `at` stands for where a line of n points is mirrored at its ends, end points repeated: d c b a | a b c d | d c b a. */
function mirrored(at: number, n: number): number {
  const inPeriod = ((at % (2 * n)) + 2 * n) % (2 * n);
  return inPeriod < n ? inPeriod : 2 * n - 1 - inPeriod;
}

/** An input blurred by RISE's kernel; what lies outside counts as 0, as its padded convolution does. */
export function blurred(tensor: Float32Array, side: number): Float32Array {
  const kernel = riseKernel();
  return along(along(tensor, side, kernel, 3, 3 * side), side, kernel, 3 * side, 3);
}

/** Convolves lines whose points are `step` apart; the lines themselves are `next` apart. */
function along(x: Float32Array, side: number, kernel: Float64Array, step: number, next: number): Float32Array {
  const y = new Float32Array(x.length);
  const reach = (kernel.length - 1) / 2;
  for (let line = 0; line < side; line++)
    for (let i = 0; i < side; i++)
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let k = Math.max(0, i - reach); k <= Math.min(side - 1, i + reach); k++)
          sum += kernel[k - i + reach] * x[line * next + k * step + channel];
        y[line * next + i * step + channel] = sum;
      }
  return y;
}
