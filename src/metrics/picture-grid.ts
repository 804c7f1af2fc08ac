import type { TensorInput } from '../api.js';
import { gridNumber } from './grid.js';

/**
 * The grid number of a photograph as the network sees it, the mean over its channels: what a map of it may have by right.
 *
 * @param input of a square picture: what `preprocess` gives, or a probe
 * @example
 * pictureGrid(await net.preprocess('photo.jpg'));
 */
export function pictureGrid({ tensor }: TensorInput): number {
  const side = Math.sqrt(tensor.length / 3);
  const mean = (_: unknown, i: number) => (tensor[3 * i] + tensor[3 * i + 1] + tensor[3 * i + 2]) / 3;
  return gridNumber({ width: side, height: side, data: Float64Array.from({ length: side * side }, mean) });
}
