import jpeg from 'jpeg-js';
import type { RgbImage } from '../base/types.js';
import { badImage } from './bad-image.js';
import type { Decoding } from './decoding.js';
import { smoothChroma, ycbcrToRgb } from './jpeg-chroma.js';
import { type JpegParts, readJpegSegments } from './jpeg-segments.js';
import { applyOrientation } from './orient.js';

/** What jpeg-js may allocate, as `decodingBytes` counts: enough for 79 megapixels of 4:2:0 or 51 of 4:4:4. */
const MAX_BYTES = 2 ** 30;

/**
 * Decodes a baseline or progressive JPEG file (grey, YCbCr, RGB, Adobe CMYK and YCCK), upright by its EXIF orientation.
 *
 * jpeg-js decodes the coefficients; the colours are finished here. Left to itself it repeats halved chroma samples and
 * truncates colours: measured on 33 photographs against libjpeg-turbo, that differs by up to 83 levels and 0.9 on average
 * (4:2:0), 4 and 0.5 (4:4:4); this way by up to 3 and 0.1. It also takes RGB files for YCbCr.
 *
 * @throws AtrousCamError BAD_IMAGE
 */
export function decodeJpeg(bytes: Uint8Array, decoding: Decoding): RgbImage {
  const { subject } = decoding;
  const parts = readJpegSegments(bytes, decoding);
  if (decodingBytes(parts) > MAX_BYTES) {
    const size = `${parts.width}x${parts.height} pixels`;
    throw badImage(
      subject,
      `too large a JPEG: decoding ${size} takes more than ${MAX_BYTES / 2 ** 20} MB; scale it down`,
    );
  }
  const image = decodeEssence(parts, subject);
  if (parts.components.length === 3) {
    smoothChroma(image, parts.components);
    if (parts.luma) ycbcrToRgb(image);
  }
  return applyOrientation(image, parts.orientation);
}

/** jpeg-js holds each block as 64 32-bit coefficients and as 64 bytes, and the pixels twice, as components and as RGB. */
function decodingBytes({ width, height, components, blocks }: JpegParts): number {
  return blocks * (256 + 64) + width * height * (components.length + 3);
}

/** RGB of grey, CMYK and YCCK files; of three components the components themselves, each repeated to full size. */
function decodeEssence(parts: JpegParts, subject: string): RgbImage {
  try {
    const { width, height, data } = jpeg.decode(parts.essence, {
      useTArray: true,
      formatAsRGBA: false,
      colorTransform: parts.components.length === 3 ? false : undefined,
      // The walk over the segments has refused cut files already, and a scan that meets a marker too early throws. All that
      // tolerance adds is to skip blocks after the last: jpeg-js runs there in grey files with restart markers.
      tolerantDecoding: true,
      maxResolutionInMP: Number.POSITIVE_INFINITY, // both are checked before
      maxMemoryUsageInMB: Number.POSITIVE_INFINITY,
    });
    return { width, height, data };
  } catch (error) {
    throw badImage(subject, damage(parts), error);
  }
}

function damage({ progressive, restarts }: JpegParts): string {
  if (progressive && restarts) {
    return 'damaged JPEG, or a progressive one with restart markers, which cannot always be read; save it as baseline JPEG or PNG';
  }
  return 'damaged or truncated JPEG: its image data ends too early or makes no sense';
}
