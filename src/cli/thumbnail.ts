import encode from 'jpeg-js/lib/encoder.js';
import type { Explanation } from '../api.js';
import { scaleRect } from '../base/shape.js';
import type { RgbImage } from '../base/types.js';
import { resizeImage } from '../image/resize.js';
import { drawHeatmap, encodePng } from '../index.js';

/** A picture and its maps in small, as base64, and what a contact sheet says of the maps. */
export interface Thumbnail {
  width: number;
  height: number;
  /** A JPEG file. */
  photograph: string;
  /** By mode. */
  maps: Record<string, ThumbnailMap>;
}

export interface ThumbnailMap {
  /** A PNG file, transparent where there is no evidence. */
  map: string;
  /** What the network gives the explained class; undefined of a score that is not one class's. */
  probability?: number;
}

/** Longest side of a thumbnail, and of a map on it, which is smooth and stretched. */
const SIDES = { photograph: 160, map: 32 };
/** Of JPEG, 1..100. */
const QUALITY = 55;

/** Makes the thumbnail of a picture's explanations; `style` as `drawHeatmap` takes it, without its opacity. */
export function thumbnailOf(explanations: readonly Explanation[], { colormap }: { colormap?: string }): Thumbnail {
  const [{ image }] = explanations;
  const { width, height } = fitted(image, SIDES.photograph);
  const small = resizeImage(image, width, height, 'bilinear');
  const maps = explanations.map(({ mode, map, rect, target, probabilities }): [string, ThumbnailMap] => {
    const size = fitted(image, SIDES.map);
    const scaled = scaleRect(rect, size.width / image.width, size.height / image.height);
    const drawn = drawHeatmap({ image: size, map, rect: scaled }, { ...(colormap !== undefined && { colormap }) });
    const probability = target.index >= 0 ? probabilities[target.index] : undefined;
    return [mode, { map: base64(encodePng(drawn)), ...(probability !== undefined && { probability }) }];
  });
  return { width, height, photograph: base64(encodeJpeg(small)), maps: Object.fromEntries(maps) };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** The size of a picture whose longer side is `side`; of a smaller one its own. */
function fitted({ width, height }: { width: number; height: number }, side: number): { width: number; height: number } {
  const scale = Math.min(1, side / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

function encodeJpeg({ width, height, data }: RgbImage): Uint8Array {
  const rgba = Buffer.alloc(4 * width * height, 255);
  for (let i = 0; i < width * height; i++) rgba.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
  return encode({ width, height, data: rgba }, QUALITY).data;
}
