import type { DrawableInput, PixelInput } from '../api.js';
import { AtrousCamError } from '../base/errors.js';

/** Where the kinds of things that can be drawn keep their size, and how messages call them; the first that fits counts. */
const KINDS: readonly (readonly [has: string, width: string, height: string, name: string])[] = [
  ['videoWidth', 'videoWidth', 'videoHeight', 'a <video> without a picture; wait for its data'],
  ['naturalWidth', 'naturalWidth', 'naturalHeight', 'an <img> without a picture; wait for its decode()'],
  ['displayWidth', 'displayWidth', 'displayHeight', 'a VideoFrame that is closed'],
  ['getContext', 'width', 'height', 'a canvas of no pixels'],
  ['close', 'width', 'height', 'an ImageBitmap that is closed'],
];

const kindOf = (image: object) => KINDS.find(([has]) => has in image);

/** A bitmap, canvas, frame, image or video: it can be drawn, but has no bytes of its own to read. */
export const isDrawable = (image: unknown): image is DrawableInput =>
  typeof image === 'object' && image !== null && !('data' in image) && kindOf(image) !== undefined;

/** Whether it can be posted to a worker: an ImageBitmap or a VideoFrame. */
export const canBeSent = (image: DrawableInput): boolean => !('getContext' in image) && 'close' in image;

/** The size in pixels. Throws BAD_ARGUMENT where there are none. */
export function sizeOf(image: DrawableInput): { width: number; height: number } {
  const [, w, h, name] = kindOf(image)!;
  const sizes = image as unknown as Record<string, number>;
  const { [w]: width, [h]: height } = sizes;
  if (width > 0 && height > 0) return { width, height };
  throw new AtrousCamError('BAD_ARGUMENT', `image: expected at least one pixel, got ${name}`);
}

/**
 * The pixels that it shows, as the browser gives them.
 *
 * @throws AtrousCamError UNSUPPORTED where there is no canvas to draw on, BAD_ARGUMENT where it has no pixels or may not be read
 */
export function pixelsOf(image: DrawableInput): PixelInput {
  const { width, height } = sizeOf(image);
  const context = typeof OffscreenCanvas === 'undefined' ? null : new OffscreenCanvas(width, height).getContext('2d');
  if (!context)
    throw new AtrousCamError(
      'UNSUPPORTED',
      'image: nothing here can draw it; pass the bytes of its file or its pixels',
    );
  try {
    context.drawImage(image as CanvasImageSource, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  } catch (cause) {
    const reason =
      (cause as Error).name === 'SecurityError'
        ? 'it comes from another site, which does not allow to read it; pass the bytes of its file'
        : (cause as Error).message;
    throw new AtrousCamError('BAD_ARGUMENT', `image: its pixels cannot be read: ${reason}`, { cause });
  }
}
