/** Elements of an array of this shape; with `first`, of one entry of the dimensions before it: the product of those from `first` on. */
export const sizeFrom = (shape: readonly number[], first = 0): number =>
  shape.slice(first).reduce((product, side) => product * side, 1);
