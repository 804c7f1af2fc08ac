import { describe, expect, it } from 'vitest';
import { chooseDrawings } from '../src/training/augment.js';
import { DEFAULTS } from '../src/training/options.js';

const SIDE = 96;
const sources = Array.from({ length: 6 }, (_, i) => ({ width: 100 + i, height: 140 - 3 * i }));
const steps = Array.from({ length: 100 }, (_, step) => step);
const batches = (variation: { cutmix?: number; inset?: number }) =>
  steps.map((step) => chooseDrawings(sources, SIDE, { ...DEFAULTS, ...variation }, [1, 5, step]));

/** Where a drawing's left, top, right and bottom edges lie on its source. */
const edges = ({ x, y, dx, dy, left, top, right, bottom }: ReturnType<typeof chooseDrawings>[number]['own']) => [
  x + dx * (left - 0.5),
  y + dy * (top - 0.5),
  x + dx * (right - 0.5),
  y + dy * (bottom - 0.5),
];

const mixed = (all: ReturnType<typeof batches>) => all.filter((batch) => batch.some(({ share }) => share > 0)).length;

describe('mixing pictures', () => {
  it('is done to the asked share of the batches', () => {
    for (const name of ['cutmix', 'inset'] as const) {
      expect(mixed(batches({ [name]: 0 }))).toBe(0);
      expect(mixed(batches({ [name]: 1 }))).toBe(100);
      expect(Math.abs(mixed(batches({ [name]: 0.4 })) - 40)).toBeLessThan(20);
    }
  });

  it('covers a part with the same part of the next picture, which gets the share of the area', () => {
    for (const batch of batches({ cutmix: 1 }))
      batch.forEach(({ other, share }, i) => {
        const { left, top, right, bottom } = other;
        const { x, y, dx, dy } = batch[(i + 1) % batch.length].own;
        expect(other).toMatchObject({ x, y, dx, dy });
        expect(share).toBe(((right - left) * (bottom - top)) / SIDE ** 2);
      });
  });

  it('shrinks the whole next picture into a box, which gets the share of the side', () => {
    const sides = batches({ inset: 1 }).flatMap((batch) =>
      batch.map(({ other, share }, i) => {
        const { left, top, right, bottom } = other;
        const side = right - left;
        expect(bottom - top).toBe(side);
        expect(Math.min(left, top)).toBeGreaterThanOrEqual(0);
        expect(Math.max(right, bottom)).toBeLessThanOrEqual(SIDE);
        expect(share).toBeCloseTo(side / SIDE, 12);
        const whole = edges(batch[(i + 1) % batch.length].own);
        for (const [k, edge] of edges(other).entries()) expect(edge).toBeCloseTo(whole[k], 9);
        return side / SIDE;
      }),
    );
    expect(Math.min(...sides)).toBeGreaterThan(0.19);
    expect(Math.min(...sides)).toBeLessThan(0.25);
    expect(Math.max(...sides)).toBeGreaterThan(0.65);
    expect(Math.max(...sides)).toBeLessThan(0.71);
  });
});
