import { checkMap, type GreyMap, refuse } from './map.js';
import type { Mask } from './regions.js';

/**
 * The pointing game (Zhang et al. 2016, as TorchRay plays it): whether the map's largest value lies on the object, or less than
 * `tolerance` pixels away from it. Where several points share the largest value, the share of them that hit: what a random choice
 * among them expects. So a map of equal values has the grown object's share of the picture.
 *
 * @param map (height, width) finite numbers
 * @param mask of the same size, see `inputMask` and `boxMask`; not empty
 * @returns 0..1; the mean over pictures is the game's accuracy
 * @throws AtrousCamError BAD_ARGUMENT (sizes, numbers that are not finite, an empty mask)
 * @example
 * pointingGame(map, mask); // 1: the largest value lies on the object
 */
export function pointingGame(map: GreyMap, mask: Mask, { tolerance = 15 }: { tolerance?: number } = {}): number {
  check('pointingGame', map, mask);
  if (!(tolerance >= 0)) refuse('pointingGame', 'a tolerance from 0 on', tolerance);
  const near = grown(mask, tolerance);
  let most = -Infinity;
  for (let i = 0; i < near.length; i++) most = Math.max(most, map.data[i]);
  let [hits, points] = [0, 0];
  for (let i = 0; i < near.length; i++) {
    if (map.data[i] !== most) continue;
    points++;
    hits += near[i];
  }
  return hits / points;
}

/** 1 where a pixel of the mask lies at the point or less than `tolerance` away. */
function grown({ width, height, data }: Mask, tolerance: number): Uint8Array {
  const before = new Uint32Array((width + 1) * height); // of a row: pixels of the mask in front of a column
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      before[y * (width + 1) + x + 1] = before[y * (width + 1) + x] + (data[y * width + x] ? 1 : 0);
  const near = Uint8Array.from(data, (value) => (value ? 1 : 0));
  for (let dy = 1 - Math.ceil(tolerance); dy < tolerance; dy++) {
    const reach = Math.ceil(Math.sqrt(tolerance ** 2 - dy ** 2)) - 1; // the largest whole dx with dx^2 + dy^2 < tolerance^2
    for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++)
      for (let x = 0; x < width; x++) {
        const row = (y + dy) * (width + 1);
        if (before[row + Math.min(width, x + reach + 1)] > before[row + Math.max(0, x - reach)])
          near[y * width + x] = 1;
      }
  }
  return near;
}

/**
 * The energy-based pointing game (Wang et al. 2020, Score-CAM): the share of the map's positive values that lies inside the mask. A map
 * without positive values says nothing, so it has what a map of equal values has: the mask's share of the picture.
 *
 * @param map (height, width) finite numbers; negative ones count as 0
 * @param mask of the same size; not empty
 * @returns 0..1
 * @throws AtrousCamError BAD_ARGUMENT (sizes, numbers that are not finite, an empty mask)
 * @example
 * energyInMask(map, mask); // 0.8: so much of the map lies on the object
 */
export function energyInMask(map: GreyMap, mask: Mask): number {
  check('energyInMask', map, mask);
  let [inside, all, area] = [0, 0, 0];
  for (let i = 0; i < mask.data.length; i++) {
    const value = Math.max(map.data[i], 0);
    all += value;
    if (!mask.data[i]) continue;
    inside += value;
    area++;
  }
  return all > 0 ? inside / all : area / mask.data.length;
}

/**
 * Average precision of the pixels (PxAP of Choe et al. 2020, of one picture): the area under precision over recall while the map's pixels are
 * taken largest first, the sum of (recall - recall before) x precision as scikit-learn has it. Points of equal value are taken together,
 * so that a map of equal values has the mask's share of the picture.
 *
 * @param map (height, width) finite numbers
 * @param mask of the same size; not empty
 * @returns 0..1
 * @throws AtrousCamError BAD_ARGUMENT (sizes, numbers that are not finite, an empty mask)
 * @example
 * averagePrecision(map, mask);
 */
export function averagePrecision(map: GreyMap, mask: Mask): number {
  check('averagePrecision', map, mask);
  let [sum, before] = [0, 0];
  const area = cuts(map, mask, (inside, all) => {
    sum += ((inside - before) * inside) / all;
    before = inside;
  });
  return sum / area;
}

/**
 * The best intersection over union with the mask that a cut through the map reaches (the top of the IoU-threshold curve of Zhang et al. 2020, arXiv 2006.05220, but at each
 * picture's own best threshold, of all values that the map has): the pixels that reach the threshold against those of the mask.
 *
 * @param map (height, width) finite numbers
 * @param mask of the same size; not empty
 * @returns 0..1; at least the mask's share of the picture, which is the lowest cut's
 * @throws AtrousCamError BAD_ARGUMENT (sizes, numbers that are not finite, an empty mask)
 * @example
 * bestMaskIou(map, mask);
 */
export function bestMaskIou(map: GreyMap, mask: Mask): number {
  check('bestMaskIou', map, mask);
  const area = mask.data.reduce((sum, value) => sum + (value ? 1 : 0), 0);
  let best = 0;
  cuts(map, mask, (inside, all) => {
    best = Math.max(best, inside / (all + area - inside));
  });
  return best;
}

/**
 * Calls `visit` for each value of the map, the largest first, with the pixels that reach it: those inside the mask, and all. Returns the
 * mask's pixels.
 */
function cuts(map: GreyMap, mask: Mask, visit: (inside: number, all: number) => void): number {
  const { data } = map;
  const order = Uint32Array.from({ length: mask.data.length }, (_, i) => i).sort((a, b) => data[b] - data[a]);
  let inside = 0;
  for (let i = 0; i < order.length; i++) {
    if (mask.data[order[i]]) inside++;
    if (i + 1 === order.length || data[order[i + 1]] !== data[order[i]]) visit(inside, i + 1);
  }
  return inside;
}

function check(metric: string, map: GreyMap, mask: Mask): void {
  checkMap(metric, mask);
  checkMap(metric, map, mask);
  if (!Array.prototype.some.call(mask.data, Boolean)) refuse(metric, 'a mask with pixels inside', 'an empty one');
}
