import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodePicture } from '../src/image/decode.js';
import { difference, expectSame } from './image-helpers.js';
import { decodeImage } from './support/decode.js';

const folder = new URL('./fixtures/formats/', import.meta.url);
const read = (name: string) => new Uint8Array(readFileSync(new URL(name, folder)));
const named = (ending: string) => readdirSync(folder).filter((name) => name.endsWith(ending));
const shown = (name: string) => decodeImage(read(`${name}.png`));
const refusal = (bytes: Uint8Array, options = {}) => decodePicture(bytes, options).then(() => 'decoded', String);

describe('WebP, GIF, BMP and AVIF', () => {
  it.each([...named('.webp'), ...named('.gif'), ...named('.bmp')])(
    '%s has the pixels that Pillow shows',
    async (name) => {
      const picture = await decodePicture(read(name));
      expectSame(picture, shown(name), name);
      expect(picture.warnings).toBeUndefined();
    },
  );

  // libaom and libavif are of other versions than Pillow's, which also has another filter for halved colours.
  it.each(named('.avif'))('%s has the pixels that Pillow shows, but for rounding', async (name) => {
    const { max, mean } = difference(await decodePicture(read(name)), shown(name));
    expect(mean).toBeLessThan(name === '420.avif' ? 1.5 : 0.6);
    expect(max).toBeLessThan(name === '420.avif' ? 40 : 4);
  });

  it('leaves nothing behind in the global scope', async () => {
    await decodePicture(read('444.avif'));
    expect('ImageData' in globalThis).toBe(false);
  });

  it.each(['lossy.webp', 'alpha.webp', 'animation.webp', '420.avif', 'animation.gif', '8.bmp', 'rle8.bmp'])(
    '%s: cut anywhere it is refused or warned about',
    async (name) => {
      const good = read(name);
      for (let length = 5; length < good.length - 2; length += Math.ceil(good.length / 25)) {
        const cut = good.subarray(0, length);
        expect(await refusal(cut, { strict: true }), `${length} bytes`).toMatch(
          /AtrousCamError: image: (?!.*internal)|^decoded$/,
        );
        const picture = await decodePicture(cut).catch(() => undefined);
        if (picture && !/avif|rle8|animation/.test(name))
          expect(picture.warnings?.[0], `${length} bytes`).toMatch(/truncated/);
      }
    },
  );

  it('checks sizes before anything is decoded', async () => {
    for (const name of [
      'lossy.webp',
      'lossless.webp',
      'alpha.webp',
      'animation.webp',
      '420.avif',
      'animation.gif',
      '8.bmp',
    ])
      expect(await refusal(read(name), { maxPixels: 41 * 31 - 1 }), name).toMatch(/at most 1270 pixels, got 41x31/);
    const absurd = read('420.avif');
    const size = Buffer.from(absurd).indexOf('ispe') + 8;
    absurd.set([0, 0, 0, 64, 0, 0, 0, 64], size); // smaller than what is stored
    expect(await refusal(absurd)).toMatch(/does not decode/);
  });

  it('says what TIFF, HEIC and other files are', async () => {
    const start = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
    const formats = 'expected a PNG, JPEG, WebP, GIF, BMP or AVIF file, got';
    const cases = [
      ['II*\0\x08\0\0\0', 'a TIFF picture or a camera raw file; convert it to PNG or JPEG'],
      ['\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'a HEIC picture; convert it to PNG or JPEG'],
      ['\0\0\0\x18ftypmif1\0\0\0\0mif1heic', 'a HEIC picture; convert it to PNG or JPEG'],
      ['RIFF\x10\0\0\0WAVEfmt ', 'something that begins with 52 49 46 46 10 00 00 00'],
    ];
    for (const [text, message] of cases)
      expect(await refusal(start(text))).toBe(`AtrousCamError: image: ${formats} ${message}`);
  });

  it('decodes or refuses what is damaged, soon and without a trace in the next picture', async () => {
    let seed = 1;
    const random = (n: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * n);
    };
    for (const name of [
      'lossy.webp',
      'alpha-lossless.webp',
      'animation.gif',
      '565-top-down.bmp',
      'rle8.bmp',
      '444.avif',
    ])
      for (let round = 0; round < 12; round++) {
        const damaged = read(name);
        for (let i = 0; i < 3; i++) damaged[8 + random(damaged.length - 8)] = random(256);
        const began = performance.now();
        expect(await refusal(damaged), name).toMatch(/^decoded$|^AtrousCamError: image: /);
        expect(performance.now() - began, name).toBeLessThan(5000);
      }
    expectSame(await decodePicture(read('lossy.webp')), shown('lossy.webp'));
  });
});
