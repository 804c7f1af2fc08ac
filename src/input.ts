import type { ImageInput, PixelInput } from './api.js';
import { AtrousCamError } from './errors.js';
import { decodeImage, toRgbImage } from './image.js';
import { isNode, nodeModule } from './platform.js';
import type { RgbImage } from './types.js';

/** An upright RGB picture from whatever the caller has. Throws NOT_FOUND, BAD_IMAGE or BAD_ARGUMENT. */
export async function readImage(image: ImageInput): Promise<RgbImage> {
  if (typeof image === 'string' || image instanceof URL)
    return decodeImage(await readFile(image), { name: String(image) });
  if (image instanceof Uint8Array) return decodeImage(image);
  if (image instanceof ArrayBuffer) return decodeImage(new Uint8Array(image));
  if (typeof Blob !== 'undefined' && image instanceof Blob)
    return decodeImage(new Uint8Array(await image.arrayBuffer()), { name: (image as Partial<File>).name });
  if (isPixelInput(image)) return toRgbImage(image);
  throw new AtrousCamError(
    'BAD_ARGUMENT',
    'image: expected a path, the bytes of a PNG or JPEG file, a Blob, or { width, height, data }',
  );
}

const isPixelInput = (image: unknown): image is PixelInput =>
  typeof image === 'object' && image !== null && 'width' in image && 'height' in image && 'data' in image;

async function readFile(path: string | URL): Promise<Uint8Array> {
  if (!isNode)
    throw new AtrousCamError('BAD_ARGUMENT', `image: '${path}' is a path; a browser needs the bytes or a Blob`);
  const fs = await nodeModule('fs/promises');
  try {
    return await fs.readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reasons: Record<string, string> = {
      ENOENT: 'no such file',
      EISDIR: 'it is a folder',
      EACCES: 'no permission to read it',
    };
    throw new AtrousCamError('NOT_FOUND', `image '${path}': ${reasons[code ?? ''] ?? (cause as Error).message}`, {
      cause,
    });
  }
}
