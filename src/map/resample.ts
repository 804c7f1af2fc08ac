import type { RawMap } from './finish.js';

/** Bilinear samples of a map: that at (x, y) is at (sourceX(x), sourceY(y)) of the map, coordinates clamped to it. */
export function resample(
  map: RawMap,
  width: number,
  height: number,
  sourceX: (at: number) => number,
  sourceY: (at: number) => number = sourceX,
): Float32Array {
  const out = new Float32Array(width * height);
  const { data } = map;
  const columns = Array.from({ length: width }, (_, x) => neighbours(sourceX(x), map.width));
  const lefts = Int32Array.from(columns, ([left]) => left);
  const rights = Int32Array.from(columns, ([, right]) => right);
  const shares = Float64Array.from(columns, ([, , share]) => share);
  for (let y = 0; y < height; y++) {
    const [y0, y1, fy] = neighbours(sourceY(y), map.height);
    const above = y0 * map.width;
    const below = y1 * map.width;
    for (let x = 0; x < width; x++) {
      const [x0, x1, fx] = [lefts[x], rights[x], shares[x]];
      const top = data[above + x0] + fx * (data[above + x1] - data[above + x0]);
      const bottom = data[below + x0] + fx * (data[below + x1] - data[below + x0]);
      out[y * width + x] = top + fy * (bottom - top);
    }
  }
  return out;
}

/** A map at another size: bilinear between its points, which lie `pitch` apart from `origin` on (row, column), clamped beyond them. */
export function enlarge(
  map: RawMap,
  width: number,
  height: number,
  { origin, pitch }: { readonly origin: readonly [number, number]; readonly pitch: readonly [number, number] },
): Float32Array {
  const source = (axis: 0 | 1) => (at: number) => (at - origin[axis]) / pitch[axis];
  return resample(map, width, height, source(1), source(0));
}

/** The two points next to a coordinate, clamped to 0 .. n - 1, and the share of the second. */
function neighbours(coordinate: number, n: number): [number, number, number] {
  const at = Math.min(Math.max(coordinate, 0), n - 1);
  const first = Math.floor(at);
  return [first, Math.min(first + 1, n - 1), at - first];
}
