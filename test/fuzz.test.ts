import { describe, expect, test } from 'vitest';
import { AtrousCamError } from '../src/base/errors.js';
import { decodeImage } from '../src/image/decode.js';
import { openWeights } from '../src/weights/open.js';
import { damaged, imageFiles, seeds, weightFiles } from './fuzz/corpus.js';
import { allNumbers } from './support/weight-files.js';

/** The bounded part of `npm run test:soak`: every reader gets damaged files, the same in every run. */
const inputs = 60;

/** Whether a reader took the file; an error of ours is as good. */
async function survives(format: string, seed: number, codes: readonly string[], read: (file: Uint8Array) => unknown) {
  const files = seeds(format);
  const file = damaged(format, files, seed);
  try {
    await read(file);
    return true;
  } catch (error) {
    expect(error, `${format}, seed ${seed}`).toBeInstanceOf(AtrousCamError);
    const { message, code: actual } = error as AtrousCamError;
    expect(codes, `${format}, seed ${seed}: ${message}`).toContain(actual);
    expect(message, `${format}, seed ${seed}`).toMatch(/^.{1,400}$/);
    return false;
  }
}

const read = async (file: Uint8Array) => {
  const weights = await openWeights(file);
  try {
    await allNumbers(weights);
  } finally {
    weights.close();
  }
};

describe('damaged files load or are refused', () => {
  test.each(Object.keys(weightFiles))('weights: %s', async (format) => {
    let taken = 0;
    for (let seed = 1; seed <= inputs; seed++)
      if (await survives(format, seed, ['BAD_WEIGHTS', 'UNSUPPORTED'], read)) taken++;
    expect(taken).toBeGreaterThan(0); // else the mutations would only test the first check
    expect(taken).toBeLessThan(inputs);
    for (const file of seeds(format)) await read(file);
  });

  test.each(Object.keys(imageFiles))('pictures: %s', async (format) => {
    let taken = 0;
    for (let seed = 1; seed <= 2 * inputs; seed++)
      if (await survives(format, seed, ['BAD_IMAGE'], (file) => decodeImage(file, { maxPixels: 1e6 }))) taken++;
    expect(taken).toBeLessThan(2 * inputs);
    for (const file of seeds(format)) decodeImage(file);
  });

  test('nothing of it has reached the prototypes', () => {
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(12);
    expect(Object.keys(Array.prototype)).toEqual([]);
  });
});
