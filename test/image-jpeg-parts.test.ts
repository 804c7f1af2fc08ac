import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeAt } from '../src/image/jpeg.js';
import { readJpegSegments } from '../src/image/jpeg-segments.js';
import { chunk, expectSame, fixture } from './image-helpers.js';
import { decodeImage } from './support/decode.js';

const formats = (name: string) => new Uint8Array(readFileSync(new URL(`./fixtures/formats/${name}`, import.meta.url)));
const bytes = (...parts: (Uint8Array | number[])[]) =>
  new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part))));
const refusal = (file: Uint8Array) => {
  try {
    decodeImage(file, { strict: true });
    return 'decoded';
  } catch (error) {
    return String(error);
  }
};

describe('JPEG at smaller sizes', () => {
  it.each(['420', '422', '444', 'progressive'])('%s: the pixels of libjpeg at every size, to the bit', (name) => {
    const file = formats(`${name}.jpg`);
    for (const divisor of [1, 2, 4, 8]) {
      const decoding = {
        ...{ subject: 'image', maxPixels: 1e6, draft: Number.POSITIVE_INFINITY },
        ...{ reduces: true, strict: false, warnings: [] },
      };
      const picture = decodeAt(readJpegSegments(file, decoding), 8 / divisor, decoding);
      expectSame(picture, decodeImage(formats(`${name}.jpg.${divisor}.png`)), `${name}, 1/${divisor}`);
    }
  });

  it('is what is done with one that is too large, which a warning says', () => {
    const file = formats('420.jpg');
    const picture = decodeImage(file, { maxPixels: 93 * 61 - 1 });
    expectSame(picture, decodeImage(formats('420.jpg.2.png')));
    expect(picture.warnings).toEqual(['too large a JPEG: 93x61 pixels; it was read at 47x31']);
    expect(() => decodeImage(file, { maxPixels: 93 * 61 - 1, strict: true })).toThrow('at most 5672 pixels, got 93x61');
    expect(() => decodeImage(file, { maxPixels: 1000 })).toThrow('at most 1000 pixels, got 93x61');
  });

  it('is what a draft may be, as long as both sides keep so many pixels', () => {
    const file = formats('420.jpg');
    for (const [draft, divisor] of [
      [1, 8],
      [8, 8],
      [9, 4],
      [16, 4],
      [31, 2],
      [32, 1],
      [1e9, 1],
    ]) {
      const picture = decodeImage(file, { draft });
      expectSame(picture, decodeImage(formats(`420.jpg.${divisor}.png`)), `draft ${draft}`);
      expect(picture.warnings).toBeUndefined();
    }
    expect(() => decodeImage(file, { draft: 0 })).toThrow('draft: expected a number of pixels above 0, got 0');
  });
});

describe('JPEG that is cut off or lacks something', () => {
  const good = fixture('baseline-420.jpg');
  const whole = decodeImage(good);
  const scan = good.findIndex((byte, i) => byte === 0xff && good[i + 1] === 0xda);

  it('without its end marker is whole', () => {
    const picture = decodeImage(good.subarray(0, -2));
    expectSame(picture, { ...whole });
    expect(picture.warnings).toEqual([expect.stringContaining('before its end marker')]);
  });

  it.each(['cut', 'cut and closed again'])('%s in the middle: what is there is right, the rest is grey', (how) => {
    const cut = good.subarray(0, (scan + good.length) >> 1);
    const picture = decodeImage(how === 'cut' ? cut : bytes(cut, [0xff, 0xd9]));
    const same = picture.data.findIndex((value, i) => value !== whole.data[i]) / (3 * whole.width);
    expect(same).toBeGreaterThan(15); // rows; the last of a row of blocks is mixed with the next one's colours
    expect(same).toBeLessThan(48);
    expect([...picture.data.slice(-30)]).toEqual(Array(30).fill(128));
    expect(picture.warnings?.at(-1)).toMatch(/ends too early or makes no sense; \d\d% is there, the rest is grey/);
    expect(refusal(bytes(cut, [0xff, 0xd9]))).toMatch(/ends too early or makes no sense/);
  });

  it('progressive and cut: less sharp, with a warning', () => {
    const file = fixture('progressive.jpg');
    const picture = decodeImage(file.subarray(0, Math.round(file.length * 0.7)));
    expect(picture.warnings?.[0]).toContain('truncated JPEG');
    const sharp = decodeImage(file).data;
    expect(picture.data.reduce((sum, value, i) => sum + Math.abs(value - sharp[i]), 0) / sharp.length).toBeLessThan(8);
  });

  it('behind restart markers: one damaged interval does not spoil the others', () => {
    const file = fixture('gray-restart.jpg');
    const right = decodeImage(file).data;
    const markers = [...file.keys()].filter((i) => file[i] === 0xff && file[i + 1] >= 0xd0 && file[i + 1] <= 0xd7);
    const damaged = file.slice();
    damaged.fill(0, markers[2] + 2, markers[3]);
    const picture = decodeImage(damaged).data;
    const wrong = picture.filter((value, i) => value !== right[i]).length;
    expect(wrong).toBeGreaterThan(0);
    expect(wrong).toBeLessThan(right.length / 6);
  });

  it('without Huffman tables: those of webcams', () => {
    const file = good; // of libjpeg's standard tables
    const parts: Uint8Array[] = [];
    for (let at = 2; at < scan; ) {
      const end = at + 2 + ((file[at + 2] << 8) | file[at + 3]);
      if (file[at + 1] !== 0xc4) parts.push(file.subarray(at, end));
      at = end;
    }
    const without = bytes([0xff, 0xd8], ...parts, file.subarray(scan));
    const picture = decodeImage(without);
    expectSame(picture, whole);
    expect(picture.warnings?.[0]).toContain('no Huffman tables');
  });

  it('CMYK without the Adobe marker: as with it', () => {
    const file = fixture('cmyk.jpg');
    const adobe = Buffer.from(file).indexOf('Adobe');
    const picture = decodeImage(file.map((byte, i) => (i === adobe ? 0 : byte)));
    expectSame(picture, decodeImage(file));
    expect(picture.warnings?.[0]).toContain('CMYK without the Adobe marker');
  });
});

describe('PNG that browsers show', () => {
  const good = fixture('palette.png');
  const whole = decodeImage(good);
  const end = good.length - 12;
  it.each<[string, Uint8Array, string]>([
    ['without IEND', good.subarray(0, end), 'before "IEND"'],
    ['cut inside IEND', good.subarray(0, end + 6), 'before "IEND"'],
    [
      'a wrong checksum in a text',
      bytes(good.subarray(0, 33), [0, 0, 0, 3, ...Buffer.from('tEXta\0b'), 1, 2, 3, 4], good.subarray(33)),
      'the checksum of the chunk "tEXt" at byte 33 does not match its content; it was left out',
    ],
  ])('%s', (_, file, warning) => {
    const picture = decodeImage(file);
    expectSame(picture, whole);
    expect(picture.warnings).toEqual([expect.stringContaining(warning)]);
    expect(refusal(file)).toContain(warning.split(';')[0]);
  });

  it('with an orientation behind its pixels: as stored, as Chromium does', () => {
    const exif = [...Buffer.from('49492a00080000000100120103000100000006000000', 'hex')];
    const block = chunk('eXIf', Uint8Array.from(exif));
    const first = bytes(good.subarray(0, 33), block, good.subarray(33));
    const last = bytes(good.subarray(0, end), block, good.subarray(end));
    expect(decodeImage(first).width).toBe(whole.height);
    const picture = decodeImage(last);
    expectSame(picture, whole);
    expect(picture.warnings).toEqual([expect.stringContaining('behind its pixels')]);
  });
});
