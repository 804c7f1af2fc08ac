import { describe, expect, it } from 'vitest';
import { exifOrientation } from '../src/image/exif.js';
import { decodeFixture, expectSame, fixture } from './image-helpers.js';
import { decodeImage } from './support/decode.js';

describe('decodeImage, JPEG against libjpeg-turbo', () => {
  it.each([
    ...[
      'baseline-444',
      'baseline-422',
      'baseline-440',
      'baseline-420',
      'tiny-420',
      'progressive',
      'rgb',
      'cmyk',
      'ycck',
    ],
    ...['progressive-odd-restart', 'gray', 'gray-22', 'gray-restart'],
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((orientation) => `orientation-${orientation}`),
  ])('%s.jpg: every pixel', (name) => {
    expectSame(decodeFixture(`${name}.jpg`), decodeFixture(`${name}.jpg.expected.png`), name);
  });

  it('ignores pictures appended after the end marker', () => {
    const bytes = fixture('baseline-420.jpg');
    expectSame(decodeImage(Uint8Array.from([...bytes, ...bytes, 0])), decodeImage(bytes));
  });

  it('reads over fill bytes and unknown segments', () => {
    const bytes = fixture('baseline-420.jpg');
    const comment = [0xff, 0xff, 0xff, 0xfe, 0, 4, 1, 2, 0xff, 0xe9, 0, 3, 9];
    const file = Uint8Array.from([...bytes.subarray(0, 2), ...comment, ...bytes.subarray(2)]);
    expectSame(decodeImage(file), decodeImage(bytes));
  });
});

describe('exifOrientation', () => {
  const little = (entries: string, count = 1) =>
    Buffer.from(`49492a0008000000${count.toString(16).padStart(2, '0')}00${entries}`.replaceAll(' ', ''), 'hex');
  const big = Buffer.from('4d4d002a00000008000101120003000000010003 0000'.replaceAll(' ', ''), 'hex');

  it('reads both byte orders, wherever the entry stands', () => {
    expect(exifOrientation(big)).toBe(3);
    expect(exifOrientation(little('1201 0300 01000000 0800 0000'))).toBe(8);
    expect(exifOrientation(little('0001 0300 01000000 0500 0000 1201 0300 01000000 0700 0000', 2))).toBe(7);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['no TIFF', Buffer.from('not a TIFF header at all')],
    ['no such tag', little('0001 0300 01000000 0500 0000')],
    ['0', little('1201 0300 01000000 0000 0000')],
    ['9', little('1201 0300 01000000 0900 0000')],
    ['another type', little('1201 0200 01000000 0600 0000')],
    ['a directory beyond the end', Buffer.from('49492a00ffffffff0100', 'hex')],
    ['a directory that is the header', Buffer.from('49492a0000000000', 'hex')],
    ['more entries than bytes', little('0001 0300 01000000 0500 0000', 255)],
  ])('%s means upright', (_, tiff) => {
    expect(exifOrientation(tiff)).toBe(1);
  });
});
