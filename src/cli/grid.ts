import type { Explanation } from '../api.js';
import { type GridMap, gridNumber } from '../metrics.js';

/** Grid numbers in the JSON document; null of what holds numbers that are not finite. */
export interface GridNumbers {
  raw: number | null;
  map: number | null;
  /** See `pictureGrid`. */
  picture: number;
}

/** The grid numbers of a mode, beside its picture's. */
export const gridNumbers = ({ raw, map }: Explanation, picture: number): GridNumbers => ({
  raw: numberOf(raw, map.width / raw.width),
  map: numberOf(map),
  picture,
});

const numberOf = (map: GridMap, spacing = 1): number | null =>
  Array.prototype.every.call(map.data, Number.isFinite) ? gridNumber(map, { spacing }) : null;
