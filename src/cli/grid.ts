import type { Explanation, Preprocessed } from '../api.js';
import { type GridMap, gridNumber } from '../metrics/grid.js';

/** Grid numbers in the JSON document; null of what holds numbers that are not finite. */
export interface GridNumbers {
  raw: number | null;
  map: number | null;
  /** Of the picture as the network sees it, in grey: the map may have as much of its own. */
  picture: number | null;
}

/** The grid numbers of a mode, beside its picture's. */
export const gridNumbers = ({ raw, map }: Explanation, picture: number | null): GridNumbers => ({
  raw: numberOf(raw, map.width / raw.width),
  map: numberOf(map),
  picture,
});

/** The grid number of the mean over a picture's channels. */
export function pictureGrid({ tensor }: Preprocessed): number | null {
  const data = Float32Array.from({ length: tensor.length / 3 }, (_, i) =>
    tensor.subarray(3 * i, 3 * i + 3).reduce((sum, value) => sum + value / 3, 0),
  );
  const side = Math.sqrt(data.length);
  return numberOf({ width: side, height: side, data });
}

const numberOf = (map: GridMap, spacing = 1): number | null =>
  Array.prototype.every.call(map.data, Number.isFinite) ? gridNumber(map, { spacing }) : null;
