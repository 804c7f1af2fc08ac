import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readEntries, safetensors } from '../support/weight-files.js';
import { command, fixture, micro, photo, root, temporaryFolder } from './command.js';

// What people get wrong: each has its own message of one line, exit code 1, and leaves nothing behind.
const folder = temporaryFolder();
const write = (name: string, bytes: Uint8Array | string): string => {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
};

/** A PNG file whose header says another size. */
function resizedPng(png: Buffer, width: number, height: number): Buffer {
  const copy = Buffer.from(png);
  copy.writeUInt32BE(width, 16);
  copy.writeUInt32BE(height, 20);
  copy.writeUInt32BE(crc32(copy.subarray(12, 29)), 29);
  return copy;
}

/** A JPEG file whose frame header says another size. */
function resizedJpeg(jpeg: Buffer, width: number, height: number): Buffer {
  const copy = Buffer.from(jpeg);
  const frame = [0xc0, 0xc1, 0xc2].map((type) => copy.indexOf(Buffer.from([0xff, type]))).find((at) => at > 0)!;
  copy.writeUInt16BE(height, frame + 5);
  copy.writeUInt16BE(width, frame + 7);
  return copy;
}

describe('pictures', () => {
  const jpeg = readFileSync(join(root, photo));
  const png = readFileSync(fixture('images/source.png'));
  const flipped = Buffer.from(png);
  flipped[png.length >> 1] ^= 0xff;
  const emptyFolder = mkdtempSync(join(folder, 'empty-'));
  const cases: [string, string, RegExp][] = [
    [join(folder, 'missing.jpg'), 'NOT_FOUND', /^no such file$/],
    [emptyFolder, 'NOT_FOUND', /^no file named like a picture in it; --recursive looks deeper$/],
    [join(folder, '*.tiff'), 'NOT_FOUND', /^no file matches this pattern$/],
    ['/dev/zero', 'NOT_FOUND', /^expected a file, got a device$/],
    ['https://example.org/dog.jpg', 'NOT_FOUND', /^pictures are not downloaded/],
    [write('empty.png', ''), 'BAD_IMAGE', /^expected a PNG, JPEG, WebP, GIF, BMP or AVIF file, got an empty one$/],
    [
      write('text.jpg', 'hello'),
      'BAD_IMAGE',
      /^expected a PNG, JPEG, WebP, GIF, BMP or AVIF file, got something that begins with 68 65/,
    ],
    [
      write('cut.png', png.subarray(0, png.length >> 1)),
      'BAD_IMAGE',
      /^truncated PNG: expected 18496 bytes of pixel data, got \d+$/,
    ],
    [write('cut.jpg', jpeg.subarray(0, 400)), 'BAD_IMAGE', /^truncated JPEG: a segment reaches beyond byte 400/],
    [write('flipped.png', flipped), 'BAD_IMAGE', /^damaged PNG: the checksum of the chunk "IDAT"/],
    [
      write('huge.png', resizedPng(png, 2 ** 31 - 1, 2 ** 31 - 1)),
      'BAD_IMAGE',
      /^expected sides of at most 1000000 pixels/,
    ],
    [write('huge.jpg', resizedJpeg(jpeg, 65535, 65535)), 'BAD_IMAGE', /^expected at most 100000000 pixels, got 65535x/],
    [write('none.jpg', resizedJpeg(jpeg, 0, 0)), 'BAD_IMAGE', /width and height of at least 1, got 0x0$/],
  ];

  test('each bad one among others has its message, and the others are done', async () => {
    const out = join(folder, 'maps');
    const files = [...cases.map(([file]) => file), photo];
    const args = ['explain', ...files, '--weights', micro, '--mode', 'pooled', '--npy', '--json', '--out', out];
    const { code, stdout, stderr } = await command(...args);
    expect(code).toBe(1);
    const { images } = JSON.parse(stdout);
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(cases.length);
    for (const [i, [file, kind, message]] of cases.entries()) {
      expect(images[i]).toEqual({ file, error: { code: kind, message: expect.stringMatching(message) } });
      expect(lines[i]).toBe(`atrous-cam: ${file}: ${images[i].error.message}`);
    }
    expect(Object.keys(images.at(-1).modes)).toEqual(['pooled']);
    const name = 'leonberger_abyssinian';
    expect(readdirSync(out).sort()).toEqual([`${name}.png`, `${name}.pooled.map.npy`, `${name}.pooled.raw.npy`].sort());
  });

  test('alone, it leaves no folder', async () => {
    const out = join(folder, 'new', 'maps');
    const result = await command('explain', cases[0][0], '--weights', micro, '--out', out);
    expect(result).toEqual({ code: 1, stdout: '', stderr: `atrous-cam: ${cases[0][0]}: no such file\n` });
    expect(existsSync(join(folder, 'new'))).toBe(false);
  });
});

describe('weights', () => {
  const tensors = readEntries(micro);
  const float = { dtype: 'F32', shape: [2, 3, 7, 7], data: new Uint8Array(4 * 2 * 3 * 7 * 7) };
  const vector = { dtype: 'F32', shape: [2], data: new Uint8Array(8) };
  const resnet = { 'conv1.weight': float, 'bn1.weight': vector, 'layer1.0.conv1.weight': float, 'fc.bias': vector };
  const { 'features.10.weight': kernel, ...withoutKernel } = tensors;
  const misshapen = { ...kernel, shape: [6, 16, 3, 3] };
  const spoilt = { ...kernel, data: Uint8Array.from(kernel.data) };
  new DataView(spoilt.data.buffer).setFloat32(40, Number.NaN, true);
  const file = readFileSync(micro);

  test.each<[string, string, string | RegExp]>([
    ['missing', join(folder, 'missing.h5'), 'no such file'],
    ['empty', write('empty.h5', ''), 'the file is empty'],
    [
      'a picture',
      photo,
      'expected Keras .h5 or .keras, safetensors, .pth, ONNX or TensorFlow.js, got an unknown format',
    ],
    ['truncated', write('cut.safetensors', file.subarray(0, file.length >> 1)), /; the file is truncated$/],
    [
      'truncated HDF5',
      write('cut.h5', readFileSync(fixture('references/small/micro-vgg16.keras-official.h5')).subarray(0, 60_000)),
      /^the HDF5 file is damaged or truncated/,
    ],
    [
      'of a ResNet',
      write('resnet.safetensors', safetensors(resnet)),
      /^expected .* of a known network .* got "conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "fc.bias"; export/,
    ],
    [
      'without a tensor',
      write('without.safetensors', safetensors(withoutKernel)),
      /^expected a tensor "features.10.weight", got none/,
    ],
    [
      'with a misshapen tensor',
      write('misshapen.safetensors', safetensors({ ...tensors, 'features.10.weight': misshapen })),
      'tensor "features.10.weight": expected shape [out, 8, 3, 3], got [6, 16, 3, 3]',
    ],
    [
      'with a NaN',
      write('nan.safetensors', safetensors({ ...tensors, 'features.10.weight': spoilt })),
      'tensor "features.10.weight": expected finite numbers, got NaN at [0,1,0,1]',
    ],
  ])('%s', async (_, path, message) => {
    const out = join(folder, 'weights');
    const { code, stdout, stderr } = await command('explain', photo, '--weights', path, '--json', '--out', out);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const head = `atrous-cam: weights ${JSON.stringify(path)}: `;
    expect(stderr.slice(0, head.length)).toBe(head);
    expect(stderr.endsWith('\n')).toBe(true);
    const said = stderr.slice(head.length, -1);
    expect(said).not.toContain('\n');
    if (typeof message === 'string') expect(said).toBe(message);
    else expect(said).toMatch(message);
    expect(existsSync(out)).toBe(false);
  });
});

describe('options that do not fit the network', () => {
  test.each([
    ['--target', 'dgo', 'target: expected a label or an index, got unknown label "dgo"; did you mean "dog"?'],
    [
      '--target',
      'horse',
      'target: expected a label or an index, got unknown label "horse"; the labels are "cat", "dog"',
    ],
    ['--target', '2', 'target: expected an index from 0 to 1, got 2'],
    [
      '--layer',
      'block5_conv4',
      /^layer: expected one of block1_conv1, (block\d_conv\d, )+block5_conv3, got 'block5_conv4'; did you mean "block\d_conv\d"\?$/,
    ],
  ])('%s %s', async (flag, value, message) => {
    const out = join(folder, 'options');
    const { code, stdout, stderr } = await command('explain', photo, photo, flag, value, '--json', '--out', out);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^atrous-cam: .*\n$/);
    const said = stderr.slice('atrous-cam: '.length, -1);
    if (typeof message === 'string') expect(said).toBe(message);
    else expect(said).toMatch(message);
    expect(existsSync(out)).toBe(false);
  });
});
