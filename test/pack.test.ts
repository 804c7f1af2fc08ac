import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type PackOptions, packWeights } from '../src/calls/pack.js';
import { load } from '../src/index.js';
import { expandFloat16Jobs } from '../src/wasm/ops/float16.js';
import { decodeInPlace, encodeFloat16, upperHalf } from '../src/weights/floats.js';
import { openWeights, type WeightsSource } from '../src/weights/open.js';
import { builds, onRuntime } from './support/kernels.js';
import { randomFloats } from './support/random.js';
import { fixturePath } from './support/references.js';
import { allNumbers, expectRefused, float32, readEntries, safetensors } from './support/weight-files.js';

const torch = fixturePath('small/micro-vgg16.torchvision.safetensors');
const keras = fixturePath('small/micro-vgg16.keras-official.h5');
const folder = mkdtempSync(join(tmpdir(), 'pack-'));
afterAll(() => rmSync(folder, { recursive: true }));

const pack = async (source?: WeightsSource, options?: PackOptions): Promise<Uint8Array<ArrayBuffer>> => {
  const pieces: Uint8Array[] = [];
  for await (const piece of packWeights(source, options)) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
};

/** float16 nearest to each number, as float32. */
function rounded(values: Float32Array): Float32Array {
  const result = new Float32Array(values.length);
  encodeFloat16(values, upperHalf(result));
  decodeInPlace('F16', result);
  return result;
}

describe('packed weights', () => {
  test.each([torch, keras])('float32: the same numbers (%#)', async (path) => {
    const weights = await openWeights(path);
    const packed = await openWeights(await pack(path, { dtype: 'float32' }));
    expect(await allNumbers(packed)).toEqual(await allNumbers(weights));
    const { graph, labels, preprocessing, parameters } = weights;
    expect(packed).toMatchObject({ graph, labels, preprocessing, parameters });
    weights.close();
  });

  test('float16: kernels rounded, biases as they are', async () => {
    const weights = await openWeights(torch);
    const packed = await openWeights(await pack(torch));
    const expected = new Map(
      [...(await allNumbers(weights))].map(([name, values]) => [
        name,
        name.includes('kernel') ? rounded(values) : values,
      ]),
    );
    expect(await allNumbers(packed)).toEqual(expected);
    weights.close();
  });

  test('float16: bits as they are in the file', async () => {
    const { dense } = (await openWeights(await pack(torch))).chain!;
    const [{ kernel, bias }] = dense;
    const [values, bits] = [new Float32Array(64 * 24), new Uint16Array(64 * 24)];
    await kernel.copyInto(values);
    await kernel.copyHalves!(bits);
    const expected = new Uint16Array(values.length);
    encodeFloat16(values, expected);
    expect(bits).toEqual(expected);
    expect(bias.copyHalves).toBeUndefined();
    const fromTorch = await openWeights(torch);
    expect(fromTorch.chain!.dense[0].kernel.copyHalves).toBeUndefined();
    fromTorch.close();
  });

  test('packed again it is the same file, names, labels and preprocessing included', async () => {
    const once = await pack(undefined);
    expect(Buffer.from(await pack(once)).equals(Buffer.from(once))).toBe(true);
    const length = Number(new DataView(once.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(once.subarray(8, 8 + length)));
    expect(header.__metadata__).toEqual({
      labels: '["cat","dog"]',
      preprocessing: '{"normalization":"caffe","resize":"bilinear","fit":"squash"}',
    });
    expect(Object.keys(header)).toContain('block5_conv3.kernel');
    expect(header['fc1.kernel'].dtype).toBe('F16');
    expect(header['fc1.bias'].dtype).toBe('F32');
  });

  test('gives the predictions of the file it was made from', async () => {
    const image = {
      width: 224,
      height: 224,
      data: Uint8Array.from({ length: 3 * 224 * 224 }, (_, i) => (i * i) % 251),
    };
    const logits = [];
    for (const source of [undefined, await pack(undefined)]) {
      const net = await load(source, { threads: 2 });
      logits.push((await net.predict(image)).logits);
      net.dispose();
    }
    expect(logits[1]).toEqual(logits[0]); // the embedded network is float16 already
  });

  test('refusals', async () => {
    const large = safetensors({
      ...readEntries(torch),
      'classifier.6.weight': float32([10, 24], (i) => (i === 33 ? 65520 : 1)),
    });
    await expectRefused(
      () => pack(large),
      'BAD_WEIGHTS',
      '"classifier.6.weight": expected at most 65504, the largest float16, got 65520; pack as float32',
    );
    await expectRefused(() => pack(torch, { signal: AbortSignal.abort() }), 'ABORTED', 'aborted');
    const path = join(folder, 'entries.safetensors');
    writeFileSync(path, await pack(torch));
    const entries = readEntries(path);
    rmSync(path);
    const without = (name: string) =>
      safetensors(Object.fromEntries(Object.entries(entries).filter(([key]) => key !== name)));
    const cases: [Uint8Array, RegExp][] = [
      [without('fc1.bias'), /expected a tensor "fc1.bias", got none/],
      [without('fc1.kernel'), /without a gap, got "fc1.bias" beside them/],
      [without('block3_conv2.kernel'), /without a gap, got "block3_conv2.bias" beside them/],
      [without('predictions.kernel'), /expected a tensor "predictions.kernel"/],
      [safetensors({ ...entries, extra: float32([1]) }), /got "extra" beside them/],
      [
        safetensors({ ...entries, 'fc2.kernel': { ...entries['fc2.kernel'], shape: [48, 12] } }),
        /"fc2.kernel": expected shape \[24, out\], got \[48, 12\]/,
      ],
    ];
    for (const [file, message] of cases) await expectRefused(() => openWeights(file), 'BAD_WEIGHTS', message);
    for (const [half, text] of [
      [0x7c00, 'Infinity'],
      [0xfc00, '-Infinity'],
      [0x7c01, 'NaN'],
    ] as const) {
      const { shape } = entries['fc2.kernel'];
      const data = new Uint8Array(Uint16Array.from({ length: 24 * 24 }, (_, i) => (i === 50 ? half : 0x3c00)).buffer);
      const broken = safetensors({ ...entries, 'fc2.kernel': { dtype: 'F16', shape, data } });
      await expectRefused(
        () => load(broken, { threads: 1 }),
        'BAD_WEIGHTS',
        `"fc2.kernel": expected finite numbers, got ${text} at [2,2]`,
      );
    }
  });
});

describe.each(builds)('expandFloat16, $kernels, $threads threads', (build) => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 33, 4095, 4096, 4097, 10_001, 2 ** 22 + 3])('%i numbers', async (n) => {
    const expected = rounded(randomFloats(n, n).map((value, i) => value * 2 ** -(i % 24))); // subnormal float16 among them
    await onRuntime(build, (runtime) => {
      const ptr = runtime.arena.alloc(4 * n + 4);
      encodeFloat16(expected, runtime.arena.u16(ptr + 2 * n, n));
      runtime.arena.f32(ptr + 4 * n, 1)[0] = 7;
      for (const job of expandFloat16Jobs(ptr, n)) runtime.run(job);
      expect(Buffer.from(runtime.arena.f32(ptr, n).slice().buffer).equals(Buffer.from(expected.buffer))).toBe(true);
      expect(runtime.arena.f32(ptr + 4 * n, 1)[0]).toBe(7);
    });
  });

  test('every finite float16', async () => {
    const halves = Uint16Array.from({ length: 65536 }, (_, i) => ((i & 0x7c00) === 0x7c00 ? 0 : i));
    const expected = new Float32Array(halves.length);
    upperHalf(expected).set(halves);
    decodeInPlace('F16', expected);
    await onRuntime(build, (runtime) => {
      const ptr = runtime.arena.alloc(4 * halves.length);
      runtime.arena.u16(ptr + 2 * halves.length, halves.length).set(halves);
      for (const job of expandFloat16Jobs(ptr, halves.length)) runtime.run(job);
      expect(
        Buffer.from(runtime.arena.f32(ptr, halves.length).slice().buffer).equals(Buffer.from(expected.buffer)),
      ).toBe(true);
    });
  });
});
