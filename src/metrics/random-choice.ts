import { AtrousCamError } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { mulberry32, shuffled } from '../base/random.js';
import { refuse } from './map.js';
import type { MaskedPicture } from './masked-pictures.js';
import { composeMosaic, type Mosaic } from './mosaic.js';
import { hash } from './randomize.js';

/** A mosaic of a picture and others of other classes, drawn and placed by the seed and the picture's name; its own cell. */
export async function drawMosaic(
  picture: MaskedPicture,
  pictures: readonly MaskedPicture[],
  cells: number,
  side: number,
  seed: number,
): Promise<{ mosaic: Mosaic; cell: number }> {
  const others = pictures.filter(({ label }) => label !== picture.label);
  if (others.length < cells - 1)
    refuse(`mosaic${cells}`, `${cells - 1} pictures of other classes than ${picture.label}`, others.length);
  const random = mulberry32(seed ^ hash(`${cells} ${picture.file}`));
  const drawn = drawFrom(others, cells - 1, random);
  const cell = Math.floor(random() * cells);
  drawn.splice(cell, 0, picture);
  const { readImage } = await lazy(() => import('../image/input.js')); // pages, which read no folder, need not load the decoders
  const read = async ({ path }: MaskedPicture) =>
    readImage(path).catch((error) => {
      if (!(error instanceof AtrousCamError)) throw error;
      throw new AtrousCamError(error.code, `mosaic${cells} with ${error.message}`, { cause: error }); // it is another picture's
    });
  const images = await Promise.all(drawn.map(read));
  return { mosaic: composeMosaic(images, side), cell };
}

/**
 * So many pictures of each class, drawn by the seed, in their order.
 *
 * @param count of each class; all where it has fewer
 * @example
 * const twenty = choosePictures(await readMaskedPictures('pets'), 20, 1); // of each class, by seed 1
 */
export function choosePictures(pictures: readonly MaskedPicture[], count: number, seed = 0): MaskedPicture[] {
  const chosen = new Set<MaskedPicture>();
  for (const label of new Set(pictures.map((picture) => picture.label))) {
    const own = pictures.filter((picture) => picture.label === label);
    for (const picture of drawFrom(own, count, mulberry32(seed ^ hash(label)))) chosen.add(picture);
  }
  return pictures.filter((picture) => chosen.has(picture));
}

/** So many of the items in random order. */
const drawFrom = <T>(items: readonly T[], count: number, random: () => number): T[] =>
  Array.from(shuffled(items.length, random).subarray(0, count), (i) => items[i]);
