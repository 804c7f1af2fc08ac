import { expect, test } from 'vitest';
import type { Explanation } from '../src/api.js';
import { formatSeconds } from '../src/base/format.js';
import type { Mode, RgbImage } from '../src/base/types.js';
import { drawFigure } from '../src/figure/figure.js';
import { blank, fillPath } from '../src/figure/raster.js';
import { openSans } from '../src/figure/text.js';

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The smallest box around the pixels of `area` that are not white; undefined where all are. */
function ink(image: RgbImage, area: Box = { x: 0, y: 0, width: image.width, height: image.height }): Box | undefined {
  let [left, top, right, bottom] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, -1, -1];
  for (let y = area.y; y < area.y + area.height; y++)
    for (let x = area.x; x < area.x + area.width; x++) {
      const i = 3 * (y * image.width + x);
      if (image.data[i] + image.data[i + 1] + image.data[i + 2] > 740) continue;
      [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
    }
  return right < 0 ? undefined : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** An explanation of a grey photograph of the given size. */
function explanation(mode: Mode, { width = 420, height = 300, flat = false, label = 'boxer' } = {}): Explanation {
  const image = { width, height, data: new Uint8Array(width * height * 3).fill(128) };
  const predictions = [{ index: 1, label, probability: 0.42 }];
  const probabilities = Float32Array.of(0.58, 0.42);
  const data = new Float32Array(16).fill(flat ? 0 : 0.5);
  const map = { width: 4, height: 4, data, flat };
  return {
    mode,
    method: 'gradcam',
    layers: ['block5_conv3'],
    heads: 'one',
    predictions,
    logits: Float32Array.of(0, 0),
    probabilities,
    target: { index: 1, label },
    score: 1,
    outputStride: 16,
    placement: { align: 'centres', origin: [0, 0], pitch: [2, 2] },
    zoom: [1],
    raw: { width: 2, height: 2, data: new Float32Array(4) },
    map,
    rect: { x: 0, y: 0, width, height },
    image,
    seconds: 0.25,
    peakBytes: 1,
    overlay: () => image,
  };
}

test('panels are equal in size and keep the photograph’s aspect', async () => {
  const figure = await drawFigure([explanation('pooled'), explanation('atrous')], { name: 'dog.jpg' });
  const photos = [0, 1, 2].map((i) => 28 + i * 440);
  for (const x of photos) {
    const y = 114; // below the captions
    expect(ink(figure, { x: x - 10, y, width: 440, height: 300 })).toEqual({ x, y, width: 420, height: 300 });
  }
  const wide = await drawFigure([explanation('pooled', { width: 1000, height: 100 })]);
  expect(ink(wide, { x: 20, y: 110, width: 440, height: 48 })).toMatchObject({ width: 420, height: 42 });
  const tall = await drawFigure([explanation('pooled', { width: 100, height: 1000 })]);
  expect(ink(tall, { x: 28, y: 110, width: 208, height: 366 })).toMatchObject({ width: 36, height: 360 });
});

test('title, captions, predictions and ticks are where they should be', async () => {
  const figure = await drawFigure([explanation('pooled'), explanation('atrous')], { name: 'dog.jpg' });
  const title = ink(figure, { x: 0, y: 0, width: figure.width, height: 60 })!;
  expect(title.x).toBeGreaterThanOrEqual(28);
  expect(title.width).toBeGreaterThan(300);
  for (const x of [28, 468, 908]) {
    expect(ink(figure, { x, y: 62, width: 420, height: 24 })).toBeDefined(); // name
    expect(ink(figure, { x, y: 86, width: 420, height: 24 })).toBeDefined(); // size and time
    expect(ink(figure, { x, y: 416, width: 420, height: 30 })).toBeDefined(); // file or prediction
  }
  const ticks = { x: 908 + 440 + 16 + 6, y: 100, width: 60, height: 330 };
  expect(ink(figure, ticks)!.height).toBeGreaterThan(300);
  // Margins stay white.
  expect(ink(figure, { x: 0, y: 0, width: 27, height: figure.height })).toBeUndefined();
  expect(ink(figure, { x: figure.width - 20, y: 0, width: 20, height: figure.height })).toBeUndefined();
  expect(ink(figure, { x: 0, y: figure.height - 20, width: figure.width, height: 20 })).toBeUndefined();
});

test('the colour bar runs from the colour of 0 at the bottom to that of 1 at the top', async () => {
  const figure = await drawFigure([explanation('pooled')], { colormap: 'viridis' });
  const at = (y: number) => [...figure.data.subarray(3 * (y * figure.width + 28 + 2 * 440 + 4)).slice(0, 3)];
  expect(at(114)).toEqual([253, 231, 37]);
  expect(at(114 + 299)).toEqual([68, 1, 84]);
});

test('only a flat map says so on its panel', async () => {
  const white = (figure: RgbImage) => {
    const line = figure.data.subarray(3 * (264 * figure.width + 468), 3 * (264 * figure.width + 888));
    return line.filter((v) => v === 255).length;
  };
  expect(white(await drawFigure([explanation('pooled', { flat: true })]))).toBeGreaterThan(30);
  expect(white(await drawFigure([explanation('pooled')]))).toBe(0);
});

test('the same explanations give the same figure, others another one', async () => {
  const draw = (label: string) => drawFigure([explanation('pooled', { label })]);
  const first = await draw('boxer');
  expect(await draw('boxer')).toEqual(first);
  expect((await draw('boxes')).data).not.toEqual(first.data);
});

test('a long label is cut, so that nothing leaves the figure', async () => {
  const label = 'an extraordinarily long name of a class that nobody would ever want to read in full, or would they';
  const figure = await drawFigure([explanation('pooled', { label })]);
  const title = ink(figure, { x: 0, y: 0, width: figure.width, height: 60 })!;
  expect(title.x + title.width).toBeLessThanOrEqual(figure.width - 28);
  const below = ink(figure, { x: 450, y: 418, width: 455, height: 30 })!;
  expect(below.x + below.width).toBeLessThanOrEqual(468 + 420);
});

test('no explanations: refused', async () => {
  await expect(drawFigure([])).rejects.toThrowError('figure: expected at least one explanation, got none');
});

test('characters that the font lacks are drawn as question marks', () => {
  const face = openSans('regular');
  const draw = (text: string) => {
    const image = blank(200, 30);
    face.draw(image, text, 2, 22, 16, [0, 0, 0]);
    return image.data;
  };
  expect(draw('a犬b')).toEqual(draw('a?b'));
  expect(draw('a\n\tb')).toEqual(draw('a b'));
  expect(draw('e\u0301')).toEqual(draw('\u00e9')); // composed first
  for (const letter of 'éßøÅłőšžğțẞ') expect(draw(letter), letter).not.toEqual(draw('?'));
});

test('text is as wide as it measures, and cut text fits', () => {
  const face = openSans('semibold');
  const image = blank(600, 40);
  face.draw(image, 'HHHHHHHHHH', 10, 30, 20, [0, 0, 0]);
  const box = ink(image)!;
  const length = face.measure('HHHHHHHHHH', 20);
  expect(Math.abs(box.width - length)).toBeLessThan(6); // side bearings of the outer letters
  expect(box.y + box.height).toBe(30); // stands on the baseline
  expect(face.fit('short', 20, 500)).toBe('short');
  const cut = face.fit('a rather long text', 20, 90);
  expect(cut).toMatch(/^a r.*[^ ]…$/);
  expect(face.measure(cut, 20)).toBeLessThanOrEqual(90);
});

test('an outline is filled with the exact share of each pixel', () => {
  const square = (x0: number, y0: number, x1: number, y1: number) =>
    [
      { type: 'M', x: x0, y: y0 },
      { type: 'L', x: x1, y: y0 },
      { type: 'L', x: x1, y: y1 },
      { type: 'L', x: x0, y: y1 },
      { type: 'Z' },
    ] as const;
  const image = blank(6, 4);
  fillPath(image, [...square(1.25, 1, 3.5, 2.5)], [0, 0, 0]);
  const row = (y: number) =>
    Array.from({ length: 6 }, (_, x) => Math.round((255 - image.data[3 * (y * 6 + x)]) / 2.55));
  expect(row(0)).toEqual([0, 0, 0, 0, 0, 0]);
  expect(row(1)).toEqual([0, 75, 100, 50, 0, 0]);
  expect(row(2)).toEqual([0, 38, 50, 25, 0, 0]);

  const triangle = blank(4, 4);
  fillPath(
    triangle,
    [{ type: 'M', x: 0, y: 0 }, { type: 'L', x: 4, y: 0 }, { type: 'L', x: 0, y: 4 }, { type: 'Z' }],
    [0, 0, 0],
  );
  const total = triangle.data.reduce((sum, v) => sum + (255 - v) / 255 / 3, 0);
  expect(total).toBeCloseTo(8, 1);
});

test.each([
  [0.0851, '85 ms'],
  [0.9994, '999 ms'],
  [0.9996, '1.00 s'],
  [9.994, '9.99 s'],
  [9.996, '10.0 s'],
  [123.4, '123 s'],
])('%d seconds are written as %s', (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});
