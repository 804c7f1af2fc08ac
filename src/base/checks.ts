import { AtrousCamError } from './errors.js';
import { sizeFrom } from './shape.js';

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
