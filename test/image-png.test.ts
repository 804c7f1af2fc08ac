import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { RgbImage } from '../src/base/types.js';
import { encodePng } from '../src/image/decode.js';
import {
  chunk,
  decodeFixture,
  difference,
  expectSame,
  filteredRows,
  fixture,
  type Header,
  png,
  randomImage,
  randomIntegers,
} from './image-helpers.js';
import { decodeImage } from './support/decode.js';

const channelsOf: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const depthsOf: Record<number, number[]> = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
const sizes = [
  [1, 1],
  [3, 2],
  [5, 9],
  [33, 20],
];

/** The formula in floating point; decoders here use integers. */
const overWhite = (value: number, alpha: number) => Math.round((value * alpha + 255 * (255 - alpha)) / 255);

describe('decodeImage, PNG', () => {
  const cases = Object.entries(depthsOf).flatMap(([colorType, depths]) =>
    depths.flatMap((depth) => [false, true].map((interlaced) => [Number(colorType), depth, interlaced] as const)),
  );

  it.each(cases)('colour type %i, depth %i, interlaced %s: every pixel exact', (colorType, depth, interlaced) => {
    const random = randomIntegers(100 * colorType + depth);
    for (const [width, height] of sizes) {
      for (const transparent of [false, true]) {
        const { bytes, expected } = randomPng({ width, height, depth, colorType, interlaced }, transparent, random);
        const message = `${width}x${height}, transparent ${transparent}`;
        expectSame(decodeImage(bytes), { width, height, data: expected }, message);
      }
    }
  });

  it('lays transparency over white, rounding to nearest', () => {
    const data: number[] = [];
    for (let row = 0; row < 256; row++) data.push(0, ...Array.from({ length: 256 }, (_, x) => [x, row]).flat());
    const image = decodeImage(png({ width: 256, height: 256, depth: 8, colorType: 4 }, Uint8Array.from(data)));
    expectSame(image, {
      width: 256,
      height: 256,
      data: Uint8Array.from(image.data, (_, i) => overWhite(((i / 3) | 0) % 256, (i / 768) | 0)),
    });
  });

  it('reads the fixtures as Pillow does', () => {
    expectSame(decodeFixture('palette.png'), decodeFixture('palette.png.expected.png'));
    expectSame(decodeFixture('rgba.png'), decodeFixture('rgba.png.expected.png'));
    expectSame(decodeFixture('gray16.png'), decodeFixture('gray.png'));
    expect(difference(decodeFixture('gray.png'), decodeFixture('gray.jpg.expected.png')).mean).toBeLessThan(3);
    expect(new Set(decodeFixture('bilevel.png').data)).toEqual(new Set([0, 255]));
  });

  it('applies the orientation of an eXIf chunk, and ignores a broken one', () => {
    const rows = Uint8Array.from([0, 10, 20, 30, 0, 40, 50, 60]);
    const header = { width: 3, height: 2, depth: 8, colorType: 0 };
    const tiff = Buffer.from('4949 2a00 08000000 0100 1201 0300 01000000 0600 0000'.replaceAll(' ', ''), 'hex');
    const grey = (bytes: Uint8Array) => {
      const { width, height, data } = decodeImage(bytes);
      return { width, height, values: Array.from(data).filter((_, i) => i % 3 === 0) };
    };
    expect(grey(png(header, rows, [chunk('eXIf', tiff)]))).toEqual({
      width: 2,
      height: 3,
      values: [40, 10, 50, 20, 60, 30],
    });
    const upright = { width: 3, height: 2, values: [10, 20, 30, 40, 50, 60] };
    for (let length = 0; length < tiff.length; length++) {
      const cut = grey(png(header, rows, [chunk('eXIf', tiff.subarray(0, length))]));
      expect(cut).toEqual(upright);
    }
  });

  it('does not read what follows IEND, and never inflates other chunks', () => {
    const header = { width: 1, height: 1, depth: 8, colorType: 0 };
    const bytes = png(header, Uint8Array.from([0, 7]), [
      chunk('iCCP', Buffer.from('x\0\0not a zlib stream')),
      chunk('zTXt', Buffer.of(1)),
    ]);
    expect(decodeImage(Uint8Array.from([...bytes, 1, 2, 3])).data).toEqual(Uint8Array.of(7, 7, 7));
  });

  it('does not depend on where the bytes lie in their buffer', () => {
    const bytes = fixture('palette.png');
    const shifted = new Uint8Array(bytes.length + 3).subarray(3);
    shifted.set(bytes);
    expectSame(decodeImage(shifted), decodeImage(bytes));
  });
});

describe('encodePng', () => {
  it.each([
    [1, 1],
    [17, 5],
    [300, 200],
    [640, 480],
  ])('%ix%i: decodes to the same pixels', (width, height) => {
    const image = randomImage(width, width, height);
    expectSame(decodeImage(encodePng(image)), image);
  });

  it('writes 8-bit true colour, even for two colours', () => {
    const image: RgbImage = { width: 2, height: 1, data: Uint8Array.of(0, 0, 0, 255, 255, 255) };
    const bytes = encodePng(image);
    expect([bytes[24], bytes[25]]).toEqual([8, 2]);
    expect(decodeImage(bytes)).toEqual(image);
  });

  it('keeps texts, which change no pixel', () => {
    const image = randomImage(5, 17, 5);
    const bytes = Buffer.from(encodePng(image, { texts: { Comment: '猫 and 犬', other: '' } }));
    expectSame(decodeImage(bytes), image); // checks the checksums as well
    const at = bytes.indexOf('iTXtComment\0');
    const data = bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4));
    expect([...data.subarray(7, 12)]).toEqual([0, 1, 0, 0, 0]); // end of the keyword, compressed, deflate, no language, no translation
    expect(inflateSync(data.subarray(12)).toString()).toBe('猫 and 犬');
    expect(bytes.indexOf('iTXtother\0')).toBeGreaterThan(at);
  });
});

/** A file of random samples and the RGB that the specification makes of it. */
function randomPng(header: Header, transparent: boolean, random: (n: number) => number) {
  const { width, height, depth, colorType } = header;
  const channels = channelsOf[colorType];
  const highest = 2 ** depth - 1;
  const colors = Math.min(highest + 1, 200);
  const values = Array.from({ length: width * height * channels }, () =>
    random(colorType === 3 ? colors : highest + 1),
  );
  // Black or the first pixel is the transparent colour, and a third of the pixels take it.
  const key = random(2) ? values.slice(0, channels) : new Array(channels).fill(0);
  const palette = Array.from({ length: 3 * colors }, () => random(256));
  const alphas = Array.from({ length: 1 + random(colors) }, () => random(256));
  const keyed = transparent && (colorType === 0 || colorType === 2);
  const extra: Buffer[] = [];
  if (colorType === 3) {
    extra.push(chunk('PLTE', Uint8Array.from(palette)));
    if (transparent) extra.push(chunk('tRNS', Uint8Array.from(alphas)));
  }
  if (keyed) {
    for (let i = 0; i < values.length; i += channels) if (random(3) === 0) values.splice(i, channels, ...key);
    if (depth === 16) values[0] = key[0] ^ 1; // differs from the key in the low byte only
    extra.push(chunk('tRNS', Uint8Array.from(key.flatMap((value) => [value >> 8, value & 255]))));
  }
  const to8 = (value: number) => (depth === 16 ? value >> 8 : (value * 255) / highest);
  const expected: number[] = [];
  for (let i = 0; i < values.length; i += channels) {
    const pixel = values.slice(i, i + channels);
    let rgb = channels < 3 ? [pixel[0], pixel[0], pixel[0]].map(to8) : pixel.slice(0, 3).map(to8);
    let alpha = channels === 2 || channels === 4 ? to8(pixel[channels - 1]) : 255;
    if (colorType === 3) {
      rgb = palette.slice(3 * pixel[0], 3 * pixel[0] + 3);
      alpha = (transparent ? alphas[pixel[0]] : undefined) ?? 255;
    }
    if (keyed && pixel.every((value, c) => value === key[c])) alpha = 0;
    expected.push(...rgb.map((value) => overWhite(value, alpha)));
  }
  const rows = filteredRows(header, channels, (x, y, c) => values[(y * width + x) * channels + c], random);
  return { bytes: png(header, rows, extra), expected: Uint8Array.from(expected) };
}
