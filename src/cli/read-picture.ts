import type { RgbImage } from '../base/types.js';
import type { Context } from './context.js';
import type { PicturesFlags } from './options.js';

/** The argument that stands for standard input, and for standard output after --out. */
export const STREAM = '-';

/** Reads and decodes a picture of the call, `-` from standard input. Says on standard error what was wrong with the file. */
export async function readPicture(
  file: string,
  { maxPixels, draft, strict }: Pick<PicturesFlags, 'maxPixels' | 'draft' | 'strict'>,
  context: Context,
): Promise<RgbImage> {
  const { signal } = context;
  const source = file === STREAM ? await context.readInput() : file;
  const picture = await context.readImage(source, { maxPixels, draft, strict, signal });
  for (const warning of picture.warnings ?? []) context.warn(`${file}: ${warning}`);
  return picture;
}
