import type { RgbImage } from '../base/types.js';

/**
 * Turns a stored picture upright.
 *
 * @param image as stored
 * @param orientation EXIF's, 1..8; 1 returns the picture itself
 */
export function applyOrientation(image: RgbImage, orientation: number): RgbImage {
  if (orientation === 1) return image;
  const { width: w, height: h } = image;
  // Index of the stored pixel that becomes the upright top left, then what one step right and one step down add to it.
  const [start, right, down] = {
    2: [w - 1, -1, w],
    3: [w * h - 1, -1, -w],
    4: [w * (h - 1), 1, -w],
    5: [0, w, 1],
    6: [w * (h - 1), -w, 1],
    7: [w * h - 1, -w, -1],
    8: [w - 1, w, -1],
  }[orientation] as [number, number, number];
  const [width, height] = orientation >= 5 ? [h, w] : [w, h];
  const data = new Uint8Array(w * h * 3);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0, from = 3 * (start + y * down); x < width; x++, from += 3 * right, to += 3) {
      data[to] = image.data[from];
      data[to + 1] = image.data[from + 1];
      data[to + 2] = image.data[from + 2];
    }
  }
  return { width, height, data };
}
