import { AtrousCamError } from '../base/errors.js';
import { oneOf } from '../base/options.js';
import type { Mode, Smoothing } from '../base/types.js';

/** The values of the option `smoothing`. */
export const smoothingNames = ['none', 'box', 'phases', 'gaussian', 'shift'] as const satisfies readonly Smoothing[];

/**
 * Reads the option `smoothing`: by default `box` in `atrous`, `none` elsewhere.
 *
 * @throws AtrousCamError BAD_ARGUMENT for another value, UNSUPPORTED for `shift` outside `dilated`
 */
export function readSmoothing(mode: Mode, wanted?: Smoothing): Smoothing {
  const smoothing = oneOf('smoothing', wanted ?? (mode === 'atrous' ? 'box' : 'none'), smoothingNames);
  if (smoothing !== 'shift' || mode === 'dilated') return smoothing;
  const reason =
    mode === 'pooled'
      ? `the pooled network's maps of shifted pictures are the points between those of its own map, which mode 'atrous' computes`
      : `the phases of atrous are the network on all shifted pictures already; use heads 'mean' or 'each', or smoothing 'box'`;
  throw new AtrousCamError('UNSUPPORTED', `smoothing 'shift': defined in mode 'dilated' only, because ${reason}`);
}

/**
 * A map (height, width) without what repeats with `period`; the mean of shifted inputs, `shift`, was taken before
 * (methods/shifts.ts). With period 1 nothing repeats, and the map is returned as it is.
 */
export function smoothMap(map: Float32Array, width: number, smoothing: Smoothing, period: number): Float32Array {
  if (period === 1) return map;
  if (smoothing === 'box') return average(map, width, box(period));
  if (smoothing === 'gaussian') return average(map, width, gaussian(period));
  if (smoothing !== 'phases') return map;
  let out = map;
  for (let rate = period; rate > 1; rate = rate % 2 === 0 ? rate / 2 : 1) out = average(out, width, box(rate));
  return out;
}

/** Weights of a symmetric window: of the point itself, then of those 1, 2 ... points to either side. */
type Window = readonly number[];

/** One period, centred, so that with an even one the two outermost points count half: what repeats with `period` is gone. */
const box = (period: number): Window =>
  Array.from({ length: Math.floor(period / 2) + 1 }, (_, distance) => (distance === period / 2 ? 0.5 : 1));

/**
 * A Gaussian as wide at half its height as the period: a wave that repeats with the period keeps 3%, shorter ones less. Cut off at
 * four standard deviations.
 */
function gaussian(period: number): Window {
  const deviation = period / Math.sqrt(8 * Math.LN2);
  const reach = Math.floor(4 * deviation);
  return Array.from({ length: reach + 1 }, (_, distance) => Math.exp(-0.5 * (distance / deviation) ** 2));
}

/** Weighted mean over a window in both directions; at the borders over the points that exist. */
const average = (map: Float32Array, width: number, window: Window): Float32Array =>
  averageRows(averageRows(map, width, window), map.length / width, window);

/** Averages along rows and transposes, so that twice is both directions. */
function averageRows(map: Float32Array, width: number, window: Window): Float32Array {
  const height = map.length / width;
  const out = new Float32Array(map.length);
  const reach = window.length - 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      let weight = 0;
      const last = Math.min(width - 1, x + reach);
      for (let at = Math.max(0, x - reach); at <= last; at++) {
        const share = window[Math.abs(at - x)];
        sum += share * map[y * width + at];
        weight += share;
      }
      out[x * height + y] = sum / weight;
    }
  }
  return out;
}
