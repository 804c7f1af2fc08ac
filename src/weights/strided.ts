import { sizeFrom } from '../base/shape.js';
import { badWeights, quote } from './source.js';
import type { RawTensor } from './tensor.js';

/** Elements that are read at once: those of a large dense layer whose rows lie far apart. */
const mostAtOnce = 1 << 26;

/** Whether the last dimension's elements are neighbours, and so on; the stride of a dimension of one element is of no matter. */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  if (strides.length !== shape.length) return false;
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return false;
    expected *= shape[i];
  }
  return true;
}

/** Elements from the first to the last one; nothing where several are the same one, or the strides are not those of the shape. */
export function spanOf(shape: readonly number[], strides: readonly number[]): number | undefined {
  if (strides.length !== shape.length) return undefined;
  let span = 1;
  for (const d of [...shape.keys()].sort((a, b) => strides[a] - strides[b])) {
    if (shape[d] <= 1) continue;
    if (strides[d] < span) return undefined;
    span += strides[d] * (shape[d] - 1);
  }
  return shape.includes(0) ? 0 : span;
}

/**
 * A tensor whose elements lie in another order than its dimensions', such as PyTorch's `channels_last`. `stored` has them as the file
 * does, one after the other from the tensor's first one on.
 */
export class StridedTensor implements RawTensor {
  constructor(
    private readonly source: string,
    readonly name: string,
    readonly shape: readonly number[],
    private readonly strides: readonly number[],
    private readonly stored: RawTensor,
  ) {}

  async readRows(first: number, target: Float32Array): Promise<void> {
    const { source, name, shape, strides, stored } = this;
    const rows = target.length / sizeFrom(shape, 1);
    if (rows === 0) return;
    const span = spanOf([rows, ...shape.slice(1)], strides)!;
    if (span > Math.max(mostAtOnce, 2 * target.length))
      throw badWeights(source, `tensor ${quote(name)}: its elements lie too far apart; save it with .contiguous()`);
    const block = new Float32Array(span);
    await stored.readRows(first * strides[0], block);
    gather(block, [rows, ...shape.slice(1)], strides, target);
  }
}

/** target, row by row, from what lies in steps of `strides`. */
function gather(block: Float32Array, sides: readonly number[], strides: readonly number[], target: Float32Array): void {
  let to = 0;
  const along = (dimension: number, at: number): void => {
    const [side, stride] = [sides[dimension], strides[dimension]];
    if (dimension === sides.length - 1) for (let i = 0; i < side; i++) target[to++] = block[at + i * stride];
    else for (let i = 0; i < side; i++) along(dimension + 1, at + i * stride);
  };
  along(0, 0);
}
