import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { AtrousCamError } from '../src/base/errors.js';
import { chunk, fixture, type Header, ihdr, png, pngSignature, randomIntegers } from './image-helpers.js';
import { decodeImage } from './support/decode.js';

const text = (value: string) => new Uint8Array(Buffer.from(value, 'latin1'));
const bytes = (...parts: (Uint8Array | number[])[]) =>
  new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part))));

/** Expects one line of BAD_IMAGE that names the picture and holds `message`, where nothing is tolerated. */
function expectRefused(file: Uint8Array, message: string | RegExp, maxPixels?: number): void {
  let caught: unknown;
  try {
    decodeImage(file, { name: 'a.x', maxPixels, strict: true });
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(AtrousCamError);
  const error = caught as AtrousCamError;
  expect(error.code).toBe('BAD_IMAGE');
  expect(error.message).toMatch(/^image "a\.x": [^\n]+$/);
  expect(error.message).toMatch(message);
}

describe('decodeImage refuses other files', () => {
  it.each([
    ['\0\0\0\x20ftypheic\0\0\0\0', 'a HEIC picture'],
    ['\0\0\0\x20ftypmif1\0\0\0\0', 'a HEIC picture'],
    ['\0\0\0\x20ftypisom\0\0\0\0', 'a video'],
    ['II*\0\x08\0\0\0', 'a TIFF picture'],
    ['MM\0*\0\0\0\x08', 'a TIFF picture'],
    ['%PDF-1.7', 'a PDF document'],
    ['\xef\xbb\xbf\n <!DOCTYPE html><html>', 'an HTML page'],
    ['<svg xmlns="http://www.w3.org/2000/svg">', 'an SVG drawing'],
    ['<?xml version="1.0"?>\n<!-- made -->\n<svg>', 'an SVG drawing'],
    ['<?xml version="1.0"?><feed>', 'an XML document'],
    ['just some words', 'begins with 6A 75 73 74 20 73 6F 6D'],
    ['\0', 'begins with 00'],
  ])('%j', (start, message) => {
    expectRefused(text(start), message);
  });

  it('an empty one', () => expectRefused(new Uint8Array(0), 'got an empty one'));

  it('and names no picture where it has no name, on one line where the name has two', () => {
    expect(() => decodeImage(text('II*\0'))).toThrow(/^image: expected/);
    expect(() => decodeImage(text('II*\0'), { name: 'a\nb' })).toThrow(/^image "a\\nb": expected/);
  });
});

describe('decodeImage refuses broken PNG files', () => {
  const header: Header = { width: 2, height: 2, depth: 8, colorType: 0 };
  const rows = Uint8Array.of(0, 1, 2, 0, 3, 4);
  const idat = chunk('IDAT', deflateSync(rows));
  const iend = chunk('IEND', Buffer.alloc(0));
  const file = (...chunks: Buffer[]) => bytes(pngSignature, ...chunks);
  const good = file(ihdr(header), idat, iend);
  const withHeader = (change: Partial<Header>) => file(ihdr({ ...header, ...change }), idat, iend);
  const rawHeader = (at: number, value: number) => {
    const data = Buffer.from(ihdr(header).subarray(8, 21));
    data[at] = value;
    return file(chunk('IHDR', data), idat, iend);
  };
  const flipped = (at: number) => good.map((byte, i) => (i === at ? byte ^ 1 : byte));

  it('but not this one', () => expect(decodeImage(good).width).toBe(2));

  it('cut anywhere', () => {
    for (let length = 4; length < good.length; length++) expectRefused(good.subarray(0, length), /truncated PNG/);
    const photo = fixture('chelsea.png');
    for (const length of [9, 1000, 70_000, photo.length - 1]) expectRefused(photo.subarray(0, length), /truncated PNG/);
  });

  it('with any bit changed', () => {
    for (let at = 4; at < good.length; at++) expectRefused(flipped(at), /PNG/);
  });

  it.each<[string, Uint8Array, string]>([
    ['text line endings', bytes(text('\x89PNG\n\x1a\n'), ihdr(header), idat, iend), 'transfer the file as binary'],
    ['no header', file(idat, iend), 'expected the chunk "IHDR" first, got "IDAT"'],
    ['a short header', file(chunk('IHDR', Buffer.alloc(12)), idat, iend), 'expected 13 bytes in "IHDR", got 12'],
    ['width 0', withHeader({ width: 0 }), 'at least 1, got 0x2'],
    ['height 0', withHeader({ height: 0 }), 'at least 1, got 2x0'],
    ['3 bits', withHeader({ depth: 3 }), 'no such colour type and bit depth as 0 and 3'],
    ['colour type 1', withHeader({ colorType: 1 }), 'no such colour type and bit depth as 1 and 8'],
    ['a 16-bit palette', withHeader({ colorType: 3, depth: 16 }), 'no such colour type and bit depth'],
    ['compression 1', rawHeader(10, 1), 'unknown compression'],
    ['filter method 1', rawHeader(11, 1), 'unknown compression, filter'],
    ['interlace 2', rawHeader(12, 2), 'unknown compression, filter or interlace'],
    ['no data', file(ihdr(header), iend), 'no "IDAT" chunk'],
    ['empty data', file(ihdr(header), chunk('IDAT', Buffer.alloc(0)), iend), 'no "IDAT" chunk'],
    ['no palette', withHeader({ colorType: 3 }), 'no "PLTE" chunk'],
    ['a palette of 4 bytes', file(ihdr(header), chunk('PLTE', Buffer.alloc(4)), idat, iend), 'in "PLTE", got 4 bytes'],
    [
      'a short tRNS',
      file(ihdr(header), chunk('tRNS', Buffer.alloc(1)), idat, iend),
      'expected 2 bytes in "tRNS", got 1',
    ],
    [
      'an unknown critical chunk',
      file(ihdr(header), chunk('ABCD', Buffer.alloc(1)), idat, iend),
      'unknown chunk "ABCD"',
    ],
    ['data that is no zlib', file(ihdr(header), chunk('IDAT', Buffer.from('hello')), iend), 'does not decompress'],
    [
      'a wrong Adler-32',
      file(
        ihdr(header),
        chunk(
          'IDAT',
          deflateSync(rows).map((byte, i, all) => byte ^ +(i === all.length - 1)),
        ),
        iend,
      ),
      'the checksum of its pixel data',
    ],
    ['a row too few', png(header, rows.subarray(3)), 'expected 6 bytes of pixel data, got 3'],
    [
      'an unfinished stream',
      file(ihdr(header), chunk('IDAT', deflateSync(rows).subarray(0, -4)), iend),
      'the checksum behind its pixel data is missing',
    ],
    ['a byte too many', png(header, bytes(rows, [0])), 'more pixel data'],
    ['filter 5', png(header, Uint8Array.of(0, 1, 2, 5, 3, 4)), 'a row filter of 0 to 4, got 5'],
  ])('%s', (_, broken, message) => expectRefused(broken, message));

  it('with absurd sizes, before allocating anything', () => {
    expectRefused(withHeader({ width: 2 ** 31 - 1, height: 2 ** 31 - 1 }), 'sides of at most 1000000');
    expectRefused(withHeader({ width: 20_000, height: 20_000 }), 'at most 100000000 pixels, got 20000x20000');
    expectRefused(good, 'at most 3 pixels, got 2x2 = 4; scale it down', 3);
    expectRefused(withHeader({ width: 9_999, height: 9_999, colorType: 6, depth: 16 }), 'cannot hold the 799');
  });

  it('that unpack to more than their size, at the first piece too many', () => {
    const bomb = deflateSync(Buffer.alloc(2 ** 20));
    bomb[bomb.length - 1] ^= 1; // who goes on to the end finds a wrong checksum instead
    expectRefused(file(ihdr(header), chunk('IDAT', bomb), iend), 'more pixel data than its size needs');
    expectRefused(
      file(ihdr({ ...header, width: 1023, height: 1024 }), chunk('IDAT', bomb), iend),
      'the checksum of its pixel data',
    );
  });
});

describe('decodeImage refuses broken JPEG files', () => {
  const good = fixture('baseline-420.jpg');
  const frame = good.findIndex((byte, i) => byte === 0xff && good[i + 1] === 0xc0);
  const scan = good.findIndex((byte, i) => byte === 0xff && good[i + 1] === 0xda);
  /** The file with bytes of its frame header replaced; 4: precision, 5: height, 7: width, 9: components, 10: first one. */
  const withFrame = (at: number, ...values: number[]) => {
    const changed = good.slice();
    changed.set(values, frame + at);
    return changed;
  };

  it('cut anywhere', () => {
    for (let length = 3; length < good.length; length++) expectRefused(good.subarray(0, length), /JPEG/);
    const progressive = fixture('progressive.jpg');
    for (let length = 3; length < progressive.length; length += 7)
      expectRefused(progressive.subarray(0, length), /JPEG/);
  });

  it('cut in the middle of the picture and closed again, rather than giving it a grey half', () => {
    const middle = (scan + good.length) >> 1;
    expectRefused(bytes(good.subarray(0, middle), [0xff, 0xd9]), 'image data ends too early or makes no sense');
    expectRefused(bytes(good.subarray(0, middle), new Uint8Array(500), [0xff, 0xd9]), 'JPEG');
  });

  it.each<[string, Uint8Array, string]>([
    ['no frame', bytes(good.subarray(0, frame), [0xff, 0xd9]), 'without a frame header'],
    [
      'a scan before the frame',
      bytes(good.subarray(0, frame), good.subarray(scan)),
      'frame header before the first scan',
    ],
    ['two frames', bytes(good.subarray(0, scan), good.subarray(frame)), 'one frame, got a second'],
    ['no scan', bytes(good.subarray(0, scan), [0xff, 0xd9]), 'one of its components has no data'],
    ['lossless', withFrame(1, 0xc3), 'unsupported kind of JPEG (lossless)'],
    ['arithmetic-coded', withFrame(1, 0xc9), 'unsupported kind of JPEG (arithmetic-coded)'],
    ['hierarchical', withFrame(1, 0xc5), 'unsupported kind of JPEG (hierarchical)'],
    ['12 bits', withFrame(4, 12), 'expected 8 bits per sample, got 12'],
    ['height 0', withFrame(5, 0, 0), 'at least 1, got 96x0'],
    ['width 0', withFrame(7, 0, 0), 'at least 1, got 0x64'],
    ['sampling factor 0', withFrame(11, 0x02), 'sampling factors of 1 to 4'],
    ['sampling factor 5', withFrame(11, 0x51), 'sampling factors of 1 to 4'],
    ['components of one name', withFrame(13, good[frame + 10]), 'the same identifier'],
    ['another component count', withFrame(9, 2), 'does not fit its components'],
    ['a segment of length 1', withFrame(2, 0, 1), 'a segment of at least 2 bytes'],
    ['a segment beyond the end', withFrame(2, 255, 255), 'a segment reaches beyond byte'],
    ['a scan of no component', good.map((byte, i) => (i === scan + 5 ? 77 : byte)), 'names the component 77'],
  ])('%s', (_, broken, message) => expectRefused(broken, message));

  it('of two components, and CMYK without the Adobe marker', () => {
    const two = bytes(
      good.subarray(0, frame),
      [0xff, 0xc0, 0, 14, 8, 0, 8, 0, 8, 2, 1, 17, 0, 2, 17, 0],
      good.subarray(scan),
    );
    expectRefused(two, 'expected 1, 3 or 4 components, got 2');
    const cmyk = fixture('cmyk.jpg');
    const adobe = Buffer.from(cmyk).indexOf('Adobe');
    expectRefused(
      cmyk.map((byte, i) => (i === adobe ? 0 : byte)),
      'CMYK without the Adobe marker',
    );
  });

  it('with absurd sizes, before allocating anything', () => {
    expectRefused(withFrame(5, 0xff, 0xff, 0xff, 0xff), 'at most 100000000 pixels, got 65535x65535');
    expectRefused(withFrame(5, 0x20, 0, 0x20, 0), 'bytes of image data cannot hold 8192x8192 pixels');
    expectRefused(good, 'at most 6143 pixels, got 96x64', 6143);
  });

  it('that would need more memory than the decoder may take', () => {
    const huge = bytes(
      withFrame(5, 0x20, 0, 0x2e, 0xe0).subarray(0, good.length - 2),
      new Uint8Array(1_200_000),
      [0xff, 0xd9],
    );
    huge[frame + 11] = 0x11; // 4:4:4, 12000 x 8192
    huge[frame + 1] = 0xc2; // progressive: all coefficients have to be kept
    expectRefused(huge, 'decoding 12000x8192 pixels takes more than 1024 MB; scale it down');
  });

  it('with endless scans', () => {
    const progressive = fixture('progressive.jpg');
    const last = Buffer.from(progressive).lastIndexOf(Buffer.of(0xff, 0xda));
    const again = progressive.subarray(last, -2);
    const bomb = bytes(progressive.subarray(0, -2), ...Array.from({ length: 200 }, () => again), [0xff, 0xd9]);
    expectRefused(bomb, 'at most 100 scans');
  });

  it('whose Huffman or quantisation tables are missing', () => {
    for (const code of [0xc4, 0xdb]) {
      const without = good.map((byte, i) => (good[i - 1] === 0xff && byte === code && i < scan ? 0xfe : byte));
      expectRefused(without, code === 0xc4 ? 'no Huffman tables' : 'damaged or truncated JPEG');
    }
  });
});

describe('decodeImage on mutated files', () => {
  const names = [
    'palette.png',
    'rgba.png',
    'bilevel.png',
    'gray16.png',
    'baseline-420.jpg',
    'progressive.jpg',
    'cmyk.jpg',
    'orientation-6.jpg',
    'gray-restart.jpg',
  ];

  it.each(names)('%s: decodes or throws AtrousCamError, and soon', (name) => {
    const original = fixture(name);
    const random = randomIntegers(names.indexOf(name) + 1);
    for (let round = 0; round < 60; round++) {
      const mutated = mutate(original, random);
      const file = name.endsWith('.png') && round % 2 ? repairChecksums(mutated) : mutated;
      const before = performance.now();
      try {
        const { width, height, data } = decodeImage(file);
        expect(data.length).toBe(width * height * 3);
      } catch (error) {
        expect(error, `round ${round}`).toBeInstanceOf(AtrousCamError);
        expect((error as Error).message).not.toMatch(/\n/);
      }
      expect(performance.now() - before, `round ${round}`).toBeLessThan(5000);
    }
  });
});

/** One to eight changed bytes, most often near the beginning; sometimes a piece cut out, doubled or filled as well. */
function mutate(original: Uint8Array, random: (n: number) => number): Uint8Array {
  let file = original.slice();
  for (let n = 1 + random(8); n > 0; n--) file[4 + random(random(2) ? 700 : file.length - 4)] = random(256);
  const from = random(file.length);
  const to = Math.min(from + random(300), file.length);
  switch (random(6)) {
    case 0:
      file = bytes(file.subarray(0, from), file.subarray(to));
      break;
    case 1:
      file = bytes(file.subarray(0, to), file.subarray(from));
      break;
    case 2:
      file.fill(random(2) * 255, from, to);
      break;
  }
  return file;
}

/** Makes the checksums of a PNG's chunks right again, so that mutations reach what lies behind them. */
function repairChecksums(file: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = [];
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = 8;
  while (at + 12 <= file.length && at + 12 + view.getUint32(at) <= file.length) {
    const end = at + 8 + view.getUint32(at);
    chunks.push(chunk(String.fromCharCode(...file.subarray(at + 4, at + 8)), file.subarray(at + 8, end)));
    at = end + 4;
  }
  return bytes(file.subarray(0, 8), ...chunks, file.subarray(at));
}
