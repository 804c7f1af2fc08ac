import type { ImageInput, PixelInput } from '../api.js';
import { AtrousCamError } from '../base/errors.js';
import { isNode, nodeModule } from '../base/platform.js';
import type { RgbImage } from '../base/types.js';
import { imageSubject } from './bad-image.js';
import { decodeImage, toRgbImage } from './decode.js';
import { isDrawable, pixelsOf } from './drawable.js';

/** More than any picture that is decoded needs: the largest, 100 megapixels of 16-bit RGBA, is 800 MB without any compression. */
const MAX_FILE_BYTES = 1e9;

/**
 * An upright RGB picture from whatever the caller has; of files no more than `maxPixels`, 100 million by default.
 * Throws NOT_FOUND, BAD_IMAGE or BAD_ARGUMENT.
 */
export async function readImage(image: ImageInput, maxPixels?: number): Promise<RgbImage> {
  if (typeof image === 'string' || image instanceof URL)
    return decodeImage(await readFile(image), { name: String(image), maxPixels });
  if (image instanceof Uint8Array) return decodeImage(image, { maxPixels });
  if (image instanceof ArrayBuffer) return decodeImage(new Uint8Array(image), { maxPixels });
  if (typeof Blob !== 'undefined' && image instanceof Blob)
    return decodeImage(new Uint8Array(await image.arrayBuffer()), { name: (image as Partial<File>).name, maxPixels });
  if (isPixelInput(image)) return toRgbImage(image);
  if (isDrawable(image)) return toRgbImage(pixelsOf(image));
  throw new AtrousCamError(
    'BAD_ARGUMENT',
    'image: expected a path, the bytes of a PNG or JPEG file, a Blob, { width, height, data }, an ImageBitmap or a canvas',
  );
}

const isPixelInput = (image: unknown): image is PixelInput =>
  typeof image === 'object' && image !== null && 'width' in image && 'height' in image && 'data' in image;

async function readFile(path: string | URL): Promise<Uint8Array> {
  if (!isNode)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `${imageSubject(String(path))}: is a path; a browser needs the bytes or a Blob`,
    );
  const fs = await nodeModule('fs/promises');
  const notFound = (reason: string, cause?: unknown) =>
    new AtrousCamError('NOT_FOUND', `${imageSubject(String(path))}: ${reason}`, { cause });
  try {
    const stat = await fs.stat(path);
    if (stat.isCharacterDevice() || stat.isBlockDevice()) throw notFound('expected a file, got a device'); // may be endless
    if (stat.size > MAX_FILE_BYTES)
      throw new AtrousCamError(
        'BAD_IMAGE',
        `${imageSubject(String(path))}: expected a file of at most ${MAX_FILE_BYTES} bytes, got ${stat.size}`,
      );
    return await fs.readFile(path);
  } catch (cause) {
    if (cause instanceof AtrousCamError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    const isWebAddress = /^https?:/i.test(String(path));
    const reasons: Record<string, string> = {
      ENOENT: isWebAddress ? 'pictures are not downloaded; save it and pass its path' : 'no such file',
      EISDIR: 'it is a folder',
      EACCES: 'no permission to read it',
      ERR_INVALID_URL_SCHEME: 'pictures are not downloaded; save it and pass its path',
    };
    throw notFound(reasons[code ?? ''] ?? (cause as Error).message, cause);
  }
}
