import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RgbImage } from '../../src/base/types.js';
import { encodePng } from '../../src/image/decode.js';
import { stripes } from './toy-pictures.js';

/** A mask: 255 in a rectangle, [x0, y0, x1, y1] to behind the last pixel, with a border of 128 inside it. */
export function maskOf(width: number, height: number, [x0, y0, x1, y1]: readonly number[]): RgbImage {
  const data = new Uint8Array(3 * width * height);
  for (let y = y0; y < y1; y++)
    for (let x = x0; x < x1; x++) {
      const border = x === x0 || y === y0 || x === x1 - 1 || y === y1 - 1;
      data.fill(border ? 128 : 255, 3 * (y * width + x), 3 * (y * width + x) + 3);
    }
  return { width, height, data };
}

/** Writes `count` pictures a label (40 x 40, stripes), masks and an index.csv such as that of a data set with one object a picture. */
export function writeMaskedPictures(folder: string, labels: readonly string[], count: number): void {
  mkdirSync(join(folder, 'masks'), { recursive: true });
  const rows = labels.flatMap((label, k) =>
    Array.from({ length: count }, (_, i) => {
      mkdirSync(join(folder, label), { recursive: true });
      const box = [4 + i, 6, 20 + i, 30 + k];
      writeFileSync(join(folder, label, `${i}.png`), encodePng(stripes(k % 2, i)));
      writeFileSync(join(folder, 'masks', `${label}-${i}.png`), encodePng(maskOf(40, 40, box)));
      return [`${label}/${i}.png`, `masks/${label}-${i}.png`, label, ...box].join(',');
    }),
  );
  const head = 'file,mask,species,body_x0,body_y0,body_x1,body_y1';
  writeFileSync(join(folder, 'index.csv'), `${[head, ...rows].join('\n')}\n`);
}
