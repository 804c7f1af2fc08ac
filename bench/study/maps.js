import { combineMaps as combined } from '../../build/js/map/finish.js';
import { enlarge } from '../../build/js/map/resample.js';

/** @typedef {{ width: number, height: number, data: Float32Array }} GreyMap */

/** What makes the map of one zoom: the row's options without those that combine several. */
export function partsOf(explain) {
  const { zoom = 1, combine, ...options } = explain;
  return [zoom].flat().map((one) => (one === 1 ? options : { ...options, zoom: one }));
}

/**
 * Finished maps of several zooms as one, by the library's own pieces: each enlarged to the largest, their mean or product, 0..1 again. The
 * study puts them together by itself so that rows share the maps of single zooms; a test holds that the result is the library's.
 *
 * @param {readonly GreyMap[]} maps @param {'mean' | 'product'} combine
 * @returns {GreyMap}
 */
export function combineMaps(maps, combine) {
  if (maps.length === 1) return maps[0];
  const { width, height } = maps.reduce((a, b) => (a.width >= b.width ? a : b));
  const large = maps.map((map) => {
    const pitch = /** @type {const} */ ([height / map.height, width / map.width]);
    return enlarge(map, width, height, { pitch, origin: [(pitch[0] - 1) / 2, (pitch[1] - 1) / 2] });
  });
  return { width, height, data: combined(large, width, combine, 'positive').data };
}

/**
 * A map at the network's own size: each pixel the mean of the zoom x zoom that it covers.
 *
 * @param {GreyMap} map @param {number} side of which the map's is a multiple
 * @returns {GreyMap}
 */
export function shrinkMap(map, side) {
  const zoom = map.width / side;
  if (zoom === 1) return map;
  if (!Number.isInteger(zoom)) throw new Error(`expected a map whose side is a multiple of ${side}, got ${map.width}`);
  const data = new Float32Array(side * side);
  for (let y = 0; y < map.height; y++)
    for (let x = 0; x < map.width; x++)
      data[Math.floor(y / zoom) * side + Math.floor(x / zoom)] += map.data[y * map.width + x] / zoom ** 2;
  return { width: side, height: side, data };
}
