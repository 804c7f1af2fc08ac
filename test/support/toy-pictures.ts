import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePng } from '../../src/image/decode.js';
import { seeded } from './random.js';

/** A picture of stripes in random colours with some noise: horizontal ones for class 0, vertical ones for class 1. */
export function stripes(label: number, seed: number, side = 40): { width: number; height: number; data: Uint8Array } {
  const random = seeded(1000 * label + seed);
  const period = 6 + Math.floor(8 * random());
  const colors = [0, 1].map((k) => [0, 1, 2].map(() => 40 + 120 * k + 60 * random()));
  const data = new Uint8Array(side * side * 3);
  for (let i = 0; i < data.length; i++) {
    const at = label === 0 ? Math.floor(i / 3 / side) : Math.floor(i / 3) % side;
    const color = colors[at % period < period / 2 ? 0 : 1][i % 3];
    data[i] = Math.max(0, Math.min(255, color + 30 * (random() - 0.5)));
  }
  return { width: side, height: side, data };
}

/** Writes `count` pictures a class to `folder`/train and a quarter as many to `folder`/val. */
export function writeToyPictures(folder: string, count: number): void {
  for (const [part, first, n] of [
    ['train', 0, count],
    ['val', count, count / 4],
  ] as const)
    for (const [label, name] of ['horizontal', 'vertical'].entries()) {
      const to = join(folder, part, name);
      mkdirSync(to, { recursive: true });
      for (let i = first; i < first + n; i++) writeFileSync(join(to, `${i}.png`), encodePng(stripes(label, i)));
    }
}
