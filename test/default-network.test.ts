import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load, type Network } from '../src/index.js';
import { boxMask, energyInMask, inputBox, pointingGame } from '../src/metrics.js';

// What the bundled network is for, as relations that any good cat/dog network satisfies: no digit of its weights is needed.
const photo = 'photos/leonberger_abyssinian.jpg';
/** photos/ATTRIBUTION.md has it; the dog sits left of it. */
const cat = { x: 313, y: 121, width: 164, height: 206 };
let net: Network;
beforeAll(async () => {
  net = await load(undefined, { kernels: 'simd' });
});
afterAll(() => net.dispose());

describe.each(['pooled', 'atrous'] as const)('%s', (mode) => {
  it("shows the cat for 'cat' and the dog for 'dog'", async () => {
    const [forCat, forDog] = [
      await net.explain(photo, { mode, target: 'cat' }),
      await net.explain(photo, { mode, target: 'dog' }),
    ];
    const box = inputBox(cat, forCat.rect, net.inputSize);
    const mask = boxMask(box, net.inputSize, net.inputSize);
    expect(pointingGame(forCat.map, mask, { tolerance: 0 })).toBe(1);
    expect(energyInMask(forCat.map, mask)).toBeGreaterThan(3 * energyInMask(forDog.map, mask));
    const left = boxMask({ x: 0, y: 0, width: box.x, height: net.inputSize }, net.inputSize, net.inputSize);
    expect(pointingGame(forDog.map, left, { tolerance: 0 })).toBe(1);
  });
});

it('answers alike in pooled and atrous, and knows a photograph of a cat', async () => {
  const { probabilities } = await net.predict(photo);
  expect((await net.predict(photo, { mode: 'atrous' })).probabilities).toEqual(probabilities);
  const [{ label }] = (await net.predict('test/fixtures/images/chelsea.png')).predictions;
  expect(label).toBe('cat');
});

it('is the file of the model card', () => {
  const hash = createHash('sha256').update(readFileSync('weights/pets-vgg16.f16.safetensors')).digest('hex');
  expect(readFileSync('weights/README.md', 'utf8')).toContain(`| SHA-256 | \`${hash}\` |`);
});
