import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { boxAccuracy, boxCurve } from '../../src/metrics/boxes.js';
import { averagePrecision, bestMaskIou, energyInMask, pointingGame } from '../../src/metrics/localisation.js';
import { composeMosaic, gridPointing } from '../../src/metrics/mosaic.js';
import {
  boxIou,
  boxMask,
  gaussianMap,
  inputBox,
  inputMask,
  maskBox,
  maskIou,
  uniformMap,
} from '../../src/metrics/regions.js';
import { square } from '../support/metrics.js';

const references = JSON.parse(readFileSync('test/fixtures/metrics/metrics.json', 'utf8'));
const side: number = references.side;
const mask = { width: side, height: side, data: Uint8Array.from(references.mask as number[]) };
const point = (at: number) => square(Float32Array.from({ length: side * side }, (_, i) => (i === at ? 1 : 0)));

describe('pointingGame', () => {
  it.each([15, 4.5, 1, 0])('hits less than %d pixels from the object', (tolerance) => {
    references.distance.forEach((distance: number, at: number) => {
      const hit = distance === 0 || distance < tolerance;
      expect(pointingGame(point(at), mask, { tolerance })).toBe(hit ? 1 : 0);
    });
  });

  it('gives maps with several maxima the share that hits', () => {
    const near = references.distance.filter((distance: number) => distance < 15).length / side ** 2;
    for (const value of [0, 1, -3]) {
      const flat = square(new Float32Array(side * side).fill(value));
      expect(pointingGame(flat, mask)).toBeCloseTo(near, 12);
    }
  });
});

describe('energyInMask', () => {
  it('is the share of positive values inside', () => {
    const data = Float32Array.of(1, -5, 3, 4);
    const inside = { width: 2, height: 2, data: Uint8Array.of(1, 1, 0, 0) };
    expect(energyInMask(square(data), inside)).toBe(1 / 8);
  });

  it('gives maps that say nothing the share of the area', () => {
    for (const value of [0, 1, -3])
      expect(energyInMask(square(new Float32Array(side * side).fill(value)), mask)).toBeCloseTo(24 / side ** 2, 12);
  });

  it('refuses what is not finite, other sizes and empty masks', () => {
    const empty = { ...mask, data: new Uint8Array(side * side) };
    expect(() => energyInMask(point(0), empty)).toThrow('expected a mask with pixels inside');
    expect(() => energyInMask(square([1, 2, 3, 4]), mask)).toThrow('24 x 24, got 2 x 2');
    const data = new Float32Array(side * side);
    data[30] = Infinity;
    expect(() => pointingGame(square(data), mask)).toThrow('got Infinity in row 1, column 6');
  });
});

describe('pixels', () => {
  const maps: Record<string, ArrayLike<number>> = {
    ...{ a: references.a, coarse: references.coarse, rough: references.rough },
    negative: references.a.map((value: number) => -value),
    flat: new Float32Array(side * side),
  };

  it.each(Object.keys(references.pixels))("are scikit-learn's average precision and Jaccard index: %s", (name) => {
    const [precision, iou] = references.pixels[name];
    expect(averagePrecision(square(maps[name]), mask)).toBeCloseTo(precision, 12);
    expect(bestMaskIou(square(maps[name]), mask)).toBeCloseTo(iou, 12);
  });

  it('are 1 where the map is the mask', () => {
    expect([averagePrecision(mask, mask), bestMaskIou(mask, mask)]).toEqual([1, 1]);
  });

  it('refuse empty masks', () => {
    const empty = { ...mask, data: new Uint8Array(side * side) };
    expect(() => averagePrecision(point(0), empty)).toThrow('averagePrecision: expected a mask with pixels inside');
    expect(() => bestMaskIou(square([1, 2, 3, 4]), mask)).toThrow('24 x 24, got 2 x 2');
  });
});

describe('boxes', () => {
  const [x0, y0, x1, y1] = references.box;
  const box = { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };

  it("fit as SciPy's labelled pieces do", () => {
    const curve = boxCurve(square(references.rough), box, { thresholds: 20 });
    for (let k = 0; k < 20; k++) {
      expect(curve.any[k]).toBeCloseTo(references.any[k], 12);
      expect(curve.largest[k]).toBeCloseTo(references.largest[k], 12);
    }
    expect(Math.max(...curve.largest)).toBeLessThan(Math.max(...curve.any)); // the pieces differ
  });

  it('are the whole picture where a map says nothing', () => {
    const whole = (x1 - x0) * (y1 - y0) * side ** -2;
    for (const value of [0, 1, -2]) {
      const { largest, any } = boxCurve(square(new Float32Array(side * side).fill(value)), box);
      for (const iou of [...largest, ...any]) expect(iou).toBeCloseTo(whole, 12);
    }
  });

  it('take the best of several objects', () => {
    const map = square(Float32Array.from(boxMask(box, side, side).data));
    expect([...boxCurve(map, [{ x: 20, y: 20, width: 2, height: 2 }, box], { thresholds: 2 }).any]).toEqual([1, 1]);
  });

  it('count at the threshold that is best for all pictures', () => {
    const curve = (any: number[]) => ({ thresholds: 3, any: Float64Array.from(any), largest: new Float64Array(3) });
    const curves = [curve([0.9, 0.5, 0]), curve([0.1, 0.6, 0.4]), curve([0, 0.2, 0.7])];
    expect(boxAccuracy(curves, 0.5)).toEqual({ accuracy: 2 / 3, threshold: 1 / 3 });
    expect(boxAccuracy(curves, 0.5, 'any', [0, 0, 2, 2, 2])).toEqual({ accuracy: 3 / 5, threshold: 2 / 3 });
    expect(boxAccuracy(curves, 0.5, 'largest')).toEqual({ accuracy: 0, threshold: 0 });
  });

  it('and masks overlap', () => {
    const a = { x: 0, y: 0, width: 4, height: 4 };
    expect(boxIou(a, { x: 2, y: 2, width: 4, height: 4 })).toBe(4 / 28);
    expect(boxIou(a, { x: 4, y: 0, width: 4, height: 4 })).toBe(0);
    expect(boxIou(a, a)).toBe(1);
    expect(boxIou({ x: 0, y: 0, width: 0, height: 0 }, { x: 0, y: 0, width: 0, height: 0 })).toBe(0);
    const masks = [a, { x: 2, y: 2, width: 4, height: 4 }].map((one) => boxMask(one, 8, 8));
    expect(maskIou(masks[0], masks[1])).toBe(4 / 28);
    expect(maskBox(masks[1])).toEqual({ x: 2, y: 2, width: 4, height: 4 });
    expect(maskBox({ width: 2, height: 1, data: new Uint8Array(2) })).toBeUndefined();
  });
});

describe('from the photograph to the input', () => {
  it('squashes masks', () => {
    const data = Uint8Array.of(0, 255, 128, 0, 0, 0, 128, 255); // 4 x 2
    const photograph = { width: 4, height: 2, data };
    const all = { x: 0, y: 0, width: 4, height: 2 };
    expect([...inputMask(photograph, all, 2).data]).toEqual([1, 0, 0, 1]); // what lies under (1, 0.5), (3, 0.5) ...
    expect([...inputMask(photograph, all, 4).data]).toEqual([0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1]);
    expect([...inputMask(photograph, all, 4, 129).data]).toEqual([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
    expect([...inputMask(photograph, { x: 1, y: 0, width: 2, height: 2 }, 2).data]).toEqual([1, 1, 0, 1]);
  });

  it('squashes and cuts boxes', () => {
    const rect = { x: 40, y: 0, width: 240, height: 240 };
    expect(inputBox({ x: 100, y: 60, width: 60, height: 30 }, rect, 224)).toEqual({
      x: 56,
      y: 56,
      width: 56,
      height: 28,
    });
    expect(inputBox({ x: 0, y: 0, width: 100, height: 240 }, rect, 224)).toEqual({
      x: 0,
      y: 0,
      width: 56,
      height: 224,
    });
    expect(inputBox({ x: 0, y: 0, width: 10, height: 10 }, rect, 224)).toMatchObject({ width: 0 });
  });
});

describe('mosaics', () => {
  const plain = (r: number, width = 6, height = 4) => ({
    width,
    height,
    data: Uint8Array.from({ length: 3 * width * height }, (_, i) => (i % 3 === 0 ? r : 0)),
  });
  const reds = ({ data }: { data: Uint8Array }) => [...data.filter((_, i) => i % 3 === 0)];

  it('put two or four pictures into one', () => {
    const two = composeMosaic([plain(10), plain(20)], 4);
    expect(reds(two.image)).toEqual([10, 10, 20, 20, 10, 10, 20, 20, 10, 10, 20, 20, 10, 10, 20, 20]);
    expect(two.cells[1]).toEqual({ x: 2, y: 0, width: 2, height: 4 });
    const four = composeMosaic([plain(1), plain(2, 3, 9), plain(3), plain(4)], 4);
    expect(reds(four.image)).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
  });

  it('cut the middle, or squash', () => {
    const bands = {
      width: 4,
      height: 2,
      data: Uint8Array.from({ length: 24 }, (_, i) => [1, 50, 60, 9][Math.floor(i / 3) % 4]),
    };
    expect(reds(composeMosaic([bands, bands, bands, bands], 4, { resize: 'nearest' }).image).slice(0, 2)).toEqual([
      50, 60,
    ]);
    const squashed = composeMosaic([bands, bands, bands, bands], 4, { fit: 'squash', resize: 'nearest' });
    expect(reds(squashed.image).slice(0, 2)).toEqual([50, 9]);
  });

  it('count positive evidence in the right cell', () => {
    const mosaic = composeMosaic([plain(1), plain(2)], 2);
    expect(gridPointing(square([3, 1, -9, 2]), mosaic, 0)).toBe(0.5);
    expect(gridPointing(square([3, 1, -9, 2]), mosaic, 1)).toBe(0.5);
    expect(gridPointing(square([4, 0, 0, 1]), mosaic, 0)).toBe(0.8);
    expect(gridPointing(square([0, 0, 0, 0]), mosaic, 1)).toBe(0.5);
    expect(() => gridPointing(square([0, 0, 0, 0]), mosaic, 2)).toThrow('a cell from 0 to 1');
  });

  it('refuse other numbers of pictures and odd sides', () => {
    expect(() => composeMosaic([plain(1)], 4)).toThrow('two or four pictures, got 1');
    expect(() => composeMosaic([plain(1), plain(2)], 5)).toThrow('an even side, got 5');
  });
});

describe('baselines', () => {
  it('say nothing, or look at the middle', () => {
    expect([...(uniformMap(2).data as Float32Array)]).toEqual([1, 1, 1, 1]);
    const { data } = gaussianMap(5, 1);
    expect(data[12]).toBe(1);
    expect(data[11]).toBeCloseTo(Math.exp(-0.5), 6);
    expect(data[0]).toBeCloseTo(Math.exp(-4), 6);
    expect(Math.max(...(gaussianMap(4).data as Float32Array))).toBe(1);
  });
});
