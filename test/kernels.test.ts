import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { init, type Kernels } from '../src/kernels.js';
import cases from './fixtures/references/kernels-small.json' with { type: 'json' };
import { conv3x3 } from './reference/conv.js';
import { multiply, softmax, transposed } from './reference/dense.js';
import { checkKernelCase, titleOf } from './support/kernel-cases.js';
import { builds } from './support/kernels.js';
import { randomFloats } from './support/random.js';
import { expectClose, fixturePath, readReferences } from './support/references.js';

const references = readReferences(fixturePath('kernels-small.safetensors'));

/** Winograd's algorithm rounds more. */
const TOLERANCE = { exact: 2e-6, fast: 1e-5 };

describe.each(builds)('kernels, $kernels, $threads threads', (build) => {
  describe.each(['exact', 'fast'] as const)('%s', (precision) => {
    let k: Kernels;
    beforeAll(async () => {
      k = await init({ ...build, precision });
    });
    afterAll(() => k.dispose());

    it.each(cases.map((item) => ({ title: titleOf(item), item })))('$title', ({ item }) => {
      checkKernelCase(k, item, references, TOLERANCE[precision]);
    });

    it.each([
      [1, 7, 9, 4, 8, 1],
      [2, 6, 5, 8, 12, 2],
      [3, 14, 14, 12, 4, 1],
      [2, 9, 11, 3, 5, 4],
    ])('conv2d of %d maps %d x %d, %d -> %d channels, dilation %d', (n, h, w, cin, cout, dilation) => {
      const [x, weights, b] = [n * h * w * cin, 9 * cin * cout, cout].map(randomFloats);
      for (const relu of [false, true]) {
        const y = k.conv2d({ x, shape: [n, h, w, cin], w: weights, b, cout, dilation, relu });
        const maps = Array.from({ length: n }, (_, i) => ({ data: x.subarray(i * h * w * cin), h, w, c: cin }));
        const expected = maps.flatMap((map) => [...conv3x3(map, weights, b, cout, { dilation, relu })]);
        expectClose(y, expected, TOLERANCE[precision], `relu ${relu}`);
      }
      const unbiased = k.conv2d({ x, shape: [n, h, w, cin], w: weights, cout, dilation });
      const zeros = new Float32Array(cout);
      expect(k.conv2d({ x, shape: [n, h, w, cin], w: weights, b: zeros, cout, dilation })).toEqual(unbiased);
    });
  });

  it('gemm, softmax and its gradient, the gradient of ReLU', async () => {
    const k = await init(build);
    const [m, n, d] = [7, 10, 13];
    const [a, b, bias] = [m * d, d * n, n].map(randomFloats);
    const product = multiply(a, b, m, d, n, bias);
    const at = new Float32Array(transposed(a, m, d));
    const bt = new Float32Array(transposed(b, d, n));
    expectClose(k.gemm({ a, b, m, k: d, n, bias }), product, 2e-6, 'a b');
    expectClose(k.gemm({ a: at, b, m, k: d, n, bias, transposeA: true }), product, 2e-6, "a' b");
    expectClose(k.gemm({ a, b: bt, m, k: d, n, bias, transposeB: true }), product, 2e-6, "a b'");
    const y = k.softmax({ x: a, shape: [m, d] });
    expectClose(y, softmax(a, m, d), 1e-7, 'softmax');
    const dx = k.softmaxBackward({ y, shape: [m, d], dy: new Float32Array(m * d).fill(3) });
    expect(Math.max(...dx.map(Math.abs)), 'a constant has no gradient').toBeLessThan(1e-6);
    expect(k.reluBackward({ y: Float32Array.of(-1, 0, 2), dy: Float32Array.of(4, 5, 6) })).toEqual(
      Float32Array.of(0, 0, 6),
    );
    k.dispose();
  });
});

describe('kernels: arguments', () => {
  let k: Kernels;
  const x = new Float32Array(2 * 3 * 2);
  beforeAll(async () => {
    k = await init({ kernels: 'simd', threads: 1 });
  });
  afterAll(() => k.dispose());

  it.each<[string, () => unknown]>([
    [
      'conv2d: expected w of 3*3*cin*cout = 72 numbers, got 70',
      () => k.conv2d({ x, shape: [1, 2, 3, 2], w: new Float32Array(70), cout: 4 }),
    ],
    [
      'conv2d: expected x of n*h*w*cin = 24 numbers, got 12',
      () => k.conv2d({ x, shape: [2, 2, 3, 2], w: new Float32Array(72), cout: 4 }),
    ],
    [
      'conv2d: expected b of cout = 4 numbers, got 1',
      () => k.conv2d({ x, shape: [1, 2, 3, 2], w: new Float32Array(72), b: new Float32Array(1), cout: 4 }),
    ],
    [
      'conv2d: expected shape [n, h, w, cin] of whole numbers from 1 on, got [1,2,3]',
      () => k.conv2d({ x, shape: [1, 2, 3], w: new Float32Array(72), cout: 4 }),
    ],
    [
      'conv2d: expected dilation to be a whole number from 1 on, got 0.5',
      () => k.conv2d({ x, shape: [1, 2, 3, 2], w: new Float32Array(72), cout: 4, dilation: 0.5 }),
    ],
    [
      'conv2d: expected x to be a Float32Array, got Array',
      () => k.conv2d({ x: [...x] as unknown as Float32Array, shape: [1, 2, 3, 2], w: new Float32Array(72), cout: 4 }),
    ],
    [
      'maxPool2d: expected h of at least 3, the reach of its window, got 2',
      () => k.maxPool2d({ x, shape: [1, 2, 3, 2], size: 3 }),
    ],
    [
      'maxPool2dBackward: expected dy of n*outH*outW*c = 2 numbers, got 3',
      () => k.maxPool2dBackward({ x, shape: [1, 2, 3, 2], size: 2, dy: new Float32Array(3) }),
    ],
    [
      'dense: expected w of in*out = 36 numbers, got 35',
      () => k.dense({ x, shape: [1, 12], w: new Float32Array(35), out: 3 }),
    ],
    ['gemm: expected b of k*n = 8 numbers, got 12', () => k.gemm({ a: x, b: x, m: 3, k: 4, n: 2 })],
    ['softmax: expected x of rows*columns = 10 numbers, got 12', () => k.softmax({ x, shape: [2, 5] })],
  ])('%s', (message, call) => {
    expect(call).toThrow(expect.objectContaining({ name: 'AtrousCamError', code: 'BAD_ARGUMENT', message }));
  });

  it('refuses calls after dispose', async () => {
    const other = await init({ kernels: 'simd', threads: 2 });
    other.dispose();
    expect(() => other.softmax({ x, shape: [2, 6] })).toThrow(expect.objectContaining({ code: 'ABORTED' }));
  });

  it('keeps nothing between calls', () => {
    const call = () => k.conv2d({ x, shape: [1, 2, 3, 2], w: new Float32Array(72).fill(1), cout: 4 });
    const first = call();
    for (let i = 0; i < 3; i++) expect(call()).toEqual(first);
  });
});
