import type { RgbImage } from '../base/types.js';
import { overWhite } from './bytes.js';

/** Writes RGBA pixels, laid over white, into a picture from (x, y) on; what lies outside is left out. */
export function overWhiteAt(
  image: RgbImage,
  { width, height, data }: { width: number; height: number; data: ArrayLike<number> },
  x = 0,
  y = 0,
): void {
  const columns = Math.min(width, image.width - x);
  const rows = Math.min(height, image.height - y);
  for (let row = 0; row < rows; row++) {
    let from = 4 * row * width;
    let to = 3 * ((y + row) * image.width + x);
    for (let column = 0; column < columns; column++, from += 4) {
      const alpha = data[from + 3];
      for (let channel = 0; channel < 3; channel++) image.data[to++] = overWhite(data[from + channel], alpha);
    }
  }
}
