import type { RgbImage } from '../base/types.js';
import { badImage } from './bad-image.js';

/** What a decoder is told of the call, and where it leaves what it had to make up for. */
export interface Decoding {
  /** What messages call the picture. */
  readonly subject: string;
  /** The largest width x height accepted. */
  readonly maxPixels: number;
  /** Whether a JPEG beyond it is decoded at a smaller size. */
  readonly reduces: boolean;
  /** Pixels that the sides of a JPEG keep that is decoded at a smaller size because that is enough; Infinity where it is not. */
  readonly draft: number;
  /** Files that break their format are refused, though other programs show them. */
  readonly strict: boolean;
  /** Whole sentences without the picture's name: what is wrong with the file, and what was done. */
  readonly warnings: string[];
}

/** Notes a fault that the picture can be decoded in spite of. Throws BAD_IMAGE instead where the call is strict. */
export function tolerate({ subject, strict, warnings }: Decoding, fault: string): void {
  if (strict) throw badImage(subject, fault);
  if (!warnings.includes(fault)) warnings.push(fault);
}

/** The picture with its warnings, where there are any. */
export const withWarnings = (image: RgbImage, { warnings }: Decoding): RgbImage =>
  warnings.length > 0 ? { ...image, warnings } : image;
