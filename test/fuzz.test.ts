import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { AtrousCamError } from '../src/base/errors.js';
import { readOnnxGraph } from '../src/weights/onnx/graph.js';
import { openWeights } from '../src/weights/open.js';
import { bytesSource } from '../src/weights/source.js';
import { damaged, imageFiles, seeds, weightFiles } from './fuzz/corpus.js';
import { mutate } from './fuzz/mutate.js';
import { mutateOnnx } from './fuzz/protobuf.js';
import { decodeImage } from './support/decode.js';
import { fixturePath } from './support/references.js';
import { allNumbers, numbers } from './support/weight-files.js';

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

  test.each([
    [
      'of bytes',
      (files: readonly Uint8Array[], seed: number) => mutate(files[seed % files.length], files[seed % 7], seed),
    ],
    ['of fields', (files: readonly Uint8Array[], seed: number) => mutateOnnx(files[seed % files.length], seed)],
  ])('ONNX graphs, changes %s', async (_, change) => {
    const folder = fixturePath('../onnx/');
    const names = readdirSync(folder).filter((name) => name.endsWith('.onnx'));
    const files = names.map((name) => new Uint8Array(readFileSync(folder + name)));
    let taken = 0;
    for (let seed = 1; seed <= 4 * inputs; seed++)
      try {
        const source = bytesSource(change(files, seed), 'x');
        const { tensors, close } = await readOnnxGraph(source, {
          inputSize: 32,
          openSibling: async (name) => bytesSource(new Uint8Array(8000), name),
        });
        for (const tensor of tensors.values()) await numbers(tensor);
        close();
        taken++;
      } catch (error) {
        expect(error, `seed ${seed}`).toBeInstanceOf(AtrousCamError);
        const { message, code } = error as AtrousCamError;
        expect({ seed, message }).toEqual({ seed, message: expect.stringMatching(/^.{1,400}$/) });
        expect(['BAD_WEIGHTS', 'UNSUPPORTED']).toContain(code);
      }
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(4 * inputs);
  });

  test('nothing of it has reached the prototypes', () => {
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(12);
    expect(Object.keys(Array.prototype)).toEqual([]);
  });
});
