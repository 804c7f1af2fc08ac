import type { Rect } from '../base/types.js';
import { checkCount, checkMap, type GreyMap, refuse } from './map.js';

/** Which pixels count: (height, width), 0 outside, anything else inside. */
export interface Mask extends GreyMap {
  readonly data: Uint8Array;
}

/**
 * A mask of the upright photograph as the network sees it: each pixel of the input takes what lies under its centre.
 *
 * @param mask (height, width) of the photograph; inside is what reaches `threshold`
 * @param rect the part of the photograph that the network sees, as `explain` and `preprocess` give it
 * @param side of the input in pixels
 * @param threshold default 1: all that is not 0. Of a mask with 128 on the boundary, 129 leaves the boundary out
 * @returns (side, side) of 0 and 1
 * @example
 * const { rect } = await net.preprocess('cat.jpg');
 * const seen = inputMask(mask, rect, net.inputSize); // mask: of the whole photograph
 */
export function inputMask(mask: GreyMap, rect: Rect, side: number, threshold = 1): Mask {
  checkMap('inputMask', mask);
  const along = (from: number, length: number, size: number) =>
    Array.from({ length: side }, (_, i) =>
      Math.min(Math.max(Math.floor(from + ((i + 0.5) * length) / side), 0), size - 1),
    );
  const columns = along(rect.x, rect.width, mask.width);
  const rows = along(rect.y, rect.height, mask.height);
  const data = new Uint8Array(side * side);
  rows.forEach((row, y) => {
    columns.forEach((column, x) => {
      data[y * side + x] = mask.data[row * mask.width + column] >= threshold ? 1 : 0;
    });
  });
  return { width: side, height: side, data };
}

/**
 * A box of the photograph as the network sees it, cut to the input; of no area where it lies outside.
 *
 * @example
 * const { rect } = await net.preprocess('cat.jpg');
 * inputBox({ x: 10, y: 20, width: 200, height: 100 }, rect, net.inputSize);
 */
export function inputBox(box: Rect, rect: Rect, side: number): Rect {
  const clamp = (value: number) => Math.min(Math.max(value, 0), side);
  const [x0, x1] = [box.x, box.x + box.width].map((x) => clamp(((x - rect.x) * side) / rect.width));
  const [y0, y1] = [box.y, box.y + box.height].map((y) => clamp(((y - rect.y) * side) / rect.height));
  return { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
}

/**
 * The pixels whose centres lie in a box.
 *
 * @example
 * boxMask({ x: 1, y: 0, width: 2, height: 1 }, 4, 1).data; // 0, 1, 1, 0
 */
export function boxMask({ x, y, width: w, height: h }: Rect, width: number, height: number): Mask {
  const data = new Uint8Array(width * height);
  for (let row = Math.ceil(y - 0.5); row < y + h - 0.5; row++)
    for (let column = Math.ceil(x - 0.5); column < x + w - 0.5; column++)
      if (row >= 0 && row < height && column >= 0 && column < width) data[row * width + column] = 1;
  return { width, height, data };
}

/**
 * The smallest box around a mask; undefined where the mask is empty.
 *
 * @example
 * maskBox(mask); // { x, y, width, height }, undefined of an empty one
 */
export function maskBox({ width, data }: Mask): Rect | undefined {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -1, -1];
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
  }
  return x1 < 0 ? undefined : { x: x0, y: y0, width: x1 - x0 + 1, height: y1 - y0 + 1 };
}

/**
 * Intersection over union of two boxes, 0..1; 0 where both have no area.
 *
 * @example
 * boxIou({ x: 0, y: 0, width: 2, height: 1 }, { x: 1, y: 0, width: 2, height: 1 }); // 1/3
 */
export function boxIou(a: Rect, b: Rect): number {
  const overlap = (from: number, length: number, from2: number, length2: number) =>
    Math.max(0, Math.min(from + length, from2 + length2) - Math.max(from, from2));
  const both = overlap(a.x, a.width, b.x, b.width) * overlap(a.y, a.height, b.y, b.height);
  const either = a.width * a.height + b.width * b.height - both;
  return either > 0 ? both / either : 0;
}

/**
 * Intersection over union of two masks of one size, 0..1; 0 where both are empty.
 *
 * @example
 * maskIou(mask, mask); // 1
 */
export function maskIou(a: Mask, b: Mask): number {
  if (a.width !== b.width || a.height !== b.height)
    refuse('maskIou', 'masks of one size', `${a.width} x ${a.height} and ${b.width} x ${b.height}`);
  let [both, either] = [0, 0];
  for (let i = 0; i < a.data.length; i++) {
    if (a.data[i] && b.data[i]) both++;
    if (a.data[i] || b.data[i]) either++;
  }
  return either > 0 ? both / either : 0;
}

/**
 * The baseline that knows nothing: all values equal.
 *
 * @example
 * energyInMask(uniformMap(mask.width), mask); // the object's share of the picture: what chance reaches
 */
export function uniformMap(side: number): GreyMap {
  checkCount('uniformMap', 'side', side);
  return { width: side, height: side, data: new Float32Array(side * side).fill(1) };
}

/**
 * The baseline that knows where photographers put things: a Gaussian in the middle, 1 at its top.
 *
 * @param sigma in pixels; default a quarter of the side
 * @example
 * pointingGame(gaussianMap(mask.width), mask); // what a map reaches that always shows the middle
 */
export function gaussianMap(side: number, sigma = side / 4): GreyMap {
  checkCount('gaussianMap', 'side', side);
  if (!(sigma > 0)) refuse('gaussianMap', 'sigma above 0', sigma);
  const line = Float64Array.from({ length: side }, (_, i) => Math.exp(-((i - (side - 1) / 2) ** 2) / (2 * sigma ** 2)));
  const top = Math.max(...line) ** 2;
  const data = Float32Array.from(
    { length: side * side },
    (_, i) => (line[Math.floor(i / side)] * line[i % side]) / top,
  );
  return { width: side, height: side, data };
}
