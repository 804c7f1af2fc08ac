import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, onTestFinished } from 'vitest';
import { rescale } from '../bench/rescale.js';
import { encodePng } from '../src/image/decode.js';
import { type Activation, load } from '../src/index.js';
import { expectClose, fixturePath } from './support/references.js';
import { stripes } from './support/toy-pictures.js';

/** Means of channels behind a max pool over windows, plainly. */
function means({ shape: [, height, width, channels], data }: Activation, window: number) {
  return Array.from({ length: channels }, (_, k) => {
    let sum = 0;
    for (let y = 0; y < height; y += window)
      for (let x = 0; x < width; x += window) {
        const cell = [];
        for (let i = y; i < y + window; i++)
          for (let j = x; j < x + window; j++) cell.push(data[(i * width + j) * channels + k]);
        sum += Math.max(...cell);
      }
    return (sum * window ** 2) / (height * width);
  });
}

function add(sums: number[], more: number[]): void {
  for (const [k, value] of more.entries()) sums[k] = (sums[k] ?? 0) + value;
}

it('rescaled weights have, in the dilated network, the channel means of the pooled one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'atrous-cam-rescale-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const pictures = [0, 1].map((label) => {
    const path = join(folder, `${label}.png`);
    writeFileSync(path, encodePng(stripes(label, 7)));
    return path;
  });
  const file = fixturePath('small/micro-vgg16.torchvision.safetensors');
  const [before, after] = [await load(file), await load(await rescale(file, pictures))];
  const { layers } = before;
  const sums = layers.map(() => ({ pooled: [] as number[], dilated: [] as number[] }));
  for (const picture of pictures) {
    const pooled = await before.activations(picture, { mode: 'pooled', layers });
    const dilated = await after.activations(picture, { mode: 'dilated', layers });
    for (const [i, name] of layers.entries()) {
      const isLast = name.slice(0, 6) !== layers[i + 1]?.slice(0, 6);
      add(sums[i].pooled, means(pooled[name], isLast ? 2 : 1));
      add(sums[i].dilated, means(dilated[name], i === layers.length - 1 ? 32 : 1));
    }
  }
  before.dispose();
  after.dispose();
  for (const { pooled, dilated } of sums) expectClose(dilated, pooled, 1e-3, 'means');
});
