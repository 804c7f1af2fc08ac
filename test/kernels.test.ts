import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { init, type Kernels, type LayerGradients } from '../src/kernels.js';
import cases from './fixtures/references/kernels-small.json' with { type: 'json' };
import { conv3x3, conv3x3Backward } from './reference/conv.js';
import { crossEntropy, multiply, softmax, transposed } from './reference/dense.js';
import { checkKernelCase, titleOf } from './support/kernel-cases.js';
import { builds } from './support/kernels.js';
import { randomFloats } from './support/random.js';
import { expectClose, expectNear, fixturePath, readReferences } from './support/references.js';

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
      const dy = randomFloats(n * h * w * cout, 5);
      const gradients = k.conv2dBackward({ x, shape: [n, h, w, cin], w: weights, cout, dilation, dy });
      expectGradients(gradients, [n, h, w, cin], { x, w: weights, dy }, cout, dilation, TOLERANCE[precision]);
      const y = k.conv2d({ x, shape: [n, h, w, cin], w: weights, b, cout, dilation, relu: true });
      for (const guided of [false, true]) {
        const masked = dy.map((value, i) => (y[i] > 0 && (!guided || value > 0) ? value : 0));
        const options = { x, shape: [n, h, w, cin], w: weights, cout, dilation };
        expect(k.conv2dBackward({ ...options, dy, y, guided })).toEqual(k.conv2dBackward({ ...options, dy: masked }));
        expect(k.reluBackward({ y, dy, guided })).toEqual(masked);
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

    const labels = [3, 0, 12, 5, 5, 1, 7];
    const targets = Float32Array.from({ length: m * d }, (_, i) => (labels[Math.floor(i / d)] === i % d ? 1 : 0));
    const dy = randomFloats(m, 4);
    const expected = crossEntropy(a, targets, dy, m, d);
    for (const given of [{ labels }, { targets }]) {
      const loss = k.softmaxCrossEntropy({ x: a, shape: [m, d], ...given });
      expectClose(loss, expected.loss, 1e-7, 'softmaxCrossEntropy');
      const gradient = k.softmaxCrossEntropyBackward({ x: a, shape: [m, d], ...given, dy });
      expectClose(gradient, expected.dx, 1e-7, 'softmaxCrossEntropyBackward');
    }

    const layer = { x: a, shape: [m, d], w: b, out: n };
    const out = k.dense({ ...layer, b: bias, relu: true });
    const above = randomFloats(m * n, 5);
    const masked = k.reluBackward({ y: out, dy: above });
    expect(k.denseBackward({ ...layer, dy: above, y: out })).toEqual(k.denseBackward({ ...layer, dy: masked }));
    k.dispose();
  });
});

/** Compares the gradients of a batch with the sum of the maps' own. */
function expectGradients(
  { dx, dw, db }: LayerGradients,
  [n, h, w, cin]: number[],
  o: { x: Float32Array; w: Float32Array; dy: Float32Array },
  cout: number,
  dilation: number,
  tolerance: number,
): void {
  const each = Array.from({ length: n }, (_, i) => {
    const map = { data: o.x.subarray(i * h * w * cin), h, w, c: cin };
    return conv3x3Backward(map, o.w, o.dy.subarray(i * h * w * cout), cout, dilation);
  });
  const sum = (name: 'dw' | 'db') =>
    each[0][name].map((_, i) => each.reduce((total, part) => total + part[name][i], 0));
  expectNear(
    dx,
    each.flatMap((part) => [...part.dx]),
    tolerance,
    'dx',
  );
  expectNear(dw, sum('dw'), tolerance, 'dw');
  expectNear(db, sum('db'), tolerance, 'db');
}

describe('kernels: arguments', () => {
  let k: Kernels;
  const x = new Float32Array(2 * 3 * 2);
  beforeAll(async () => {
    k = await init({ kernels: 'simd', threads: 1 });
  });
  afterAll(() => k.dispose());

  it.each<[string, () => unknown]>([
    [
      'conv2d: expected groups to divide cin = 2 and cout = 4, got 3',
      () => k.conv2d({ x, shape: [1, 2, 3, 2], w: new Float32Array(72), cout: 4, groups: 3 }),
    ],
    [
      'conv2d: expected w of 3*3*cin/groups*cout = 36 numbers, got 72',
      () => k.conv2d({ x, shape: [1, 2, 3, 2], w: new Float32Array(72), cout: 4, groups: 2 }),
    ],
    [
      'conv2d: expected size to be a whole number from 1 on, or two of them, got [3,3,3]',
      () => k.conv2d({ x, shape: [1, 2, 3, 2], w: x, cout: 4, size: [3, 3, 3] as unknown as [number, number] }),
    ],
    [
      'conv2d: expected size of at most 64 taps, got 65',
      () => k.conv2d({ x, shape: [1, 2, 3, 2], w: x, cout: 4, size: 65 }),
    ],
    [
      'conv2d: expected stride to be a whole number from 1 on, or two of them, got 0',
      () => k.conv2d({ x, shape: [1, 2, 3, 2], w: new Float32Array(72), cout: 4, stride: 0 }),
    ],
    [
      "conv2d: expected pad to be 'same', a whole number or four, [top, left, bottom, right], got 'valid'",
      () => k.conv2d({ x, shape: [1, 2, 3, 2], w: new Float32Array(72), cout: 4, pad: 'valid' as 'same' }),
    ],
    [
      'conv2d: expected h of at least 3, the reach of its window, got 2',
      () => k.conv2d({ x, shape: [1, 2, 3, 2], w: new Float32Array(72), cout: 4, pad: 0 }),
    ],
    [
      'conv2d: expected either relu or activation, got both',
      () => k.conv2d({ x, shape: [1, 2, 3, 2], w: new Float32Array(72), cout: 4, relu: true, activation: 'relu' }),
    ],
    [
      "conv2d: expected activation to be one of relu, relu6, elu, selu, sigmoid, tanh, silu, hard-swish, gelu, gelu-tanh, softplus, or { f, ... }, got 'swish'",
      () => k.conv2d({ x, shape: [1, 2, 3, 2], w: new Float32Array(72), cout: 4, activation: 'swish' as 'silu' }),
    ],
    [
      'conv2d: expected activation.slope of c = 4 numbers, got 12',
      () =>
        k.conv2d({ x, shape: [1, 2, 3, 2], w: new Float32Array(72), cout: 4, activation: { f: 'prelu', slope: x } }),
    ],
    [
      'conv2dBackward: expected y of a ReLU only, got that of silu',
      () => {
        const y = new Float32Array(24);
        return k.conv2dBackward({
          x,
          shape: [1, 2, 3, 2],
          w: new Float32Array(72),
          cout: 4,
          dy: y,
          y,
          activation: 'silu',
        });
      },
    ],
    [
      'activation: expected activation.alpha to be a number, got undefined',
      () => k.activation({ x, activation: { f: 'elu' } as { f: 'elu'; alpha: number } }),
    ],
    [
      "activation: expected activation.f to be one of clip, leaky-relu, elu, hard-sigmoid, prelu, got 'constructor'",
      () => k.activation({ x, activation: { f: 'constructor' } as unknown as 'relu' }),
    ],
    [
      'activation: expected x of a multiple of slope.length = 5 numbers, got 12',
      () => k.activation({ x, activation: { f: 'prelu', slope: new Float32Array(5) } }),
    ],
    [
      'averagePool2d: expected either countPadding or ceil, got both',
      () => k.averagePool2d({ x, shape: [1, 2, 3, 2], size: 2, ceil: true, countPadding: true }),
    ],
    ['globalMean: expected x of n*h*w*c = 8 numbers, got 12', () => k.globalMean({ x, shape: [1, 2, 2, 2] })],
    [
      'globalMaxBackward: expected dy of n*c = 2 numbers, got 12',
      () => k.globalMaxBackward({ x, shape: [1, 2, 3, 2], dy: x }),
    ],
    ['affine: expected scale of c = 3 numbers, got 12', () => k.affine({ x, shape: [4, 3], scale: x, shift: x })],
    ['layerNorm: expected shape [..., c] of whole numbers from 1 on, got []', () => k.layerNorm({ x, shape: [] })],
    ['layerNorm: expected epsilon to be a number above 0, got 0', () => k.layerNorm({ x, shape: [4, 3], epsilon: 0 })],
    [
      'add: expected b of n*h*w*c = 12 numbers, got 3',
      () => k.add({ a: x, b: new Float32Array(3), shape: [1, 2, 3, 2] }),
    ],
    [
      'multiplyBackward: expected dy of n*h*w*c = 12 numbers, got 2',
      () => k.multiplyBackward({ a: x, b: x, shape: [1, 2, 3, 2], dy: x.subarray(2, 4) }),
    ],
    [
      'concat: expected shapes that differ in c alone, [1, 2, 3, c], got [1,3,2,2]',
      () =>
        k.concat({
          xs: [x, x],
          shapes: [
            [1, 2, 3, 2],
            [1, 3, 2, 2],
          ],
        }),
    ],
    ['concat: expected xs of shapes.length = 1 maps, got 2', () => k.concat({ xs: [x, x], shapes: [[1, 2, 3, 2]] })],
    [
      'concatBackward: expected dy of n*h*w*(sum of c) = 24 numbers, got 12',
      () =>
        k.concatBackward({
          shapes: [
            [1, 2, 3, 2],
            [1, 2, 3, 2],
          ],
          dy: x,
        }),
    ],
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
    [
      'conv2dBackward: expected dy of n*outH*outW*cout = 24 numbers, got 12',
      () => k.conv2dBackward({ x, shape: [1, 2, 3, 2], w: new Float32Array(72), cout: 4, dy: x }),
    ],
    [
      'conv2dBackward: expected y of n*outH*outW*cout = 24 numbers, got 12',
      () =>
        k.conv2dBackward({ x, shape: [1, 2, 3, 2], w: new Float32Array(72), cout: 4, dy: new Float32Array(24), y: x }),
    ],
    [
      'softmaxCrossEntropy: expected labels to be whole numbers from 0 to 5, got 6',
      () => k.softmaxCrossEntropy({ x, shape: [2, 6], labels: [5, 6] }),
    ],
    [
      'softmaxCrossEntropy: expected labels of rows = 2 numbers, got 1',
      () => k.softmaxCrossEntropy({ x, shape: [2, 6], labels: [5] }),
    ],
    [
      'softmaxCrossEntropyBackward: expected either labels or targets, got neither',
      () => k.softmaxCrossEntropyBackward({ x, shape: [2, 6] }),
    ],
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
