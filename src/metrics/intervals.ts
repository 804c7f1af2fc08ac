import { checkOptions } from '../base/options.js';
import { mulberry32 } from '../base/random.js';
import { checkCount, refuse } from './map.js';

/** How an interval is found. */
export interface BootstrapOptions {
  /** How often the pictures are drawn anew; default 2000. */
  samples?: number;
  /** The share of the draws inside the interval; default 0.95. */
  level?: number;
  /** Default 0. Intervals of the same number of pictures and the same seed draw the same pictures. */
  seed?: number;
}

/** A number and how far it can be trusted. */
export interface Interval {
  readonly value: number;
  /** The percentile bootstrap's bounds. */
  readonly low: number;
  readonly high: number;
  /** Pictures. */
  readonly count: number;
}

/**
 * A statistic of some pictures with its percentile bootstrap interval (Efron 1979): the pictures are drawn anew with replacement, as many
 * as there are, and the interval holds the middle `level` of what the statistic gives.
 *
 * @param count of the pictures
 * @param statistic of the pictures with these indices
 * @throws AtrousCamError BAD_ARGUMENT
 * @example
 * const values = [3, 1, 2];
 * bootstrapOf(3, (chosen) => Math.max(...[...chosen].map((i) => values[i]))); // of the maximum
 */
export function bootstrapOf(
  count: number,
  statistic: (chosen: Uint32Array) => number,
  options: BootstrapOptions = {},
): Interval {
  checkOptions('bootstrap', options, { samples: 1, level: 1, seed: 1 });
  const { samples = 2000, level = 0.95, seed = 0 } = options;
  checkCount('bootstrap', 'pictures', count);
  checkCount('bootstrap', 'samples', samples);
  if (!(level > 0 && level < 1)) refuse('bootstrap', 'a level between 0 and 1', level);
  const random = mulberry32(seed);
  const value = statistic(Uint32Array.from({ length: count }, (_, i) => i));
  const chosen = new Uint32Array(count);
  const drawn = new Float64Array(samples);
  for (let i = 0; i < samples; i++) {
    for (let k = 0; k < count; k++) chosen[k] = Math.floor(random() * count);
    drawn[i] = statistic(chosen);
  }
  drawn.sort();
  const [low, high] = [(1 - level) / 2, (1 + level) / 2].map((share) => quantile(drawn, share));
  return { value, low, high, count };
}

/**
 * The mean with its bootstrap interval.
 *
 * @param values one a picture, finite numbers
 * @throws AtrousCamError BAD_ARGUMENT
 * @example
 * const { value, low, high } = bootstrap([0.7, 0.9, 0.8]); // 0.8 and where 95 % of the means lie
 */
export function bootstrap(values: ArrayLike<number>, options?: BootstrapOptions): Interval {
  return bootstrapOf(values.length, meanOf(values), options);
}

/**
 * The mean of a[i] - b[i] with its bootstrap interval: two maps' values on the same pictures. Where 0 lies outside, the difference is not
 * chance; intervals of `a` and `b` by themselves may overlap all the same, because pictures differ more than maps do.
 *
 * @throws AtrousCamError BAD_ARGUMENT
 * @example
 * pairedDifference([0.7, 0.9], [0.6, 0.7]).value; // 0.15
 */
export function pairedDifference(a: ArrayLike<number>, b: ArrayLike<number>, options?: BootstrapOptions): Interval {
  if (a.length !== b.length) refuse('pairedDifference', 'as many values of both', `${a.length} and ${b.length}`);
  return bootstrap(
    Float64Array.from(a, (value, i) => value - b[i]),
    options,
  );
}

/** The mean of the values with these indices. Throws BAD_ARGUMENT where a value is not finite. */
export function meanOf(values: ArrayLike<number>): (chosen: Uint32Array) => number {
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(values[i])) refuse('bootstrap', 'finite values', `${values[i]} of picture ${i}`);
  return (chosen) => {
    let sum = 0;
    for (let i = 0; i < chosen.length; i++) sum += values[chosen[i]];
    return sum / chosen.length;
  };
}

/** A quantile of sorted values, linear between neighbours. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return below + (at - Math.floor(at)) * (above - below);
}
