import jpeg from 'jpeg-js';
import type { RgbImage } from '../types.js';
import { badImage } from './bad-image.js';
import { smoothChroma, ycbcrToRgb } from './jpeg-chroma.js';
import { type JpegParts, readJpegSegments } from './jpeg-segments.js';
import { applyOrientation } from './orient.js';

/** What jpeg-js may allocate by its own count (coefficients, samples, pixels): about 75 megapixels of 4:2:0, 48 of 4:4:4. */
const MAX_MEGABYTES = 1024;

/**
 * Decodes a baseline or progressive JPEG file (grey, YCbCr, RGB, Adobe CMYK and YCCK), upright by its EXIF orientation.
 *
 * jpeg-js decodes the coefficients; the colours are finished here. Left to itself it repeats halved chroma samples and
 * truncates colours: measured on 33 photographs against libjpeg-turbo, that differs by up to 83 levels and 0.9 on average
 * (4:2:0), 4 and 0.5 (4:4:4); this way by up to 3 and 0.1. It also takes RGB files for YCbCr.
 *
 * @param subject what messages call the picture
 * @param maxPixels the largest width x height accepted
 * @throws AtrousCamError BAD_IMAGE
 */
export function decodeJpeg(bytes: Uint8Array, subject: string, maxPixels: number): RgbImage {
  const parts = readJpegSegments(bytes, subject, maxPixels);
  const image = decodeEssence(parts, subject);
  if (parts.components.length === 3) {
    smoothChroma(image, parts.components);
    if (parts.luma) ycbcrToRgb(image);
  }
  return applyOrientation(image, parts.orientation);
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
      maxResolutionInMP: Number.POSITIVE_INFINITY, // checked before
      maxMemoryUsageInMB: MAX_MEGABYTES,
    });
    return { width, height, data };
  } catch (error) {
    throw badImage(subject, explain(error, parts), error);
  }
}

function explain(error: unknown, { width, height, progressive, restarts }: JpegParts): string {
  if (error instanceof Error && error.message.includes('maxMemoryUsageInMB')) {
    return `too large a JPEG: ${width}x${height} pixels need more than ${MAX_MEGABYTES} MB to decode; scale it down`;
  }
  if (progressive && restarts) {
    return 'damaged JPEG, or a progressive one with restart markers, which cannot always be read; save it as baseline JPEG or PNG';
  }
  return 'damaged or truncated JPEG: its image data ends too early or makes no sense';
}
