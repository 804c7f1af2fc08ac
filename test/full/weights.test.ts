import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWeights } from '../../src/weights/open.js';
import { expectClose, readReferences } from '../support/references.js';
import { sharedPath } from '../support/shared.js';
import { allNumbers, numbers } from '../support/weight-files.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const reference = (name: string) => sharedPath(`references/${name}`);

describe('one network in every format', async () => {
  const plain = await openWeights(reference('micro-vgg16.torchvision.safetensors'));
  const expected = await allNumbers(plain);
  plain.close();

  test.each([
    'timm.safetensors',
    'keras-official.h5',
    'keras-varlen.h5',
    'keras-model.h5',
    'keras3.weights.h5',
    'keras',
    'onnx',
    'torchvision.pth',
    'torchvision-legacy.pth',
  ])('%s', async (format) => {
    const weights = await openWeights(reference(`micro-vgg16.${format}`));
    expect(weights.chain!.inputSize).toBe(96);
    expect(await allNumbers(weights)).toEqual(expected);
    weights.close();
  });

  test('float16', async () => {
    const weights = await openWeights(reference('micro-vgg16.torchvision.f16.safetensors'));
    for (const [name, values] of await allNumbers(weights)) expectClose(values, expected.get(name)!, 2 ** -11, name);
    weights.close();
  });

  test('batch normalization, folded, gives the logits of the reference', async () => {
    const weights = await openWeights(reference('micro-vgg16_bn.torchvision.safetensors'));
    const file = readReferences(reference('micro-vgg16_bn.reference.safetensors'));
    let map: FloatMap = { side: 96, channels: 3, values: Float64Array.from(file.get('input_nhwc')!.data) };
    for (const [b, block] of weights.chain!.blocks.entries()) {
      for (const { kernel, bias } of block) map = conv(map, await numbers(kernel), await numbers(bias));
      if (b === 4) expectClose(map.values, file.get('block5_conv3_nhwc')!.data as Float32Array, 1e-5, 'block5_conv3');
      map = pool(map);
    }
    let vector = map.values;
    for (const [i, { kernel, bias }] of weights.chain!.dense.entries()) {
      const [w, b] = [await numbers(kernel), await numbers(bias)];
      vector = Float64Array.from(b, (sum, o) => vector.reduce((acc, x, j) => acc + x * w[j * b.length + o], sum));
      if (i < 2) vector = vector.map((x) => Math.max(0, x));
    }
    expectClose(vector, file.get('logits')!.data as Float32Array, 1e-5, 'logits');
    weights.close();
  });
});

interface FloatMap {
  side: number;
  channels: number;
  values: Float64Array;
}

function conv({ side, channels, values }: FloatMap, kernel: Float32Array, bias: Float32Array): FloatMap {
  const out = new Float64Array(side * side * bias.length);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      for (let o = 0; o < bias.length; o++) {
        let sum = bias[o];
        for (let k = 0; k < 9; k++) {
          const [row, column] = [y + Math.floor(k / 3) - 1, x + (k % 3) - 1];
          if (row < 0 || column < 0 || row >= side || column >= side) continue;
          for (let i = 0; i < channels; i++)
            sum += values[(row * side + column) * channels + i] * kernel[(k * channels + i) * bias.length + o];
        }
        out[(y * side + x) * bias.length + o] = Math.max(0, sum);
      }
  return { side, channels: bias.length, values: out };
}

function pool({ side, channels, values }: FloatMap): FloatMap {
  const half = side / 2;
  const at = (y: number, x: number, k: number) => values[(y * side + x) * channels + k];
  const out = Float64Array.from({ length: half * half * channels }, (_, i) => {
    const [k, x, y] = [i % channels, 2 * (Math.floor(i / channels) % half), 2 * Math.floor(i / channels / half)];
    return Math.max(at(y, x, k), at(y, x + 1, k), at(y + 1, x, k), at(y + 1, x + 1, k));
  });
  return { side: half, channels, values: out };
}

describe('a full-size VGG16', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vgg16-'));
  const path = join(folder, 'vgg16.h5');
  beforeAll(() => void execFileSync('node', ['scripts/makers/vgg16.js', path], { cwd: root }));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('opens without being read, and gives its largest tensor without holding it twice', async () => {
    const weights = await openWeights(path);
    expect(weights.parameters).toBe(138_357_544);
    expect(weights.labels[242]).toBe('boxer');
    expect(weights.chain!.inputSize).toBe(224);
    const { kernel } = weights.chain!.dense[0];
    const target = new Float32Array(25088 * 4096).fill(1);
    const before = process.memoryUsage().rss;
    await kernel.copyInto(target);
    expect(process.memoryUsage().rss - before).toBeLessThan(256e6);
    const deviation = Math.sqrt(target.reduce((sum, value) => sum + value * value, 0) / target.length);
    expect(deviation).toBeCloseTo(Math.sqrt(2 / 25088), 5);
    weights.close();
  });

  test('is the same for the same seed', () => {
    execFileSync('node', ['scripts/makers/vgg16.js', `${path}2`, '--seed', '1'], { cwd: root });
    expect(readFileSync(path).equals(readFileSync(`${path}2`))).toBe(true);
  });
});
