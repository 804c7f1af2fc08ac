import { describe, expect, test } from 'vitest';
import { decodeInPlace, encodeFloat16, firstNonFinite, firstNonFiniteHalf, upperHalf } from '../src/weights/floats.js';
import { openWeights } from '../src/weights/open.js';
import { openSafetensors } from '../src/weights/safetensors.js';
import { bytesSource } from '../src/weights/source.js';
import { fixturePath } from './support/references.js';
import {
  allNumbers,
  type Entry,
  expectRefused,
  float32,
  numbers,
  readEntries,
  safetensors,
  withHeader,
} from './support/weight-files.js';

const tensors = readEntries(fixturePath('small/micro-vgg16.torchvision.safetensors'));
const without = (...names: string[]) =>
  Object.fromEntries(Object.entries(tensors).filter(([name]) => !names.includes(name)));
const renamed = (rename: (name: string) => string) =>
  Object.fromEntries(Object.entries(tensors).map(([name, entry]) => [rename(name), entry]));

describe('broken headers', () => {
  const a = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const json = (a: unknown) => JSON.stringify({ a });
  const data = new Uint8Array(8);
  const cases: [string, Uint8Array, RegExp][] = [
    ['too short', withHeader('{'), /at least 10 bytes, got 9/],
    ['longer than the file', withHeader(json(a), data, 10_000n), /a length of at most \d+ bytes, got 10000/],
    ['longer than any file', withHeader(json(a), data, 2n ** 64n - 1n), /a length of at most/],
    ['cut', withHeader(json(a), data, 20n), /not valid JSON/],
    ['not UTF-8', withHeader('{"\u0000\u0000').fill(0xff, 10), /not valid JSON in UTF-8/],
    ['a wrong start', withHeader('{]'), /not valid JSON/],
    ['deep nesting', withHeader(`{"a":${'['.repeat(1e6)}`), /not valid JSON/],
    ['a list', withHeader('{"a":[]}'), /expected "a" to be an object/],
    ['null', withHeader('{"a":null}'), /expected "a" to be an object/],
    ['no dtype', withHeader(json({ ...a, dtype: 4 }), data), /expected a "dtype" in "a"/],
    ['no shape', withHeader(json({ ...a, shape: 2 }), data), /expected a "shape" of whole numbers/],
    ['a negative shape', withHeader(json({ ...a, shape: [-2] }), data), /expected a "shape" of whole numbers/],
    ['a fractional shape', withHeader(json({ ...a, shape: [0.5, 4] }), data), /expected a "shape" of whole numbers/],
    ['an overflowing shape', withHeader(json({ ...a, shape: [2 ** 50, 2 ** 50] }), data), /expected .* bytes for "a"/],
    ['another size', withHeader(json({ ...a, shape: [3] }), data), /expected 12 bytes for "a" \(F32 \[3\]\), got 8/],
    ['no offsets', withHeader(json({ ...a, data_offsets: [0] }), data), /two "data_offsets"/],
    ['a negative offset', withHeader(json({ ...a, data_offsets: [-8, 0] }), data), /two "data_offsets"/],
    ['reversed offsets', withHeader(json({ ...a, data_offsets: [8, 0] }), data), /to begin before it ends/],
    ['offsets past the end', withHeader(json({ ...a, data_offsets: [8, 16] }), data), /to end at 16, got 8 bytes/],
    [
      'a repeated tensor',
      withHeader(`{"a":${JSON.stringify(a)},"\\u0061":${JSON.stringify(a)}}`, data),
      /"a" occurs twice/,
    ],
    ['a repeated field', withHeader('{"a":{"dtype":"F32","dtype":"F32"}}', data), /"dtype" occurs twice/],
    ['metadata that are no text', withHeader('{"__metadata__":{"labels":[]}}'), /expected text for metadata "labels"/],
    ['no tensors', withHeader('{}'), /got no tensors/],
    [
      'an endless name',
      withHeader(JSON.stringify({ ['x\n'.repeat(1e5)]: 1 })),
      /expected "x\\nx.*\.\.\." to be an object/,
    ],
  ];
  test.each(cases)('%s', async (_, file, message) => {
    const start = performance.now();
    await expectRefused(() => openWeights(file), 'BAD_WEIGHTS', message);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  test('strings with quotes, backslashes and braces are no keys', async () => {
    const metadata = { a: '{"a":1,"a":2}', b: '\\"a":', c: '\\\\' };
    const file = await openSafetensors(bytesSource(safetensors({ a: float32([1]) }, metadata), 'x'));
    expect(Object.fromEntries(file.metadata)).toEqual(metadata);
  });

  test('names of Object.prototype are names like any other', async () => {
    const entry = JSON.stringify({ dtype: 'F32', shape: [2], data_offsets: [0, 8] });
    const file = withHeader(`{"__proto__":${entry},"constructor":${entry}}`, data);
    const { tensors } = await openSafetensors(bytesSource(file, 'x'));
    expect([...tensors.keys()]).toEqual(['__proto__', 'constructor']);
    expect(({} as { dtype?: string }).dtype).toBeUndefined();
  });
});

describe('networks that are not there', () => {
  const conv = tensors['features.2.weight'];
  const cases: [string, Record<string, Entry>, RegExp][] = [
    [
      'a ResNet',
      { 'conv1.weight': float32([4, 3, 7, 7]), 'layer1.0.conv1.weight': conv },
      /expected .*tensors of a known network.*got "conv1.weight", "layer1.0.conv1.weight"; export/,
    ],
    ['a missing bias', without('features.10.bias'), /expected a tensor "features.10.bias", got none/],
    ['a missing kernel', without('features.10.weight'), /expected a tensor "features.10.weight", got none/],
    ['a missing first kernel', without('features.0.weight'), /expected a tensor "features.0.weight", got none/],
    ['a missing dense kernel', without('classifier.6.weight'), /expected a tensor "classifier.6.weight", got none/],
    ['a missing dense bias', without('classifier.3.bias'), /expected a tensor "classifier.3.bias"/],
    [
      'a missing convolution',
      without('features.12.weight', 'features.12.bias'),
      /expected a tensor "features.12.weight" or, after a pool, "features.13.weight", got "features.14.weight"/,
    ],
    [
      '5x5 kernels',
      { ...tensors, 'features.2.weight': float32([4, 4, 5, 5]) },
      /"features.2.weight": expected shape \[out, 4, 3, 3\], got \[4, 4, 5, 5\]/,
    ],
    [
      'other channels',
      { ...tensors, 'features.2.weight': float32([4, 3, 3, 3]) },
      /expected shape \[out, 4, 3, 3\], got \[4, 3, 3, 3\]/,
    ],
    [
      'a misshapen bias',
      { ...tensors, 'features.2.bias': float32([5]) },
      /"features.2.bias": expected shape \[4\], got \[5\]/,
    ],
    [
      'dense layers that do not chain',
      { ...tensors, 'classifier.3.weight': float32([24, 25]) },
      /"classifier.3.weight": expected shape \[out, 24\], got \[24, 25\]/,
    ],
    [
      'no outputs',
      { ...tensors, 'features.28.weight': float32([0, 16, 3, 3]) },
      /expected shape \[out, 16, 3, 3\], got \[0, 16, 3, 3\]/,
    ],
    [
      'integers',
      { ...tensors, 'features.0.bias': { ...float32([4]), dtype: 'I32' } },
      /"features.0.bias": expected F32, F64, F16 or BF16, got "I32"/,
    ],
    [
      'NaN',
      { ...tensors, 'features.2.weight': float32([4, 4, 3, 3], (i) => (i === 41 ? Number.NaN : i)) },
      /"features.2.weight": expected finite numbers, got NaN at \[1,0,1,2\]/,
    ],
    [
      'infinity',
      { ...tensors, 'classifier.6.bias': float32([10], (i) => (i === 3 ? -Infinity : i)) },
      /"classifier.6.bias": expected finite numbers, got -Infinity at \[3\]/,
    ],
  ];
  test.each(cases)('%s', (_, entries, message) =>
    expectRefused(async () => allNumbers(await openWeights(safetensors(entries))), 'BAD_WEIGHTS', message),
  );
});

describe('networks that are not understood whole', () => {
  const cases: [string, Record<string, Entry>, RegExp][] = [
    [
      'part of an AlexNet',
      { 'features.0.weight': float32([64, 3, 11, 11]), 'features.0.bias': float32([64]) },
      /an AlexNet but has no tensor "features.3.weight"/,
    ],
    [
      '4 blocks',
      renamed((name) => name.replace(/features\.(24|26|28)/, 'gone.$1')),
      /"gone.24.weight" \[.*\] was not understood as part of a VGG network/,
    ],
    ['a tensor that nobody knows', { ...tensors, extra: float32([3]) }, /"extra" \[3\] was not understood/],
  ];
  test.each(cases)('%s', (_, entries, message) =>
    expectRefused(() => openWeights(safetensors(entries)), 'UNSUPPORTED', message),
  );
});

describe('other forms of the same network', () => {
  test("timm's names, any order", async () => {
    const entries = Object.entries(tensors).map(([name, entry]): [string, Entry] => {
      const [, index, field] = /^classifier\.(\d)\.(\w+)$/.exec(name) ?? [];
      if (!index) return [name, entry];
      const timm = { 0: 'pre_logits.fc1', 3: 'pre_logits.fc2', 6: 'head.fc' }[index];
      const spatial = { 0: [24, 16, 2, 2], 3: [24, 24, 1, 1] }[index];
      return [`${timm}.${field}`, field === 'weight' && spatial ? { ...entry, shape: spatial } : entry];
    });
    const file = safetensors(Object.fromEntries(entries.reverse()));
    expect(await allNumbers(await openWeights(file))).toEqual(
      await allNumbers(await openWeights(safetensors(tensors))),
    );
  });

  test('batch normalization is folded in float64', async () => {
    const plain = await openWeights(safetensors(tensors));
    const entries = Object.fromEntries(Object.entries(tensors).filter(([name]) => name.startsWith('classifier')));
    const indices = [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40];
    const plainIndices = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
    const statistic = (channel: number, k: number) => 0.5 + ((channel * 7 + k * 3) % 5) / 4;
    indices.forEach((index, i) => {
      const kernel = tensors[`features.${plainIndices[i]}.weight`];
      entries[`features.${index}.weight`] = kernel;
      entries[`features.${index}.bias`] = tensors[`features.${plainIndices[i]}.bias`];
      for (const [k, name] of ['weight', 'bias', 'running_mean', 'running_var'].entries())
        entries[`features.${index + 1}.${name}`] = float32([kernel.shape[0]], (channel) => statistic(channel, k));
      entries[`features.${index + 1}.num_batches_tracked`] = { dtype: 'I64', shape: [], data: new Uint8Array(8) };
    });
    const folded = await openWeights(safetensors(entries));
    expect(folded.chain!.blocks.map(({ length }) => length)).toEqual([2, 2, 3, 3, 3]);
    expect(folded.parameters).toBe(20386);
    for (const [i, conv] of folded.chain!.blocks.flat().entries()) {
      const channels = conv.bias.shape[0];
      const scale = (c: number) => statistic(c, 0) / Math.sqrt(statistic(c, 3) + 1e-5);
      const before = plain.chain!.blocks.flat()[i];
      const kernel = (await numbers(before.kernel)).map((value, j) => value * scale(j % channels));
      const bias = (await numbers(before.bias)).map((b, c) => (b - statistic(c, 2)) * scale(c) + statistic(c, 1));
      expect(await numbers(conv.kernel)).toEqual(kernel);
      expect(await numbers(conv.bias)).toEqual(bias);
    }
    entries['features.1.running_var'] = float32([4], (i) => -i);
    await expectRefused(
      async () => allNumbers(await openWeights(safetensors(entries))),
      'BAD_WEIGHTS',
      '"features.1.running_var": expected variances, got -1 at [1]',
    );
  });
});

describe('half precision', () => {
  test('every float16', () => {
    const halves = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const values = new Float32Array(halves.length);
    upperHalf(values).set(halves);
    decodeInPlace('F16', values);
    for (const half of halves) {
      const [sign, exponent, mantissa] = [half & 0x8000 ? -1 : 1, (half >> 10) & 31, half & 1023];
      const magnitude = exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25);
      const expected = exponent === 31 ? (mantissa ? Number.NaN : Infinity) : magnitude;
      if (!Object.is(values[half], sign * expected)) expect.fail(`${half}: ${values[half]} for ${sign * expected}`);
    }
  });

  test('is rounded to nearest even', () => {
    const halves = Uint16Array.from({ length: 0x7c00 }, (_, i) => i);
    const values = new Float32Array(halves.length);
    upperHalf(values).set(halves);
    decodeInPlace('F16', values);
    const rounded = (source: Float32Array) => {
      const bits = new Uint16Array(source.length);
      encodeFloat16(source, bits);
      return bits;
    };
    const next = values.map((value, i) => values[i + 1] ?? value);
    const middle = values.map((value, i) => (value + next[i]) / 2);
    const bits = new Int32Array(middle.buffer);
    const beside = (step: number) => new Float32Array(bits.map((word) => word + step).buffer);
    const last = halves.length - 1;
    expect(rounded(values)).toEqual(halves);
    expect(rounded(values.map((value) => -value))).toEqual(halves.map((half) => half | 0x8000));
    expect(rounded(middle).subarray(0, last)).toEqual(halves.map((half) => half + (half & 1)).subarray(0, last));
    expect(rounded(beside(-1)).subarray(0, last)).toEqual(halves.subarray(0, last));
    expect(rounded(beside(1)).subarray(0, last)).toEqual(halves.map((half) => half + 1).subarray(0, last));
    expect([...rounded(Float32Array.of(65519, 65520, 1e30, -Infinity, Number.NaN, 1e-45))]).toEqual([
      0x7bff, 0x7c00, 0x7c00, 0xfc00, 0x7e00, 0,
    ]);
  });

  test.each([1, 2, 3, 4, 5, 7, 8, 9])('the first of %i numbers that is not finite', (length) => {
    for (let at = 0; at < length; at++)
      for (const [value, half] of [
        [Number.NaN, 0x7e01],
        [Infinity, 0x7c00],
        [-Infinity, 0xfc00],
      ]) {
        const values = new Float32Array(length).fill(-3e38);
        const halves = new Uint16Array(length).fill(0xfbff);
        expect([firstNonFinite(values), firstNonFiniteHalf(halves)]).toEqual([-1, -1]);
        values[at] = value;
        halves[at] = half;
        expect([firstNonFinite(values), firstNonFiniteHalf(halves)]).toEqual([at, at]);
      }
  });

  test('bfloat16 is the upper half of float32', () => {
    const bits = Uint32Array.from([0x3f800000, 0xc0490000, 0x00010000, 0x80000000, 0x7f7f0000]);
    const values = new Float32Array(bits.length);
    upperHalf(values).set(Uint16Array.from(bits, (word) => word >>> 16));
    decodeInPlace('BF16', values);
    expect(values).toEqual(new Float32Array(bits.buffer));
  });

  test.each([0, 1])('in a network, data at an address of %i modulo 2', async (odd) => {
    const bf16 = Object.fromEntries(
      Object.entries(tensors).map(([name, { shape, data }]) => {
        const words = new Uint16Array(data.buffer, data.byteOffset, data.length / 2).filter((_, i) => i % 2 === 1);
        return [name, { dtype: 'BF16', shape, data: new Uint8Array(words.buffer) }];
      }),
    );
    const file = safetensors(bf16);
    const shifted = new Uint8Array(file.length + 2);
    const at = (Number(new DataView(file.buffer).getBigUint64(0, true)) + odd) % 2;
    shifted.set(file, at);
    const rounded = await allNumbers(await openWeights(shifted.subarray(at, at + file.length)));
    const full = await allNumbers(await openWeights(safetensors(tensors)));
    for (const [name, values] of full) {
      const cut = new Uint32Array(values.buffer).map((word) => word & 0xffff0000);
      expect(rounded.get(name)).toEqual(new Float32Array(cut.buffer));
    }
  });
});
