import type { Rect } from '../base/types.js';
import { type DrawnMap, eachPixel, nearest, type OverlayOptions, readStyle } from './overlay.js';

/**
 * The map of an explanation by itself, at the photograph's own size, to be laid over it: RGBA bytes whose alpha is the map's value (of
 * signed maps its size), so that no evidence is transparent. `alpha` is that of the strongest evidence, 1 by default. Throws as `overlay`.
 *
 * @example
 * await writeFile('map.png', encodePng(drawHeatmap(await net.explain('dog.jpg'))));
 */
export function drawHeatmap(
  { image, map, rect }: { image: { width: number; height: number }; map: DrawnMap; rect: Rect },
  options?: OverlayOptions,
): { width: number; height: number; data: Uint8Array } {
  const { colours, alpha } = readStyle('drawHeatmap', map, options, 1);
  const { width, height } = image;
  const data = new Uint8Array(4 * width * height);
  eachPixel(map, rect, image, (pixel, value) => {
    const colour = 3 * nearest(value);
    const strength = map.signed ? Math.abs(2 * value - 1) : value;
    for (let c = 0; c < 3; c++) data[4 * pixel + c] = colours[colour + c];
    data[4 * pixel + 3] = Math.round(255 * alpha * strength);
  });
  return { width, height, data };
}
