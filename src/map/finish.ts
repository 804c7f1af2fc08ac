import type { Combine, Sign, Smoothing } from '../base/types.js';
import { enlarge } from './resample.js';
import { smoothMap } from './smoothing.js';

/** A raw map: one float a point, row by row. */
export interface RawMap {
  width: number;
  height: number;
  data: Float32Array;
}

/** Where the points of a raw map lie on the input, and how the map is finished. */
export interface Finishing {
  /** Of the input. */
  width: number;
  height: number;
  /** Input pixels from one point to the next, rows and columns. */
  pitch: readonly [number, number];
  /** Input coordinates (row, column) of point (0, 0): (R - 1) / 2 behind 2x2 pools that multiply to R, 0 in `dilated`. */
  origin: readonly [number, number];
  smoothing: Smoothing;
  /** Period of the lattice in pixels of the input; 1 where there is none. */
  period: number;
  sign: Sign;
}

/** The values that a sign shows. A NaN shows nothing. */
const shown: Record<Sign, (value: number) => number> = {
  positive: (value) => Math.max(value, 0) || 0,
  negative: (value) => Math.max(-value, 0) || 0,
  absolute: (value) => Math.abs(value) || 0,
  signed: (value) => value || 0,
};

/** Map values of the input's size; `flat`: all are equal, so there is nothing to show. */
export interface FinishedMap {
  data: Float32Array;
  flat: boolean;
}

/**
 * From the raw map to the finished one, as pytorch-grad-cam does it: the part that `sign` names (the positive one), then 0..1,
 * then bilinear to the input's size (coordinates clamped to the map), then 0..1 again; -1..1 where it is signed. `flat`: the raw
 * map has no such part, or is constant.
 */
export function finishMap(
  raw: RawMap,
  { width, height, pitch, origin, smoothing, period, sign }: Finishing,
): FinishedMap {
  const normalize = normalizer(sign);
  const part = raw.data.map(shown[sign]);
  const flat = !normalize(part);
  const resized = enlarge({ ...raw, data: part }, width, height, { origin, pitch });
  const data = smoothMap(resized, width, smoothing, period);
  normalize(data);
  return { data, flat };
}

/**
 * One map of several finished ones: `raw` is their mean or product, `data` the same, normalised again. A product, or geometric mean, of signed maps has the
 * sign where all of them agree on one, and is 0 elsewhere.
 */
export function combineMaps(
  maps: readonly Float32Array[],
  width: number,
  combine: Combine,
  sign: Sign,
): FinishedMap & { raw: RawMap } {
  const product = (i: number) => {
    const size = maps.reduce((product, map) => product * map[i], 1);
    if (sign !== 'signed') return size;
    if (maps.every((map) => map[i] < 0)) return -Math.abs(size);
    return maps.every((map) => map[i] > 0) ? size : 0;
  };
  const value: Record<Combine, (i: number) => number> = {
    mean: (i) => maps.reduce((sum, map) => sum + map[i], 0) / maps.length,
    product,
    'geometric-mean': (i) => {
      const size = product(i);
      const root = 1 / maps.length;
      return sign === 'signed' ? Math.sign(size) * Math.abs(size) ** root : Math.max(size, 0) ** root;
    },
  };
  const values = maps[0].map((_, i) => value[combine](i));
  const data = values.slice();
  const flat = !normalizer(sign)(data);
  return { data, flat, raw: { width, height: values.length / width, data: values } };
}

const normalizer = (sign: Sign) => (sign === 'signed' ? normalizeSigned : normalize);

/** m = m / (1e-7 + max |m|), in place: 0 stays 0. False where all values are equal. */
function normalizeSigned(map: Float32Array): boolean {
  let most = 0;
  for (const value of map) most = Math.max(most, Math.abs(value));
  const first = map[0];
  const flat = map.every((value) => value === first);
  for (let i = 0; i < map.length; i++) map[i] /= 1e-7 + most;
  return !flat;
}

/** m = (m - min m) / (1e-7 + max(m - min m)), in place. False where all values are equal (then all are 0). */
function normalize(map: Float32Array): boolean {
  let least = Infinity;
  let most = -Infinity;
  for (const value of map) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const scale = 1 / (1e-7 + (most - least));
  for (let i = 0; i < map.length; i++) map[i] = (map[i] - least) * scale;
  return most > least;
}
