import type { Rect } from './types.js';

/** A rectangle of a picture on the same picture at another size. */
export const scaleRect = ({ x, y, width, height }: Rect, across: number, down: number): Rect => ({
  x: x * across,
  y: y * down,
  width: width * across,
  height: height * down,
});

/** Elements of an array of this shape; with `first`, of one entry of the dimensions before it: the product of those from `first` on. */
export const sizeFrom = (shape: readonly number[], first = 0): number =>
  shape.slice(first).reduce((product, side) => product * side, 1);
