import type { DrawableInput, PixelInput } from '../api.js';
import { AtrousCamError } from '../base/errors.js';

/** An ImageBitmap or a canvas: it can be drawn, but has no bytes of its own to read. */
export const isDrawable = (image: unknown): image is DrawableInput =>
  typeof image === 'object' &&
  image !== null &&
  'width' in image &&
  'height' in image &&
  !('data' in image) &&
  (isCanvas(image) || 'close' in image);

export const isCanvas = (image: object): boolean => 'getContext' in image;

/** The pixels that an ImageBitmap or a canvas shows, as the browser gives them. Throws UNSUPPORTED where there is no canvas to draw on. */
export function pixelsOf(image: DrawableInput): PixelInput {
  const { width, height } = image;
  const context = typeof OffscreenCanvas === 'undefined' ? null : new OffscreenCanvas(width, height).getContext('2d');
  if (!context)
    throw new AtrousCamError(
      'UNSUPPORTED',
      'image: nothing here can draw it; pass the bytes of its file or its pixels',
    );
  context.drawImage(image as CanvasImageSource, 0, 0);
  return context.getImageData(0, 0, width, height);
}
