import { describe, expect, it } from 'vitest';
import type { CustomNormalization, Preprocessing, RgbImage } from '../src/base/types.js';
import { changedNormalization } from '../src/image/normalization.js';
import { preprocess } from '../src/image/preprocess.js';
import { decodeFixture, expectSame, randomImage } from './image-helpers.js';

/** The shape of a square colour input. */
const square = (side: number) => ({ h: side, w: side, c: 3 });

const keras: Preprocessing = { normalization: 'caffe', resize: 'nearest', fit: 'squash' };
const torchvision: Preprocessing = { normalization: 'torch', resize: 'bilinear', fit: 'crop' };

/** A picture of one colour. */
function plain(width: number, height: number, rgb: number[]): RgbImage {
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_, i) => rgb[i % 3]) };
}

describe('preprocess', () => {
  const chelsea = decodeFixture('chelsea.png');

  it('sees what Keras sees', () => {
    const { seen, rect, input } = preprocess(chelsea, square(224), keras);
    expectSame(seen, decodeFixture('chelsea-224-nearest.expected.png'));
    expect(rect).toEqual({ x: 0, y: 0, width: 451, height: 300 });
    expect(input.length).toBe(224 * 224 * 3);
  });

  it('sees what torchvision sees', () => {
    // 451x300 becomes 384x256, of which the square from (80, 16) is kept
    const { seen, rect } = preprocess(chelsea, square(224), torchvision);
    expectSame(seen, decodeFixture('chelsea-torchvision-256-224.expected.png'));
    expect(rect.x).toBeCloseTo((80 * 451) / 384, 10);
    expect(rect.y).toBeCloseTo((16 * 300) / 256, 10);
    expect(rect.width).toBeCloseTo((224 * 451) / 384, 10);
    expect(rect.height).toBeCloseTo((224 * 300) / 256, 10);
  });

  it('crops the same of a picture and of its transpose', () => {
    const tall = preprocess(plain(300, 451, [1, 2, 3]), square(224), torchvision).rect;
    const wide = preprocess(chelsea, square(224), torchvision).rect;
    expect(tall).toEqual({ x: wide.y, y: wide.x, width: wide.height, height: wide.width });
  });

  it.each([
    // width, height, side, margin left in the resized picture: int(short * long / shorter), then half to even
    [257, 256, 224, 16], // 257 wide: 33 / 2 = 16.5
    [259, 256, 224, 18], // 35 / 2 = 17.5
    [100, 100, 96, 7], // 110 of 96 * 8 / 7 = 109.7
    [1000, 100, 32, 169], // 37 and 370
    [3, 2, 224, 80], // 384: grown
  ])('%ix%i at %i: leaves a margin of %i', (width, height, side, margin) => {
    const short = Math.round((side * 8) / 7);
    const long = Math.floor((short * width) / height);
    expect(preprocess(plain(width, height, [0, 0, 0]), square(side), torchvision).rect.x).toBeCloseTo(
      (margin * width) / long,
      9,
    );
  });

  it('subtracts the caffe means from BGR, in float32', () => {
    const { input } = preprocess(plain(4, 4, [10, 20, 30]), square(32), keras);
    expect([...input.subarray(0, 3)]).toEqual([-73.93900299072266, -96.77899932861328, -113.68000030517578]);
    expect([...input.subarray(-3)]).toEqual([...input.subarray(0, 3)]);
  });

  it('normalises RGB as torchvision does, in float32', () => {
    // (float32([0, 128, 255]) / 255 - mean) / std in float32
    const { input } = preprocess(plain(4, 4, [0, 128, 255]), square(32), torchvision);
    expect([...input.subarray(0, 3)]).toEqual([-2.1179039478302, 0.20518219470977783, 2.640000104904175]);
  });

  it.each<[string, CustomNormalization, number[]]>([
    ['nothing', {}, [10, 20, 40]],
    ['numbers of one channel', { mean: [10], std: [10] }, [0, 1, 3]],
    ['numbers in the order of the channels', { mean: [40, 20, 0], std: [1, 2, 4], order: 'bgr' }, [0, 0, 2.5]],
    ['the grey picture in all channels', { std: [1, 2, 4], order: 'gray' }, [19, 9.5, 4.75]], // .299 R + .587 G + .114 B
    ['caffe, as numbers', changedNormalization('caffe', {}), [-63.939, -96.779, -113.68]],
    ['torch, the other way round', changedNormalization('torch', { order: 'bgr', mean: [0], std: [1] }), [40, 20, 10]],
    ['tf, as numbers', changedNormalization('tf', {}), [10 / 127.5 - 1, 20 / 127.5 - 1, 40 / 127.5 - 1]],
    ['no name, as it is', changedNormalization(undefined, { std: [5] }), [2, 4, 8]],
  ])('normalizes by %s', (_, normalization, expected) => {
    const { input } = preprocess(plain(4, 4, [10, 20, 40]), square(32), { ...keras, normalization });
    for (const [i, value] of expected.entries()) expect(input[i]).toBeCloseTo(value, 4);
    expect([...input.subarray(-3)]).toEqual([...input.subarray(0, 3)]);
  });

  it('takes the grey picture where there is one channel', () => {
    const normalization = { mean: [9], std: [2] };
    const { input } = preprocess(plain(4, 4, [10, 20, 40]), { h: 8, w: 8, c: 1 }, { ...keras, normalization });
    expect(input).toEqual(new Float32Array(64).fill(5));
  });

  it('gives input and seen the same pixels', () => {
    const { input, seen } = preprocess(randomImage(5, 50, 40), square(32), { ...keras, resize: 'lanczos' });
    for (let i = 0; i < input.length; i++) {
      const channel = 2 - (i % 3);
      const mean = Math.fround([123.68, 116.779, 103.939][channel]);
      expect(input[i]).toBe(Math.fround(seen.data[i - (i % 3) + channel] - mean));
    }
  });

  it('crops a strip without holding the whole resized picture', () => {
    const strip = randomImage(6, 1, 60_000); // 256 x 15 million when resized
    const { seen, rect } = preprocess(strip, square(224), torchvision);
    expect([seen.width, seen.height]).toEqual([224, 224]);
    expect(rect.y).toBeCloseTo(30_000, 0);
  });
});
