import { decodeImage, resizeImage } from '../image.js';
import type { RgbImage } from '../types.js';
import type { Sample } from './dataset.js';

/**
 * Decoded pictures. Those larger than `side` are squashed to a square of it, which bounds what a picture takes; they are kept until
 * `limit` bytes are reached, and what is beyond is decoded each time it is needed.
 */
export class PictureCache {
  readonly #kept = new Map<Sample, RgbImage>();
  #bytes = 0;

  constructor(
    readonly side: number,
    readonly limit: number,
  ) {}

  async get(sample: Sample): Promise<RgbImage> {
    const kept = this.#kept.get(sample);
    if (kept) return kept;
    const decoded = decodeImage(await sample.read(), { name: sample.path });
    const isLarge = decoded.width > this.side || decoded.height > this.side;
    const image = isLarge ? resizeImage(decoded, this.side, this.side, 'bilinear') : decoded;
    if (this.#bytes + image.data.length <= this.limit) {
      this.#bytes += image.data.length;
      this.#kept.set(sample, image);
    }
    return image;
  }
}
