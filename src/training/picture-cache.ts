import type { RgbImage } from '../base/types.js';
import { decodeImage, resizeImage } from '../image/decode.js';
import type { Sample } from './dataset.js';

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
  ) {}

  async get(sample: Sample): Promise<RgbImage> {
    const kept = this.#kept.get(sample);
    if (kept) return kept;
    const decoded = decodeImage(await sample.read(), { name: sample.path });
    const { side } = this;
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
