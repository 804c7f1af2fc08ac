/** @typedef {{ width: number, height: number, data: Float32Array }} GreyMap */

/** What makes the map of one zoom: the row's options without those that combine several. */
export function partsOf(explain) {
  const { zoom = 1, combine, ...options } = explain;
  return [zoom].flat().map((one) => (one === 1 ? options : { ...options, zoom: one }));
}

/**
 * Finished maps of several zooms as one, as the library combines them: each enlarged to the largest, their mean or product, 0..1 again. The
 * study does it by itself so that rows share the maps of single zooms; a test holds that the result is the library's.
 *
 * @param {readonly GreyMap[]} maps of sides that grow or stay @param {'mean' | 'product'} combine
 * @returns {GreyMap}
 */
export function combineMaps(maps, combine) {
  if (maps.length === 1) return maps[0];
  const { width, height } = maps.reduce((a, b) => (a.width >= b.width ? a : b));
  const large = maps.map((map) => enlarge(map, width, height));
  const data = new Float32Array(width * height);
  for (let i = 0; i < data.length; i++)
    data[i] =
      combine === 'mean'
        ? large.reduce((sum, map) => sum + map[i], 0) / large.length
        : large.reduce((product, map) => product * map[i], 1);
  const [least, most] = [data.reduce((a, b) => Math.min(a, b)), data.reduce((a, b) => Math.max(a, b))];
  for (let i = 0; i < data.length; i++) data[i] = (data[i] - least) / (1e-7 + (most - least));
  return { width, height, data };
}

/** Bilinear, the corners of both maps' outer pixels on one another, as zooms of one picture lie. */
function enlarge({ data, width, height }, toWidth, toHeight) {
  if (width === toWidth && height === toHeight) return data;
  const places = (to, n) =>
    Array.from({ length: to }, (_, i) => {
      const at = Math.min(Math.max(((i + 0.5) * n) / to - 0.5, 0), n - 1);
      const first = Math.floor(at);
      return [first, Math.min(first + 1, n - 1), at - first];
    });
  const columns = places(toWidth, width);
  const out = new Float32Array(toWidth * toHeight);
  for (const [y, [y0, y1, fy]] of places(toHeight, height).entries())
    for (const [x, [x0, x1, fx]] of columns.entries()) {
      const top = data[y0 * width + x0] + fx * (data[y0 * width + x1] - data[y0 * width + x0]);
      const bottom = data[y1 * width + x0] + fx * (data[y1 * width + x1] - data[y1 * width + x0]);
      out[y * toWidth + x] = top + fy * (bottom - top);
    }
  return out;
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
