import { checkOptions, type Names } from '../base/options.js';
import { gaussian, mulberry32 } from '../base/random.js';
import { impute } from './impute.js';
import { checkMap, type GreyMap, ranking, refuse } from './map.js';
import { PassCounter, type Watch } from './passes.js';
import type { Probe } from './probe.js';

/** What is removed, and in what order. */
export interface RoadOptions extends Watch {
  /** pytorch-grad-cam's: at p the most relevant 100 - p percent are removed. Above 0, at most 100; default 10, 20 ... 90. */
  percentiles?: readonly number[];
  /** Which order is measured: the most relevant pixels first (`morf`), the least relevant first (`lerf`), or `both` (default). */
  order?: 'morf' | 'lerf' | 'both';
  /** Standard deviation of the noise on filled pixels, in standard deviations of photographs; default 0.01. */
  noise?: number;
  /** Of the noise and of the order of points of equal value; default 0. */
  seed?: number;
}

/** The scores at each percentile, and what they come to. */
export interface Road {
  readonly percentiles: readonly number[];
  /** The score without the most relevant 100 - p percent: less is better. */
  readonly morf: readonly number[];
  /** The score without the least relevant 100 - p percent: more is better. */
  readonly lerf: readonly number[];
  /** (mean of lerf - mean of morf) / 2: more is better. NaN where one order was measured only. */
  readonly combined: number;
}

const NAMES: Names<RoadOptions> = { percentiles: 1, order: 1, noise: 1, seed: 1, signal: 1, onProgress: 1 };
const PERCENTILES = [10, 20, 30, 40, 50, 60, 70, 80, 90];

/**
 * ROAD, remove and debias (Rong et al. 2022; ROADCombined of pytorch-grad-cam): removed pixels are filled from their
 * neighbours (see `impute`) with a little noise, so that the shape of the hole tells the network as little as possible.
 * A forward pass for each percentile and order: 18 by default.
 *
 * @param map (side, side) finite numbers; only their order counts
 * @throws AtrousCamError BAD_ARGUMENT (another size, a number that is not finite, a percentile), ABORTED
 * @example
 * const { combined, morf, lerf } = await road(probe, map, { percentiles: [30, 70] });
 */
export async function road(probe: Probe, map: GreyMap, options: RoadOptions = {}): Promise<Road> {
  checkOptions('road', options, NAMES);
  const { percentiles = PERCENTILES, order = 'both', noise = 0.01, seed = 0, ...watch } = options;
  checkMap('road', map, { width: probe.side, height: probe.side });
  for (const p of percentiles) if (!(p > 0 && p <= 100)) refuse('road', 'percentiles above 0 and up to 100', p);
  if (!(noise >= 0)) refuse('road', 'noise from 0 on', noise);
  const passes = new PassCounter(percentiles.length * (order === 'both' ? 2 : 1), watch);
  const ranks = ranking(map, seed);
  const measure = async (sequence: Uint32Array) => {
    const scores = new Map<number, number>();
    let guess: Float32Array | undefined;
    for (const p of [...percentiles].sort((a, b) => b - a)) {
      const gone = sequence.subarray(0, removedAt(p, sequence.length));
      const removed = new Uint8Array(sequence.length);
      for (const pixel of gone) removed[pixel] = 1;
      guess = await impute(probe.tensor, probe.side, removed, { guess, signal: watch.signal });
      const x = noisy(guess, gone, noise * probe.deviation, seed);
      scores.set(p, await passes.pass(() => probe.scoreOf(x)));
    }
    return percentiles.map((p) => scores.get(p)!);
  };
  const morf = order === 'lerf' ? [] : await measure(ranks);
  const lerf = order === 'morf' ? [] : await measure(ranks.slice().reverse());
  return { percentiles, morf, lerf, combined: (mean(lerf) - mean(morf)) / 2 };
}

/** How many of n pixels reach the p-th percentile of their values, where no two are equal (NumPy's percentile, linear). */
export const removedAt = (p: number, n: number): number => n - Math.ceil((p / 100) * (n - 1));

function noisy(tensor: Float32Array, pixels: Uint32Array, deviation: number, seed: number): Float32Array {
  const draw = gaussian(mulberry32(seed));
  const x = tensor.slice();
  for (const pixel of pixels) for (let i = 3 * pixel; i < 3 * pixel + 3; i++) x[i] += deviation * draw();
  return x;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
