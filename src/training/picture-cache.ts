import type { RgbImage } from '../base/types.js';
import { decodePicture, resizeImage } from '../image/decode.js';
import type { Sample } from './dataset.js';
import type { PictureFaults } from './left-out.js';

/**
 * Decoded pictures, squashed to a square of `side`: those that are larger, which bounds what a picture takes, or `all` of them. They are
 * kept until `limit` bytes are reached, and what is beyond is decoded each time it is needed.
 */
export class PictureCache {
  readonly #kept = new Map<Sample, RgbImage>();
  #bytes = 0;

  constructor(
    readonly side: number,
    readonly limit: number,
    readonly which: 'larger' | 'all',
    readonly faults: PictureFaults = {},
  ) {}

  async get(sample: Sample): Promise<RgbImage> {
    const kept = this.#kept.get(sample);
    if (kept) return kept;
    const { side, faults } = this;
    const { strict, maxPixels } = faults;
    const { warnings, ...decoded } = await decodePicture(await sample.read(), { name: sample.path, strict, maxPixels });
    for (const warning of warnings ?? []) faults.onWarning?.(sample.path, warning);
    const isLarge = decoded.width > side || decoded.height > side;
    const isOther = decoded.width !== side || decoded.height !== side;
    const image = isLarge || (this.which === 'all' && isOther) ? resizeImage(decoded, side, side, 'bilinear') : decoded;
    if (this.#bytes + image.data.length <= this.limit) {
      this.#bytes += image.data.length;
      this.#kept.set(sample, image);
    }
    return image;
  }
}
