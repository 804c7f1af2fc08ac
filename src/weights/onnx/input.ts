import { AtrousCamError } from '../../base/errors.js';
import { badWeights, quote } from '../source.js';
import type { OnnxModel, OnnxValue } from './file.js';

/** How a file's input can be read: the order of its axes, and its sizes. */
export interface InputLayout {
  /** `nchw`, `nhwc`, or without pictures. */
  readonly order: string;
  readonly pictures: number;
  readonly h: number;
  readonly w: number;
  readonly c: number;
}

const defaultSide = 224;
const mostPictures = 4096;

/** What the file's sizes of an input allow, the likeliest first; what stays open is decided by the first convolution. */
export function inputLayouts(
  { source }: OnnxModel,
  { name, shape }: OnnxValue,
  inputSize?: number | readonly [number, number],
): InputLayout[] {
  const wanted = typeof inputSize === 'number' ? ([inputSize, inputSize] as const) : inputSize;
  if (wanted && !(wanted.length === 2 && wanted.every((side) => Number.isInteger(side) && side >= 1 && side <= 4096)))
    throw new AtrousCamError('BAD_ARGUMENT', `inputSize: expected sides from 1 to 4096, got ${inputSize}`);
  const sizes = shape ?? [-1, -1, -1, -1];
  const orders = sizes.length === 4 ? ['nchw', 'nhwc'] : sizes.length === 3 ? ['chw', 'hwc'] : [];
  const layouts = orders.flatMap((order) =>
    [3, 1].flatMap((c) => {
      const size = (axis: string) => sizes[order.indexOf(axis)] ?? 1;
      if (size('c') !== c && size('c') !== -1) return [];
      const side = (axis: string, given?: number) => given ?? (size(axis) > 0 ? size(axis) : defaultSide);
      const pictures = Math.max(1, size('n'));
      return [{ order, pictures, h: side('h', wanted?.[0]), w: side('w', wanted?.[1]), c }];
    }),
  );
  if (layouts.length === 0 || layouts[0].pictures > mostPictures)
    throw badWeights(
      source,
      `ONNX: expected an input of pictures with 3 channels or 1, got ${quote(name)} of shape [${sizes.map((size) => (size < 0 ? '?' : size)).join(', ')}]`,
    );
  return layouts;
}

/** The inputs that the network's outputs depend on, which must be one. */
export function imageInput({ source, inputs }: OnnxModel, read: ReadonlySet<string>): OnnxValue {
  const used = inputs.filter(({ name }) => read.has(name));
  if (used.length !== 1)
    throw new AtrousCamError(
      'UNSUPPORTED',
      `weights ${quote(source)}: ONNX: expected one input, a picture, got ${used.length === 0 ? 'none' : used.map(({ name }) => quote(name)).join(', ')}; export the classifier with the picture as its only input`,
    );
  return used[0];
}
