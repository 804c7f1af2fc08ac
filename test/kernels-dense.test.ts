import { describe, expect, it } from 'vitest';
import { type View, view } from '../src/wasm/job.js';
import { channelSumJob } from '../src/wasm/ops/cam.js';
import { denseInputGradientJob, denseJob } from '../src/wasm/ops/dense.js';
import { gemmJob, matrix, transpose } from '../src/wasm/ops/gemm.js';
import { reluBackwardJob } from '../src/wasm/ops/relu.js';
import {
  softmaxBackwardJob,
  softmaxCrossEntropyBackwardJob,
  softmaxCrossEntropyJob,
  softmaxJob,
} from '../src/wasm/ops/softmax.js';
import { crossEntropy, multiply, softmax, softmaxBackward, transposed } from './reference/dense.js';
import { builds, get, onRuntime, put, putLast, readView, reserve, UNTOUCHED, writeView } from './support/kernels.js';
import { randomFloats } from './support/random.js';
import { expectClose } from './support/references.js';

const TOLERANCE = 2e-6;

/** Random numbers, every second one zero, as behind a ReLU. */
const sparse = (length: number, seed: number): Float32Array =>
  randomFloats(length, seed).map((value) => Math.max(0, value));

/** [m, k, n] */
const products: [number, number, number][] = [
  [1, 1, 1],
  [2, 3, 5],
  [5, 8, 7],
  [4, 9, 8],
  [7, 64, 16],
  [6, 65, 17],
  [21, 130, 9],
  [20, 63, 128],
  [45, 5, 129],
  [3, 200, 300],
  [170, 33, 15],
];

describe.each(builds)('gemm, $kernels, $threads threads', (build) => {
  it.each(products)('(%d, %d) times (%d columns), all transposes', async (m, k, n) => {
    const a = randomFloats(m * k, 1);
    const b = randomFloats(k * n, 2);
    const bias = randomFloats(n, 3);
    const plain = multiply(a, b, m, k, n);
    const biased = multiply(a, b, m, k, n, bias).map((value) => Math.max(0, value));
    await onRuntime(build, (runtime) => {
      const operands = {
        a: matrix(put(runtime, a), m, k),
        b: matrix(put(runtime, b), k, n),
        at: transpose(matrix(put(runtime, transposed(a, m, k)), k, m)),
        bt: transpose(matrix(put(runtime, transposed(b, k, n)), n, k)),
      };
      const { at, bt } = operands;
      let first: Float32Array | undefined;
      for (const [left, right] of [
        [operands.a, operands.b],
        [operands.a, bt],
        [at, operands.b],
        [at, bt],
      ]) {
        const c = matrix(reserve(runtime, m * n + 4), m, n);
        runtime.run(gemmJob(left, right, c));
        const got = get(runtime, c.ptr, m * n);
        expectClose(got, plain, TOLERANCE, `strides ${left.row}, ${left.col} and ${right.row}, ${right.col}`);
        first ??= got;
        expect(got, 'the same bits whatever the strides').toEqual(first);
        expect(get(runtime, c.ptr + 4 * m * n, 4), 'behind c').toEqual(new Float32Array(4).fill(UNTOUCHED));
      }
      const wide = { ...matrix(reserve(runtime, m * (n + 3)), m, n), row: n + 3 };
      runtime.run(gemmJob(operands.a, operands.b, wide, { bias: put(runtime, bias), relu: true }));
      const rows = get(runtime, wide.ptr, m * (n + 3));
      expectClose(
        rows.filter((_, i) => i % (n + 3) < n),
        biased,
        TOLERANCE,
        'with bias and ReLU',
      );
      expect(rows.filter((_, i) => i % (n + 3) >= n)).toEqual(new Float32Array(3 * m).fill(UNTOUCHED));
    });
  });
});

describe('the end of the memory', () => {
  it.each([
    ['a', 'b'],
    ['b', 'a'],
  ])('gemm reads nothing behind %s', async (last) => {
    const [m, k, n] = [7, 13, 11];
    await onRuntime(builds[0], (runtime) => {
      for (const across of [false, true]) {
        const c = matrix(reserve(runtime, m * n), m, n);
        const operand = (name: string, rows: number, cols: number) => {
          const data = new Float32Array(rows * cols).fill(1);
          const ptr = name === last ? putLast(runtime, data) : put(runtime, data);
          return across ? transpose(matrix(ptr, cols, rows)) : matrix(ptr, rows, cols);
        };
        const names = last === 'a' ? (['b', 'a'] as const) : (['a', 'b'] as const);
        const operands = Object.fromEntries(
          names.map((name) => [name, name === 'a' ? operand('a', m, k) : operand('b', k, n)]),
        );
        runtime.run(gemmJob(operands.a, operands.b, c));
        expect(get(runtime, c.ptr, m * n)).toEqual(new Float32Array(m * n).fill(k));
      }
    });
  });

  it('dense reads nothing behind w', async () => {
    await onRuntime(builds[0], (runtime) => {
      const [x, y] = [put(runtime, new Float32Array(5).fill(1)), reserve(runtime, 7)];
      runtime.run(
        denseJob({ x, w: putLast(runtime, new Float32Array(35).fill(1)), b: 0, y, in: 5, out: 7, relu: false }),
      );
      expect(get(runtime, y, 7)).toEqual(new Float32Array(7).fill(5));
    });
  });
});

/** [inputs, outputs] */
const layers: [number, number][] = [
  [1, 1],
  [3, 5],
  [37, 19],
  [16, 33],
  [1568, 130],
  [100, 1031],
];

describe.each(builds)('dense, $kernels, $threads threads', (build) => {
  it.each(layers)('%d inputs, %d outputs', async (inputs, outputs) => {
    const [x, w, b] = [sparse(inputs, 1), randomFloats(inputs * outputs, 2), randomFloats(outputs, 3)];
    const dy = randomFloats(outputs, 4);
    await onRuntime(build, (runtime) => {
      const o = {
        x: put(runtime, x),
        w: put(runtime, w),
        b: put(runtime, b),
        y: reserve(runtime, outputs + 4),
        in: inputs,
        out: outputs,
      };
      const expected = multiply(x, w, 1, inputs, outputs, b);
      runtime.run(denseJob({ ...o, relu: false }));
      const y = get(runtime, o.y, outputs);
      expectClose(y, expected, TOLERANCE, 'y');
      expect(get(runtime, o.y + 4 * outputs, 4), 'behind y').toEqual(new Float32Array(4).fill(UNTOUCHED));
      runtime.run(
        gemmJob(matrix(o.x, 1, inputs), matrix(o.w, inputs, outputs), matrix(o.y, 1, outputs), { bias: o.b }),
      );
      expect(get(runtime, o.y, outputs), 'the same bits by gemm').toEqual(y);
      runtime.run(denseJob({ ...o, relu: true }));
      expect(get(runtime, o.y, outputs), 'with ReLU').toEqual(y.map((value) => Math.max(0, value)));
      runtime.run(denseJob({ ...o, b: 0, relu: false }));
      expectClose(get(runtime, o.y, outputs), multiply(x, w, 1, inputs, outputs), TOLERANCE, 'without bias');

      const dx = reserve(runtime, inputs);
      const gradient = { dy: put(runtime, dy), w: o.w, dx, in: inputs, out: outputs };
      const dense = multiply(w, dy, inputs, outputs, 1);
      runtime.run(denseInputGradientJob({ ...gradient, mask: 0 }));
      expectClose(get(runtime, dx, inputs), dense, TOLERANCE, 'dx');
      runtime.run(denseInputGradientJob({ ...gradient, mask: o.x }));
      const masked = dense.map((value, i) => (x[i] > 0 ? value : 0));
      expectClose(get(runtime, dx, inputs), masked, TOLERANCE, 'dx behind a ReLU');
    });
  });

  it('skips a zero input, but not NaN', async () => {
    await onRuntime(build, (runtime) => {
      const [x, w, y] = [put(runtime, [0, Number.NaN]), put(runtime, [1, 2, 3, 4]), reserve(runtime, 2)];
      runtime.run(denseJob({ x, w, b: 0, y, in: 2, out: 2, relu: true }));
      expect(get(runtime, y, 2)).toEqual(new Float32Array(2).fill(Number.NaN));
    });
  });
});

describe.each(builds)('reluBackward, $kernels, $threads threads', (build) => {
  it.each([
    [1, 1, 1],
    [2, 3, 6],
    [1, 1, 33],
    [33, 2, 3],
    [5, 7, 64],
  ])('%d x %d, %d channels, plain and guided', async (h, w, c) => {
    const [y, dy] = [sparse(h * w * c, 7), randomFloats(h * w * c, 8)];
    await onRuntime(build, (runtime) => {
      const gapped = (dense?: Float32Array): View => {
        const [pix, row] = [c + 2, w * (c + 2) + 3];
        const v = { ptr: reserve(runtime, h * row), h, w, c, row, pix };
        if (dense) writeView(runtime, v, dense);
        return v;
      };
      for (const guided of [false, true]) {
        const expected = dy.map((value, i) => (y[i] > 0 && (!guided || value > 0) ? value : 0));
        const dx = gapped();
        runtime.run(reluBackwardJob(gapped(y), gapped(dy), dx, { guided }));
        expect(readView(runtime, dx), `guided ${guided}`).toEqual(expected);
        const gaps = { ...dx, ptr: dx.ptr + 4 * c, c: 2 };
        expect([...readView(runtime, gaps)], 'gaps untouched').toEqual(Array(2 * h * w).fill(UNTOUCHED));
        const same = view(put(runtime, dy), h, w, c);
        runtime.run(reluBackwardJob(view(put(runtime, y), h, w, c), same, same, { guided }));
        expect(readView(runtime, same), 'in place').toEqual(expected);
      }
    });
  });

  it('lets nothing through at zero, and NaN through where it is open', async () => {
    const y = [0, -0, 1, -1, 1];
    const dy = [3, 3, Number.NaN, Number.NaN, -2];
    await onRuntime(build, (runtime) => {
      for (const [guided, last] of [
        [false, -2],
        [true, 0],
      ] as const) {
        const dx = view(reserve(runtime, 5), 1, 1, 5);
        runtime.run(reluBackwardJob(view(put(runtime, y), 1, 1, 5), view(put(runtime, dy), 1, 1, 5), dx, { guided }));
        expect(readView(runtime, dx)).toEqual(Float32Array.of(0, 0, Number.NaN, 0, last));
      }
    });
  });
});

describe.each(builds)('softmax, $kernels, $threads threads', (build) => {
  it.each([
    [1, 1],
    [1, 2],
    [3, 10],
    [2, 1000],
  ])('%d rows of %d', async (rows, columns) => {
    for (const scale of [1, 50, 3000]) {
      const x = randomFloats(rows * columns, 9).map((value) => value * scale);
      const dy = randomFloats(rows * columns, 10);
      await onRuntime(build, (runtime) => {
        const y = reserve(runtime, rows * columns);
        runtime.run(softmaxJob({ x: put(runtime, x), y, rows, columns }));
        const expected = softmax(x, rows, columns);
        const p = get(runtime, y, rows * columns);
        expectClose(p, expected, 1e-7, `logits up to ${scale}`);
        const dx = reserve(runtime, rows * columns);
        runtime.run(softmaxBackwardJob({ y, dy: put(runtime, dy), dx, rows, columns }));
        const gradient = softmaxBackward(p, dy, rows, columns);
        const worst = Math.max(...get(runtime, dx, rows * columns).map((value, i) => Math.abs(value - gradient[i])));
        expect(worst, `gradient, logits up to ${scale}`).toBeLessThan(1e-7);
      });
    }
  });

  it('shows NaN and infinite logits instead of hiding them', async () => {
    await onRuntime(build, (runtime) => {
      const x = put(runtime, [1, Number.NaN, 2, 0, Number.NEGATIVE_INFINITY, 0]);
      runtime.run(softmaxJob({ x, y: x, rows: 2, columns: 3 }));
      expect(get(runtime, x, 6)).toEqual(new Float32Array([Number.NaN, Number.NaN, Number.NaN, 0.5, 0, 0.5]));
    });
  });
});

describe.each(builds)('softmax with cross-entropy, $kernels, $threads threads', (build) => {
  /** Rows of a one, of shares that sum to one, and of any numbers. */
  const targetsOf = (rows: number, columns: number): Float32Array[] => [
    Float32Array.from({ length: rows * columns }, (_, i) =>
      i % columns === (7 * Math.floor(i / columns)) % columns ? 1 : 0,
    ),
    new Float32Array(softmax(randomFloats(rows * columns, 12), rows, columns)),
    randomFloats(rows * columns, 13),
  ];

  it.each([
    [1, 1],
    [1, 2],
    [3, 10],
    [65, 5],
    [2, 1000],
  ])('%d rows of %d', async (rows, columns) => {
    for (const scale of [1, 50, 3000])
      for (const targets of targetsOf(rows, columns)) {
        const x = randomFloats(rows * columns, 9).map((value) => value * scale);
        const dy = randomFloats(rows, 10);
        const expected = crossEntropy(x, targets, dy, rows, columns);
        await onRuntime(build, (runtime) => {
          const o = { x: put(runtime, x), targets: put(runtime, targets), rows, columns };
          const loss = reserve(runtime, rows + 1);
          runtime.run(softmaxCrossEntropyJob({ ...o, loss }));
          expectClose(get(runtime, loss, rows), expected.loss, 1e-7, `loss, logits up to ${scale}`);
          expect(get(runtime, loss + 4 * rows, 1)[0]).toBe(UNTOUCHED);
          const dx = reserve(runtime, rows * columns);
          runtime.run(softmaxCrossEntropyBackwardJob({ ...o, dy: put(runtime, dy), dx }));
          expectClose(get(runtime, dx, rows * columns), expected.dx, 1e-7, `dx, logits up to ${scale}`);
          runtime.run(softmaxCrossEntropyBackwardJob({ ...o, dy: put(runtime, new Float32Array(rows).fill(1)), dx }));
          const one = get(runtime, dx, rows * columns);
          runtime.run(softmaxCrossEntropyBackwardJob({ ...o, dy: 0, dx: o.targets }));
          expect(get(runtime, o.targets, rows * columns), 'all one, in place').toEqual(one);
        });
      }
  });

  it('asks nothing of a logit whose target is zero, and shows NaN', async () => {
    await onRuntime(build, (runtime) => {
      const x = put(runtime, [2, 2, Number.NEGATIVE_INFINITY, 1, Number.NaN, 0, 0, -200, -200]);
      const targets = put(runtime, [1, 0, 0, 1, 0, 0, 0, 1, 0]);
      const loss = reserve(runtime, 3);
      runtime.run(softmaxCrossEntropyJob({ x, targets, loss, rows: 3, columns: 3 }));
      expect(get(runtime, loss, 3)).toEqual(Float32Array.of(Math.LN2, Number.NaN, 200));
    });
  });
});

describe.each(builds)('channelSum, $kernels, $threads threads', (build) => {
  it.each([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 512])('%d channels', async (c) => {
    const [h, w] = [7, 5];
    const [x, alpha] = [randomFloats(h * w * c, 11), randomFloats(c, 12)];
    const expected = multiply(x, alpha, h * w, c, 1);
    await onRuntime(build, (runtime) => {
      const y = view(reserve(runtime, h * w), h, w, 1);
      const weights = put(runtime, alpha);
      runtime.run(channelSumJob(view(put(runtime, x), h, w, c), weights, y));
      expectClose(readView(runtime, y), expected, TOLERANCE, 'dense');
      const gapped = { ptr: reserve(runtime, h * (w + 1) * (c + 2)), h, w, c, row: (w + 1) * (c + 2), pix: c + 2 };
      writeView(runtime, gapped, x);
      const strided = { ptr: reserve(runtime, 4 * h * w), h, w, c: 1, row: 4 * w, pix: 2 };
      runtime.run(channelSumJob(gapped, weights, strided));
      expect(readView(runtime, strided), 'the same bits on views').toEqual(readView(runtime, y));
      expect(get(runtime, strided.ptr + 4, 1)[0], 'between the points').toBe(UNTOUCHED);
    });
  });
});
