import type { RgbImage } from '../../src/base/types.js';
import { badImage } from '../../src/image/bad-image.js';
import { type DecodeOptions, decodingOf, formatOf } from '../../src/image/decode.js';
import { withWarnings } from '../../src/image/decoding.js';
import { decodeJpeg } from '../../src/image/jpeg.js';
import { decodePng } from '../../src/image/png.js';

/** `decodePicture` of PNG and JPEG at once, for tests. */
export function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): RgbImage {
  const decoding = decodingOf(options);
  const format = formatOf(bytes, decoding);
  if (format !== 'png' && format !== 'jpeg') throw badImage(decoding.subject, `expected PNG or JPEG, got ${format}`);
  return withWarnings((format === 'png' ? decodePng : decodeJpeg)(bytes, decoding), decoding);
}
