import { AtrousCamError } from '../base/errors.js';
import { mulberry32 } from '../base/random.js';

/** One number a pixel or point, row by row: a map, raw or finished, or a mask. */
export interface GreyMap {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}

/** Throws BAD_ARGUMENT with `metric: ...`. */
export function refuse(metric: string, expected: string, got: unknown): never {
  throw new AtrousCamError('BAD_ARGUMENT', `${metric}: expected ${expected}, got ${got}`);
}

/** Throws BAD_ARGUMENT unless the map has a finite number at each of its points (of `size`, where one is given). */
export function checkMap(metric: string, map: GreyMap, size?: { width: number; height: number }): void {
  const { width, height, data } = map;
  if (size && (width !== size.width || height !== size.height))
    refuse(metric, `a map of ${size.width} x ${size.height}`, `${width} x ${height}`);
  if (!(width >= 1 && height >= 1) || data.length !== width * height)
    refuse(metric, `width x height = ${width} x ${height} numbers`, data.length);
  for (let i = 0; i < data.length; i++)
    if (!Number.isFinite(data[i]))
      refuse(metric, 'finite numbers', `${data[i]} in row ${Math.floor(i / width)}, column ${i % width}`);
}

/** Throws BAD_ARGUMENT unless `value` is a whole number from `least` on; returns it. */
export function checkCount(metric: string, name: string, value: number, least = 1): number {
  if (!Number.isInteger(value) || value < least) refuse(metric, `${name}, a whole number from ${least} on`, value);
  return value;
}

/**
 * A map's points, the largest value first. Points of equal value, such as the many zeros of a finished map, are in a random order,
 * which the seed decides: an order by rows would take the top of the picture for more important than its bottom.
 *
 * @returns (width x height) indices into `data`
 */
export function ranking({ data }: GreyMap, seed = 0): Uint32Array {
  const random = mulberry32(seed);
  const lots = Float64Array.from(data, random);
  return Uint32Array.from(data, (_, i) => i).sort((a, b) => data[b] - data[a] || lots[a] - lots[b]);
}
