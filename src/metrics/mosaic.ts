import type { Rect, ResizeFilter, RgbImage } from '../base/types.js';
import { resizeWindow } from '../image/resize.js';
import { energyInMask } from './localisation.js';
import { checkCount, type GreyMap, refuse } from './map.js';
import { boxMask } from './regions.js';

/** Pictures side by side in one. */
export interface Mosaic {
  /** (side, side); explain it with `preprocessing: { fit: 'squash' }`, so that all of it is seen. */
  readonly image: RgbImage;
  /** Where each picture lies, in pixels. */
  readonly cells: readonly Rect[];
}

/**
 * Puts two pictures side by side, or four in the corners, for the grid pointing game (Bohle et al. 2021). Each is resized to cover its
 * cell and cut in its middle (`cover`, the default), or squashed into it, which of two pictures side by side halves the widths.
 *
 * @param images two or four upright pictures
 * @param side of the mosaic in pixels, even: the network's `inputSize`
 * @throws AtrousCamError BAD_ARGUMENT
 * @example
 * const mosaic = composeMosaic([await readImage('cat.jpg'), await readImage('dog.jpg')], 224);
 * const { map } = await net.explain(mosaic.image, { target: 'dog' });
 * gridPointing(map, mosaic, 1); // the share of the map in the dog's cell
 */
export function composeMosaic(
  images: readonly RgbImage[],
  side: number,
  { fit = 'cover', resize = 'bilinear' }: { fit?: 'cover' | 'squash'; resize?: ResizeFilter } = {},
): Mosaic {
  if (images.length !== 2 && images.length !== 4) refuse('composeMosaic', 'two or four pictures', images.length);
  if (checkCount('composeMosaic', 'side', side, 2) % 2 !== 0) refuse('composeMosaic', 'an even side', side);
  if (fit !== 'cover' && fit !== 'squash') refuse('composeMosaic', 'fit cover or squash', `'${fit}'`);
  const [width, height] = [side / 2, images.length === 2 ? side : side / 2];
  const cells = images.map((_, i) => ({ x: (i % 2) * width, y: Math.floor(i / 2) * height, width, height }));
  const data = new Uint8Array(3 * side * side);
  images.forEach((image, i) => {
    const scale = Math.max(width / image.width, height / image.height);
    const whole = (length: number, least: number) => Math.max(least, Math.round(length * scale));
    const [w, h] = fit === 'squash' ? [width, height] : [whole(image.width, width), whole(image.height, height)];
    const window = { x: Math.floor((w - width) / 2), y: Math.floor((h - height) / 2), width, height };
    const tile = resizeWindow(image, w, h, resize, window);
    for (let row = 0; row < height; row++) {
      const line = tile.data.subarray(3 * row * width, 3 * (row + 1) * width);
      data.set(line, 3 * ((cells[i].y + row) * side + cells[i].x));
    }
  });
  return { image: { width: side, height: side, data }, cells };
}

/**
 * The grid pointing game: the share of a map's positive values that lies in the right cell, where the map explains the class of that
 * cell's picture. Chance is one part in as many cells.
 *
 * @param map (side, side) of the mosaic, finite numbers; negative ones count as 0
 * @param cell the right one's index
 * @returns 0..1; a map without positive values has the cell's share of the area
 * @example
 * const mosaic = composeMosaic([await readImage('cat.jpg'), await readImage('dog.jpg')], 224);
 * const { map } = await net.explain(mosaic.image, { target: 'cat' });
 * gridPointing(map, mosaic, 0);
 */
export function gridPointing(map: GreyMap, { cells, image }: Mosaic, cell: number): number {
  if (!cells[cell]) refuse('gridPointing', `a cell from 0 to ${cells.length - 1}`, cell);
  return energyInMask(map, boxMask(cells[cell], image.width, image.height));
}
