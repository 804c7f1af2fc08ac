import { expect, test } from 'vitest';
import { sizeFrom } from '../src/base/shape.js';
import { encodeNpy } from '../src/map/npy.js';

test('a 2 x 3 array has the bytes that the format asks for', () => {
  const bytes = encodeNpy(Float32Array.of(0, 1, -2, 0.5, Number.NaN, 3.25), [2, 3]);
  // Written by hand from the format's description: magic, version 1.0, header length 0x0076 = 118, header, numbers.
  const fields = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  const head = Buffer.concat([
    Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 0x01, 0x00, 0x76, 0x00]),
    Buffer.from(`${fields}${' '.repeat(128 - 10 - fields.length - 1)}\n`, 'latin1'),
  ]);
  expect(head.length).toBe(128);
  const numbers = Buffer.from('00000000' + '0000803f' + '000000c0' + '0000003f' + '0000c07f' + '00005040', 'hex');
  expect(Buffer.from(bytes)).toEqual(Buffer.concat([head, numbers]));
});

test.each([
  [[5], "'shape': (5,), }"],
  [[1, 1], "'shape': (1, 1), }"],
  [[224, 224], "'shape': (224, 224), }"],
  [[100, ...Array(20).fill(1)], "'shape': (100, 1, "], // the fields end at a multiple of 64: the line feed needs 64 bytes more
  [[123456, 1, 1], "'shape': (123456, 1, 1), }"],
])('shape %j: header aligned to 64 bytes and closed by a line feed', (shape, fields) => {
  const size = sizeFrom(shape);
  const bytes = Buffer.from(encodeNpy(new Float32Array(size).fill(7), shape));
  const length = bytes.readUInt16LE(8);
  const start = 10 + length;
  expect(start % 64).toBe(0);
  expect(bytes.length).toBe(start + 4 * size);
  expect(bytes.toString('latin1', 10, start)).toContain(fields);
  expect(bytes[start - 1]).toBe(0x0a);
  expect(bytes.readFloatLE(start)).toBe(7);
});

test('a shape that does not fit the data is refused', () => {
  expect(() => encodeNpy(new Float32Array(5), [2, 3])).toThrowError('npy: expected 6 values for shape (2, 3), got 5');
});
