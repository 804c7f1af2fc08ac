import type { GreyMap } from './map.js';

/** A map at another size: each new pixel is the mean of what it covers, so that a finer map keeps its sum over every region. */
export function fitMap(map: GreyMap, width: number, height: number): GreyMap {
  if (map.width === width && map.height === height) return map;
  const [columns, rows] = [covering(map.width, width), covering(map.height, height)];
  const data = new Float32Array(width * height);
  for (const [y, down] of rows.entries())
    for (const [x, across] of columns.entries()) {
      let [sum, weight] = [0, 0];
      for (const [row, high] of down)
        for (const [column, wide] of across) {
          sum += high * wide * map.data[row * map.width + column];
          weight += high * wide;
        }
      data[y * width + x] = sum / weight;
    }
  return { width, height, data };
}

/** Of each of `count` new pixels the old ones that it covers, of `side`, and how much of them. */
function covering(side: number, count: number): [number, number][][] {
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [(i * side) / count, ((i + 1) * side) / count];
    const covered: [number, number][] = [];
    for (let at = Math.floor(from); at < Math.min(side, Math.ceil(to - 1e-9)); at++)
      covered.push([at, Math.min(at + 1, to) - Math.max(at, from)]);
    return covered;
  });
}
