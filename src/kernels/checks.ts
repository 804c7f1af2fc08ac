import { AtrousCamError } from '../base/errors.js';
import { sizeFrom } from '../base/shape.js';
import { view } from '../wasm/job.js';
import type { Conv2dOptions, CrossEntropyOptions, DenseOptions, MaxPool2dOptions } from './options.js';

/** Checks of one kernel call's arguments. Each message begins with the operation's name. */
export class Checks {
  constructor(readonly operation: string) {}

  /** Throws unless `shape` is `names.length` whole numbers from 1 on; returns it. */
  shape(shape: readonly number[], ...names: string[]): readonly number[] {
    const right = Array.isArray(shape) && shape.length === names.length && shape.every(isCount);
    if (!right) this.fail(`shape [${names.join(', ')}] of whole numbers from 1 on`, `[${shape}]`);
    return shape;
  }

  /** Throws unless `value` is a whole number from 1 on; returns it. */
  count(name: string, value: number): number {
    if (!isCount(value)) this.fail(`${name} to be a whole number from 1 on`, String(value));
    return value;
  }

  /** Throws unless `array` is a Float32Array of as many numbers as the product of `sizes`; `formula` names the factors. */
  array(name: string, array: Float32Array, formula: string, ...sizes: number[]): void {
    const length = sizeFrom(sizes);
    if (!(array instanceof Float32Array))
      this.fail(`${name} to be a Float32Array`, Object.prototype.toString.call(array).slice(8, -1));
    if (array.length !== length) this.fail(`${name} of ${formula} = ${length} numbers`, String(array.length));
  }

  /** Throws unless a pool's window fits into the map. */
  fits(what: string, window: number, side: number): void {
    if (window > side) this.fail(`${what} of at least ${window}, the reach of its window`, String(side));
  }

  /** Throws unless `labels` are `rows` whole numbers below `columns`; returns them. */
  labels(labels: ArrayLike<number>, rows: number, columns: number): readonly number[] {
    const list = Array.from(labels);
    if (list.length !== rows) this.fail(`labels of rows = ${rows} numbers`, String(list.length));
    const wrong = list.find((label) => !(Number.isInteger(label) && label >= 0 && label < columns));
    if (wrong !== undefined) this.fail(`labels to be whole numbers from 0 to ${columns - 1}`, String(wrong));
    return list;
  }

  /** Throws BAD_ARGUMENT. */
  fail(expected: string, got: string): never {
    throw new AtrousCamError('BAD_ARGUMENT', `${this.operation}: expected ${expected}, got ${got}`);
  }
}

const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 1;

/** Checks a convolution's or its gradients' arguments; [n, h, w, cin]. */
export function checkConv(
  checks: Checks,
  { x, shape, w, cout, dilation = 1 }: Omit<Conv2dOptions, 'b' | 'relu'>,
): readonly number[] {
  const [n, height, width, cin] = checks.shape(shape, 'n', 'h', 'w', 'cin');
  checks.count('cout', cout);
  checks.count('dilation', dilation);
  checks.array('x', x, 'n*h*w*cin', n, height, width, cin);
  checks.array('w', w, '3*3*cin*cout', 9, cin, cout);
  return [n, height, width, cin];
}

/** Checks logits and what they should be; labels become rows of a one. */
export function crossEntropyOperands(checks: Checks, { x, shape, labels, targets }: CrossEntropyOptions) {
  const [rows, columns] = checks.shape(shape, 'rows', 'columns');
  checks.array('x', x, 'rows*columns', rows, columns);
  if (labels && !targets) return { x, targets: oneHot(checks.labels(labels, rows, columns), columns), rows, columns };
  if (labels || !targets) return checks.fail('either labels or targets', labels ? 'both' : 'neither');
  checks.array('targets', targets, 'rows*columns', rows, columns);
  return { x, targets, rows, columns };
}

function oneHot(labels: readonly number[], columns: number): Float32Array {
  const rows = new Float32Array(labels.length * columns);
  labels.forEach((label, i) => {
    rows[i * columns + label] = 1;
  });
  return rows;
}

/** Checks a dense layer's or its gradients' arguments; [n, in]. */
export function checkDense(checks: Checks, o: Pick<DenseOptions, 'x' | 'shape' | 'w' | 'out'>): readonly number[] {
  const [n, inputs] = checks.shape(o.shape, 'n', 'in');
  checks.count('out', o.out);
  checks.array('x', o.x, 'n*in', n, inputs);
  checks.array('w', o.w, 'in*out', inputs, o.out);
  return [n, inputs];
}

/** Checks a pool's arguments; the maps have no place in memory yet. */
export function poolShapes(checks: Checks, { x, shape, size, stride = size, dilation = 1 }: MaxPool2dOptions) {
  const [n, h, w, c] = checks.shape(shape, 'n', 'h', 'w', 'c');
  const window = {
    size: checks.count('size', size),
    stride: checks.count('stride', stride),
    dilation: checks.count('dilation', dilation),
  };
  checks.array('x', x, 'n*h*w*c', n, h, w, c);
  const reach = dilation * (size - 1) + 1;
  const windows = (name: string, side: number): number => {
    if (stride === 1) return side;
    checks.fits(name, reach, side);
    return Math.floor((side - reach) / stride) + 1;
  };
  const target = view(0, windows('h', h), windows('w', w), c);
  return { n, source: view(0, h, w, c), target, window };
}
