import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

const fixtures = new URL('../fixtures/references/', import.meta.url);

/** The path of a file of test/fixtures/references. */
export const fixturePath = (name: string): string => new URL(name, fixtures).pathname;

export interface ReferenceTensor {
  shape: number[];
  data: Float32Array | Uint8Array;
}

/** All tensors of a safetensors file, whole: a plain reader that shares nothing with the package's own. */
export function readReferences(path: string): Map<string, ReferenceTensor> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = JSON.parse(
    file.subarray(8, 8 + length).toString('utf8'),
  );
  const start = 8 + length;
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [begin, end],
          },
        ]) => {
          const bytes = new Uint8Array(file.subarray(start + begin, start + end)); // a copy, so aligned
          return [name, { shape, data: dtype === 'U8' ? bytes : new Float32Array(bytes.buffer) }];
        },
      ),
  );
}

/** Fails with the first differing elements unless |actual - expected| <= tolerance * max |expected| everywhere. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  expect(actual.length, `${what}: number of elements`).toBe(expected.length);
  const scale = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const wrong = Array.from(expected, (value, i) => ({ i, actual: actual[i], expected: value })).filter(
    (pair) => !(Math.abs(pair.actual - pair.expected) <= tolerance * scale),
  );
  const shown = wrong.slice(0, 5).map((pair) => `[${pair.i}] ${pair.actual} for ${pair.expected}`);
  expect(
    wrong.length,
    `${what}: ${wrong.length} of ${expected.length} off by more than ${tolerance} of ${scale}: ${shown}`,
  ).toBe(0);
}

/** Fails with the worst element unless |actual - expected| <= allowed(i), or both are NaN or the same infinity, everywhere. */
export function expectWithin(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  allowed: (i: number) => number,
  what: string,
): void {
  expect(actual.length, `${what}: number of elements`).toBe(expected.length);
  let worst = { excess: 1, text: '' };
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(actual[i], expected[i])) continue;
    const excess = Math.abs(actual[i] - expected[i]) / allowed(i);
    if (!(excess <= worst.excess)) worst = { excess, text: `[${i}] ${actual[i]} for ${expected[i]}` };
  }
  expect(worst.text, `${what}: off by ${worst.excess} times what is allowed`).toBe('');
}

/** Fails unless the relative L2 error, |actual - expected| / |expected|, is within `tolerance`. */
export function expectNear(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  expect(actual.length, `${what}: number of elements`).toBe(expected.length);
  let [difference, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  expect(Math.sqrt(difference), `${what}: relative L2 error`).toBeLessThanOrEqual(tolerance * Math.sqrt(norm));
}
