import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { packWeights } from '../src/calls/pack.js';
import { type OpenWeightsOptions, openWeights as openFile, type WeightsSource } from '../src/weights/open.js';
import { fixturePath } from './support/references.js';
import { allNumbers, expectRefused, float32, numbers, readEntries, safetensors } from './support/weight-files.js';

/** Opens weights that are closed when the test ends. */
async function openWeights(source?: WeightsSource, options?: OpenWeightsOptions) {
  const weights = await openFile(source, options);
  onTestFinished(() => weights.close());
  return weights;
}

const torch = fixturePath('small/micro-vgg16.torchvision.safetensors');
const keras = fixturePath('small/micro-vgg16.keras-official.h5');
const tensors = readEntries(torch);
const bytes = new Uint8Array(readFileSync(torch));

describe('a network in two formats', () => {
  test('has the same topology', async () => {
    for (const path of [torch, keras]) {
      const weights = await openWeights(path);
      expect(weights.chain!.blocks.map((block) => block.map(({ name, kernel }) => `${name} ${kernel.shape}`))).toEqual([
        ['block1_conv1 3,3,3,4', 'block1_conv2 3,3,4,4'],
        ['block2_conv1 3,3,4,8', 'block2_conv2 3,3,8,8'],
        ['block3_conv1 3,3,8,12', 'block3_conv2 3,3,12,12', 'block3_conv3 3,3,12,12'],
        ['block4_conv1 3,3,12,16', 'block4_conv2 3,3,16,16', 'block4_conv3 3,3,16,16'],
        ['block5_conv1 3,3,16,16', 'block5_conv2 3,3,16,16', 'block5_conv3 3,3,16,16'],
      ]);
      expect(weights.chain!.dense.map(({ name, kernel }) => `${name} ${kernel.shape}`)).toEqual([
        'fc1 64,24',
        'fc2 24,24',
        'predictions 24,10',
      ]);
      expect(weights.chain!.inputSize).toBe(64);
      expect(weights.parameters).toBe(20386);
      expect(weights.labels).toEqual(Array.from({ length: 10 }, (_, i) => `class ${i}`));
      expect(weights.source).toBe(path);
    }
  });

  test('has the same numbers', async () => {
    const a = await openWeights(torch);
    const b = await openWeights(keras);
    expect(await allNumbers(a)).toEqual(await allNumbers(b));
  });

  test('has numbers where the layouts say', async () => {
    const { blocks, dense } = (await openWeights(torch)).chain!;
    const raw = (name: string) => new Float32Array(tensors[name].data.buffer);
    const kernel = await numbers(blocks[2][0].kernel); // HWIO from OIHW: features.10 is (12, 8, 3, 3)
    const [y, x, i, o] = [2, 1, 5, 7];
    expect(kernel[((y * 3 + x) * 8 + i) * 12 + o]).toBe(raw('features.10.weight')[((o * 8 + i) * 3 + y) * 3 + x]);
    const fc1 = await numbers(dense[0].kernel); // rows (row, column, channel) from columns (channel, row, column) of 2x2x16
    const [r, c, k, unit] = [1, 0, 9, 20];
    expect(fc1[((r * 2 + c) * 16 + k) * 24 + unit]).toBe(raw('classifier.0.weight')[unit * 64 + (k * 2 + r) * 2 + c]);
  });

  test('is read in several blocks, the next one while one is used', async () => {
    const [out, inputs] = [70_000, 64]; // 4.5 million elements: more than are read at once in either layout
    const large = safetensors({
      ...Object.fromEntries(Object.entries(tensors).filter(([name]) => name.startsWith('features'))),
      'classifier.0.weight': float32([out, inputs], (i) => i),
      'classifier.0.bias': float32([out]),
      'classifier.3.weight': float32([2, out]),
      'classifier.3.bias': float32([2]),
    });
    const pieces: Uint8Array[] = [];
    for await (const piece of packWeights(large, { dtype: 'float32' })) pieces.push(piece);
    for (const source of [large, Buffer.concat(pieces)]) {
      const { dense } = (await openWeights(source)).chain!;
      let told = 0;
      const fc1 = new Float32Array(inputs * out);
      await dense[0].kernel.copyInto(fc1, (elements) => {
        told += elements;
      });
      expect(told).toBe(fc1.length);
      // rows (row, column, channel) of 2x2x16 from columns (channel, row, column); float32 holds these integers
      const wrong = fc1.findIndex((value, i) => {
        const [row, unit] = [Math.floor(i / out), i % out];
        return value !== unit * inputs + (row % 16) * 4 + Math.floor(row / 16);
      });
      expect(wrong).toBe(-1);
    }
  });

  test('keeps the preprocessing of its source, unless told otherwise', async () => {
    const expected = { normalization: 'caffe', resize: 'nearest', fit: 'squash' };
    expect((await openWeights(keras)).preprocessing).toEqual(expected);
    expect((await openWeights(torch)).preprocessing).toEqual({
      normalization: 'torch',
      resize: 'bilinear',
      fit: 'crop',
    });
    const options = { preprocessing: { resize: 'lanczos' as const } };
    expect((await openWeights(keras, options)).preprocessing).toEqual({ ...expected, resize: 'lanczos' });
    const metadata = { preprocessing: '{"normalization":"caffe","fit":"squash"}' };
    const weights = await openWeights(safetensors(tensors, metadata), options);
    expect(weights.preprocessing).toEqual({ ...expected, resize: 'lanczos' });
  });
});

describe('sources', () => {
  const unaligned = new Uint8Array(bytes.length + 1);
  unaligned.set(bytes, 1);
  const sources: [string, WeightsSource, string][] = [
    ['bytes', bytes, `${bytes.length} bytes`],
    ['unaligned bytes', unaligned.subarray(1), `${bytes.length} bytes`],
    ['ArrayBuffer', bytes.buffer, `${bytes.length} bytes`],
    ['Blob', new Blob([bytes]), 'blob'],
    ['File', new File([bytes], 'mine.safetensors'), 'mine.safetensors'],
    ['file URL', pathToFileURL(torch), torch],
    ['file URL as text', pathToFileURL(torch).href, torch],
    ['blob URL', URL.createObjectURL(new Blob([bytes])), 'blob:nodedata:'],
    ['HDF5 as a Blob', new Blob([readFileSync(keras)]), 'blob'],
  ];
  test.each(sources)('%s', async (_, source, name) => {
    const expected = await openWeights(torch);
    const weights = await openWeights(source);
    expect(weights.source).toContain(name);
    expect(await allNumbers(weights)).toEqual(await allNumbers(expected));
  });

  test('what is not there', async () => {
    await expectRefused(
      () => openWeights('vgg61'),
      'NOT_FOUND',
      /"vgg61": no such file, and no published weights of that name; did you mean "vgg16"\?/,
    );
    await expectRefused(() => openWeights('no/such.h5'), 'NOT_FOUND', 'weights "no/such.h5": no such file');
    await expectRefused(() => openWeights(tmpdir()), 'NOT_FOUND', 'expected a file, got a folder');
    await expectRefused(() => openWeights('/dev/zero'), 'NOT_FOUND', 'expected a file, got a device');
    await expectRefused(() => openWeights('http://127.0.0.1:1/x.h5'), 'NOT_FOUND', 'cannot be fetched');
    await expectRefused(() => openWeights(5 as never), 'BAD_ARGUMENT', 'got number');
  });

  test('an aborted signal', async () => {
    await expectRefused(() => openWeights(torch, { signal: AbortSignal.abort() }), 'ABORTED', 'weights: aborted');
  });

  const others: [string, Uint8Array, RegExp][] = [
    ['nothing', new Uint8Array(0), /the file is empty/],
    [
      'a cut zip',
      Buffer.from('PK\x03\x04..............x'),
      /zip archive: its directory is missing; the file is truncated/,
    ],
    ['a pickle', Buffer.from([0x80, 2, 0x8a, 3, 1, 2, 3]), /a pickle, which may run any code; save the tensors/],
    ['ONNX', Buffer.from([8, 7, 0x3a, 0x80, 1, 2, 3]), /ONNX: the message at byte 2 is damaged or cut off/],
    ['HTML', Buffer.from('\n<!DOCTYPE html><html>'), /an HTML or XML page/],
    ['LFS', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:1'), /a Git LFS pointer.*git lfs pull/],
    ['JSON', Buffer.from('{"a": 1}'), /got JSON$/],
    ['TensorFlow.js', Buffer.from('{"format": "layers-model"}'), /weightsManifest: expected a list of groups of files/],
    ['gzip', Buffer.from([0x1f, 0x8b, 8, 0]), /a gzip file/],
    ['noise', new Uint8Array(100).fill(7), /an unknown format/],
  ];
  test.each(others)('told apart by content: %s', (_, content, message) =>
    expectRefused(() => openWeights(content), 'BAD_WEIGHTS', message),
  );

  test('a file is read through until it is closed', async () => {
    const weights = await openWeights(torch);
    await numbers(weights.chain!.dense[0].bias);
    weights.close();
    await expectRefused(() => numbers(weights.chain!.dense[0].bias), 'BAD_ARGUMENT', 'is closed');
    const h5 = await openWeights(keras);
    h5.close();
    h5.close();
    await expectRefused(() => numbers(h5.chain!.dense[0].bias), 'BAD_ARGUMENT', 'is closed');
  });
});

describe('the embedded network', () => {
  test('tells cats from dogs and says how it wants its pictures', async () => {
    const weights = await openWeights();
    expect(weights.source).toBe('default');
    expect(weights.labels).toEqual(['cat', 'dog']);
    expect(weights.chain!.inputSize).toBe(224);
    expect(weights.parameters).toBe(698_666);
    expect(weights.preprocessing).toEqual({ normalization: 'caffe', resize: 'bilinear', fit: 'squash' });
    for (const values of (await allNumbers(weights)).values()) expect(values.every(Number.isFinite)).toBe(true);
  });
});

describe('input size', () => {
  const { 'classifier.0.weight': fc1 } = tensors;
  const headless = Object.fromEntries(Object.entries(tensors).filter(([name]) => name.startsWith('features')));

  test('without dense layers: 224 or any multiple of 32', async () => {
    const weights = await openWeights(safetensors(headless));
    expect([weights.chain!.inputSize, weights.chain!.dense, weights.labels]).toEqual([224, [], []]);
    expect((await openWeights(safetensors(headless), { inputSize: 96 })).chain!.inputSize).toBe(96);
    for (const inputSize of [0, -32, 100, Number.NaN, 1 << 20])
      await expectRefused(() => openWeights(safetensors(headless), { inputSize }), 'BAD_ARGUMENT', 'a multiple of 32');
  });

  test('with dense layers: theirs', async () => {
    expect((await openWeights(torch, { inputSize: 64 })).chain!.inputSize).toBe(64);
    await expectRefused(() => openWeights(torch, { inputSize: 96 }), 'BAD_ARGUMENT', 'expected 64');
  });

  test('is refused with its rule where it is not whole', async () => {
    const wrong = safetensors({ ...tensors, 'classifier.0.weight': { ...fc1, shape: [48, 32] } });
    await expectRefused(
      () => openWeights(wrong),
      'BAD_WEIGHTS',
      'the input side is 32*sqrt(rows of fc1 / last channels): expected a multiple of 32, got 32*sqrt(32/16) = 45.25',
    );
    const half = safetensors({ ...tensors, 'classifier.0.weight': float32([24, 36]) }); // 48 pixels: whole, but no multiple of 32
    await expectRefused(() => openWeights(half), 'BAD_WEIGHTS', '= 48.00');
  });
});
