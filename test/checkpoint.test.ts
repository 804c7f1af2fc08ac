import { describe, expect, test } from 'vitest';
import { readCheckpoint } from '../src/weights/checkpoint.js';
import { PickledTensor, type PickleValue, StoredData } from '../src/weights/pickle.js';
import { isContiguous, StridedTensor, spanOf } from '../src/weights/strided.js';
import type { RawTensor } from '../src/weights/tensor.js';
import { expectRefused } from './support/weight-files.js';

const tensor = () => new PickledTensor(new StoredData('F32', '0', 1), 0, [1], [1]);
const dictionary = (entries: Record<string, PickleValue>): PickleValue => new Map(Object.entries(entries));
/** A dictionary of so many tensors, `p0`, `p1`, ... */
const state = (count: number, prefix = 'p'): PickleValue =>
  dictionary(Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, tensor()])));
const names = (object: PickleValue) => readCheckpoint('x.pth', object).tensors.map(([name]) => name);

describe('the state dictionary of a checkpoint', () => {
  const found: [string, PickleValue][] = [
    ['the dictionary itself', state(2)],
    ['under a usual key', dictionary({ epoch: 3, state_dict: state(2) })],
    ['under any key', dictionary({ weights: state(2), best: 0.5 })],
    ['two levels down', dictionary({ run: dictionary({ net: state(2), seed: 1 }) })],
    ['beside a dictionary without tensors', dictionary({ net: state(2), average: dictionary({ p: 1 }) })],
    ['beside numbers of the optimizer', dictionary({ model: state(2), optimizer: dictionary({ lr: 1, groups: [] }) })],
  ];
  test.each(found)('%s', (_, object) => expect(names(object)).toEqual(['p0', 'p1']));

  test('is the largest, if it has a usual name or is more than twice as large', () => {
    expect(names(dictionary({ model: state(3), loss: state(2, 'q') }))).toHaveLength(3);
    expect(names(dictionary({ net: state(5), loss: state(2, 'q') }))).toHaveLength(5);
  });

  test('is found once where several keys mean the same', () => {
    const same = state(2);
    expect(names(dictionary({ model: same, best: same }))).toEqual(['p0', 'p1']);
  });

  const refused: [string, PickleValue, RegExp][] = [
    ['a list', [tensor()], /expected a dictionary of tensors/],
    ['two of one size', dictionary({ state_dict: state(2), ema: state(2) }), /got "state_dict" of 2 and "ema" of 2/],
    ['two of similar sizes', dictionary({ teacher: state(3), student: state(2) }), /"teacher" of 3 and "student" of 2/],
    ['a larger one beside the usual', dictionary({ model: state(2), teacher: state(3) }), /"teacher" of 3/],
    ['too many tensors', state(10_001), /at most 10000 tensors, got 10001/],
  ];
  test.each(refused)('is refused: %s', (_, object, message) =>
    expectRefused(() => readCheckpoint('x.pth', object), 'BAD_WEIGHTS', message),
  );

  test('itself holding itself ends', () => {
    const object = new Map<PickleValue, PickleValue>([['p0', tensor()]]);
    object.set('self', object);
    expect(names(object)).toEqual(['p0']);
  });

  const labels: [string, Record<string, PickleValue>, readonly string[] | undefined][] = [
    ['class_to_idx', { class_to_idx: dictionary({ b: 1, a: 0 }) }, ['a', 'b']],
    [
      'idx_to_class',
      {
        idx_to_class: new Map<PickleValue, PickleValue>([
          [1, 'b'],
          [0, 'a'],
        ]),
      },
      ['a', 'b'],
    ],
    ['one level down', { meta: dictionary({ class_to_idx: dictionary({ a: 0 }) }) }, ['a']],
    ['a list', { classes: ['a', 'b'] }, ['a', 'b']],
    ['a list of something else', { classes: [1, 2] }, undefined],
    ['an index twice', { class_to_idx: dictionary({ a: 0, b: 0 }) }, undefined],
    ['an index missing', { class_to_idx: dictionary({ a: 0, b: 2 }) }, undefined],
  ];
  test.each(labels)('labels: %s', (_, entries, expected) =>
    expect(readCheckpoint('x.pth', dictionary({ net: state(1), ...entries })).labels).toEqual(expected),
  );
});

describe('tensors in another order', () => {
  /** 0, 1, 2, ... */
  const counting: RawTensor = {
    name: 'x',
    shape: [1000],
    async readRows(first, target) {
      target.forEach((_, i) => {
        target[i] = first + i;
      });
    },
  };
  const cases: [string, number[], number[], number][] = [
    ['channels_last', [3, 2, 2, 3], [12, 1, 6, 2], 36],
    ['transposed', [3, 4], [1, 3], 12],
    ['every second', [3, 4], [8, 2], 23],
    ['a dimension of one', [3, 1, 2], [2, 77, 1], 6],
    ['one element', [1], [5], 1],
  ];
  test.each(cases)('%s', async (_, shape, strides, span) => {
    expect(spanOf(shape, strides)).toBe(span);
    const raw = new StridedTensor('x.pth', 'x', shape, strides, counting);
    const row = shape.slice(1).reduce((product, side) => product * side, 1);
    const positions = (dimension: number): number[] =>
      dimension === shape.length
        ? [0]
        : Array.from({ length: shape[dimension] }).flatMap((_, i) =>
            positions(dimension + 1).map((at) => at + i * strides[dimension]),
          );
    const all = new Float32Array(shape[0] * row);
    await raw.readRows(0, all);
    expect([...all]).toEqual(positions(0));
    for (let first = 0; first < shape[0]; first++) {
      const one = new Float32Array(row);
      await raw.readRows(first, one);
      expect([...one]).toEqual(positions(0).slice(first * row, (first + 1) * row));
    }
  });

  test('whose elements lie upon each other have no span', () => {
    expect(spanOf([2, 3], [0, 1])).toBeUndefined();
    expect(spanOf([4, 3], [1, 4])).toBe(12);
    expect(spanOf([4, 3], [1, 3])).toBeUndefined();
    expect(spanOf([2, 3], [1])).toBeUndefined();
    expect(spanOf([2, 0], [1, 1])).toBe(0);
  });

  test('what lies in order is told', () => {
    expect(isContiguous([2, 3], [3, 1])).toBe(true);
    expect(isContiguous([2, 1, 3], [3, 99, 1])).toBe(true);
    expect(isContiguous([2, 3], [1, 2])).toBe(false);
    expect(isContiguous([2, 3], [3])).toBe(false);
  });
});
