import { AtrousCamError } from '../base/errors.js';
import { sizeFrom } from '../base/shape.js';
import type { CrossEntropyOptions, DenseOptions, Padding, Sides } from './options.js';

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

  /** Throws unless `shape` is one whole number or more, from 1 on; returns it. */
  axes(shape: readonly number[]): readonly number[] {
    if (!(Array.isArray(shape) && shape.length > 0 && shape.every(isCount)))
      this.fail('shape [..., c] of whole numbers from 1 on', `[${shape}]`);
    return shape;
  }

  /** Throws unless `value` is a whole number from 1 on, or two; returns it down and across. */
  sides(name: string, value: Sides): readonly [number, number] {
    const sides = (Array.isArray(value) ? value : [value, value]) as readonly [number, number];
    if (sides.length !== 2 || !sides.every(isCount))
      this.fail(`${name} to be a whole number from 1 on, or two of them`, shown(value));
    return sides;
  }

  /** Throws unless `pad` is 'same', a whole number or four; returns the four, top, left, bottom, right. */
  pad(pad: Padding): 'same' | readonly [number, number, number, number] {
    if (pad === 'same') return pad;
    const four = (Array.isArray(pad) ? pad : [pad, pad, pad, pad]) as readonly [number, number, number, number];
    if (four.length !== 4 || !four.every(Number.isInteger))
      this.fail("pad to be 'same', a whole number or four, [top, left, bottom, right]", shown(pad));
    return four;
  }

  /** Throws unless `value` is a number above zero. */
  positive(name: string, value: number): void {
    if (!(typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY))
      this.fail(`${name} to be a number above 0`, String(value));
  }

  /** Throws unless `array` is a Float32Array. */
  numbers(name: string, array: Float32Array): void {
    if (!(array instanceof Float32Array))
      this.fail(`${name} to be a Float32Array`, Object.prototype.toString.call(array).slice(8, -1));
  }

  /**
   * Throws unless `array` is a Float32Array of as many numbers as the product of `sizes`; `formula` names the factors.
   */
  array(name: string, array: Float32Array, formula: string, ...sizes: number[]): void {
    const length = sizeFrom(sizes);
    this.numbers(name, array);
    if (array.length !== length) this.fail(`${name} of ${formula} = ${length} numbers`, String(array.length));
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

/** A value in a message: lists with their brackets, texts with their quotes. */
const shown = (value: unknown): string =>
  Array.isArray(value) ? `[${value}]` : typeof value === 'string' ? `'${value}'` : String(value);

const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 1;

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
