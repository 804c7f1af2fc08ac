import { describe, expect, it } from 'vitest';
import { DRAW_FIELDS, DRAWS, drawFields, drawJob } from '../src/wasm/ops/augment.js';
import {
  type Batch,
  batchFloats,
  batchPoolBackwardJob,
  batchPoolJob,
  batchReluJob,
  momentsFloats,
  type Normalization,
  normalizerGradientJobs,
  normalizerJobs,
} from '../src/wasm/ops/batch.js';
import { adamJob, dropoutJob, sgdJob } from '../src/wasm/ops/optimizer.js';
import type { Runtime } from '../src/wasm/runtime.js';
import { dropoutBits, type Maps, moments, normalized, pooled, sample } from './reference/training.js';
import { builds, get, onRuntime, put, reserve, UNTOUCHED } from './support/kernels.js';
import { randomFloats } from './support/random.js';
import { expectClose } from './support/references.js';

const TOLERANCE = 3e-6;

/** [pictures, h, w, c, gap]: one row a task, several pieces a picture, one piece. */
const shapes: [number, number, number, number, number][] = [
  [1, 2, 2, 4, 1],
  [3, 6, 4, 8, 1],
  [2, 12, 10, 12, 3],
  [2, 64, 64, 8, 1],
  [2, 10, 60, 32, 2],
];

const ramp = (length: number, seed: number, factor: number, offset: number): Float32Array =>
  randomFloats(length, seed).map((value) => factor * value + offset);

/** A batch with UNTOUCHED in its gaps, and its maps. */
function batch(runtime: Runtime, [pictures, h, w, c, gap]: (typeof shapes)[number], dense?: ArrayLike<number>): Batch {
  const shape = { pictures, h, w, c, gap };
  const made = { ...shape, ptr: reserve(runtime, batchFloats(shape)) };
  if (dense)
    for (let p = 0; p < pictures; p++) {
      const one = Array.from({ length: h * w * c }, (_, i) => dense[p * h * w * c + i]);
      runtime.arena.f32(made.ptr + 4 * p * (h + gap) * w * c, one.length).set(one);
    }
  return made;
}

/** The maps of a batch; its gaps must hold `gapValue`. */
function readBatch(runtime: Runtime, { ptr, pictures, h, w, c, gap }: Batch, gapValue: number): Float32Array {
  const made = new Float32Array(pictures * h * w * c);
  for (let p = 0; p < pictures; p++) {
    const start = ptr + 4 * p * (h + gap) * w * c;
    made.set(get(runtime, start, h * w * c), p * h * w * c);
    const behind = get(runtime, start + 4 * h * w * c, gap * w * c);
    expect(behind, `the gap behind picture ${p}`).toEqual(new Float32Array(gap * w * c).fill(gapValue));
  }
  return made;
}

function tables(runtime: Runtime, z: Batch): Normalization & { read(): Record<string, Float32Array> } {
  const { c } = z;
  const made = {
    gamma: put(runtime, ramp(c, 2, 0.5, 0.8)),
    beta: put(runtime, ramp(c, 3, 0.5, 0.1)),
    dgamma: reserve(runtime, c),
    dbeta: reserve(runtime, c),
    running: put(runtime, ramp(2 * c, 4, 0.3, 1)),
    affine: reserve(runtime, 6 * c),
    moments: reserve(runtime, momentsFloats(z)),
  };
  const read = () => ({
    gamma: get(runtime, made.gamma, c),
    beta: get(runtime, made.beta, c),
    dgamma: get(runtime, made.dgamma, c),
    dbeta: get(runtime, made.dbeta, c),
    running: get(runtime, made.running, 2 * c),
  });
  return { ...made, read };
}

describe.each(builds)('training kernels, $kernels, $threads threads', (build) => {
  it.each(shapes)('batch normalization and its gradient: %d pictures, %d x %d x %d, gap %d', async (...shape) => {
    const [n, h, w, c] = shape;
    const data = ramp(n * h * w * c, 1, 2, 7); // far from zero: squares alone would cancel
    const upstream = randomFloats(data.length, 5);
    const maps: Maps = { n, h, w, c, data };
    await onRuntime(build, (runtime) => {
      const z = batch(runtime, shape, data);
      const norm = tables(runtime, z);
      const before = norm.read();
      const { mean, variance } = moments(maps);
      for (const job of normalizerJobs(z, norm, true)) runtime.run(job);
      const y = batch(runtime, shape);
      runtime.run(batchReluJob(z, y.ptr, norm));
      const expected = normalized(maps, before.gamma, before.beta, { mean, variance });
      expectClose(readBatch(runtime, y, 0), expected, 1e-5, 'y');
      const unbiased = (n * h * w) / (n * h * w - 1);
      const running = before.running.map((old, i) => 0.9 * old + 0.1 * (i < c ? mean[i] : unbiased * variance[i - c]));
      expectClose(norm.read().running, running, TOLERANCE, 'running statistics');

      const dy = batch(runtime, shape, upstream);
      for (const job of normalizerGradientJobs(z, dy.ptr, norm, true)) runtime.run(job);
      const gradient = gradientOf(maps, before, { mean, variance }, upstream, expected);
      expectClose(readBatch(runtime, dy, 0), gradient.dz, 1e-5, 'dz');
      expectClose(norm.read().dgamma, gradient.dgamma, 1e-5, 'dgamma');
      expectClose(norm.read().dbeta, gradient.dbeta, 1e-5, 'dbeta');
    });
  });

  it('takes the mean statistics of batches, by the shares 1, 1/2, 1/3', async () => {
    const shape: (typeof shapes)[number] = [2, 6, 4, 8, 1];
    const batches = [1, 2, 3].map((seed) => ramp(2 * 6 * 4 * 8, seed, 2, 7));
    await onRuntime(build, (runtime) => {
      const z = batch(runtime, shape);
      const norm = tables(runtime, z);
      const expected = new Float64Array(16);
      for (const [i, data] of batches.entries()) {
        for (const job of normalizerJobs({ ...z, ptr: batch(runtime, shape, data).ptr }, norm, true, 1 / (i + 1)))
          runtime.run(job);
        const { mean, variance } = moments({ n: 2, h: 6, w: 4, c: 8, data });
        for (let k = 0; k < 8; k++) {
          expected[k] += mean[k] / 3;
          expected[8 + k] += ((48 / 47) * variance[k]) / 3;
        }
      }
      expectClose(norm.read().running, expected, TOLERANCE, 'running statistics');
    });
  });

  it('normalises by running statistics, through which no gradient passes', async () => {
    const shape: (typeof shapes)[number] = [2, 6, 4, 8, 1];
    const data = randomFloats(2 * 6 * 4 * 8, 1);
    const upstream = randomFloats(data.length, 5);
    await onRuntime(build, (runtime) => {
      const z = batch(runtime, shape, data);
      const norm = tables(runtime, z);
      const { gamma, beta, running } = norm.read();
      for (const job of normalizerJobs(z, norm, false)) runtime.run(job);
      const y = batch(runtime, shape);
      runtime.run(batchReluJob(z, y.ptr, norm));
      const fixed = { mean: running.subarray(0, 8), variance: running.subarray(8) };
      const expected = normalized({ n: 2, h: 6, w: 4, c: 8, data }, gamma, beta, fixed);
      expectClose(readBatch(runtime, y, 0), expected, TOLERANCE, 'y');
      expect(norm.read().running, 'running statistics').toEqual(running);
      const dy = batch(runtime, shape, upstream);
      for (const job of normalizerGradientJobs(z, dy.ptr, norm, false)) runtime.run(job);
      const scales = gamma.map((value, k) => value / Math.sqrt(running[8 + k] + 1e-5));
      const dz = upstream.map((value, i) => (expected[i] > 0 ? value * scales[i % 8] : 0));
      expectClose(readBatch(runtime, dy, 0), dz, TOLERANCE, 'dz');
    });
  });

  it.each(shapes)('pool and its gradient: %d pictures, %d x %d x %d, gap %d', async (...shape) => {
    const [n, h, w, c, gap] = shape;
    const data = randomFloats(n * h * w * c, 1);
    for (let i = 0; i < data.length; i += 7) data[i] = data[Math.max(0, i - c)]; // neighbours that tie
    await onRuntime(build, (runtime) => {
      const z = batch(runtime, shape, data);
      const norm = tables(runtime, z);
      for (const job of normalizerJobs(z, norm, false)) runtime.run(job);
      const { gamma, beta, running } = norm.read();
      const fixed = { mean: running.subarray(0, c), variance: running.subarray(c) };
      const open = { n, h, w, c, data: normalized({ n, h, w, c, data }, gamma, beta, fixed) };
      const expected = pooled(open, 2);
      const y = batch(runtime, [n, h / 2, w / 2, c, gap]);
      runtime.run(batchPoolJob(z, y.ptr, norm));
      expectClose(readBatch(runtime, y, 0), expected.data, TOLERANCE, 'y');

      const upstream = randomFloats(expected.data.length, 6);
      const dy = batch(runtime, [n, h / 2, w / 2, c, gap], upstream);
      const dx = batch(runtime, shape);
      runtime.run(batchPoolBackwardJob(z, dy.ptr, dx.ptr, norm));
      const wanted = new Float64Array(data.length);
      for (const [i, from] of expected.from.entries()) wanted[from] += upstream[i];
      const got = readBatch(runtime, dx, UNTOUCHED);
      // Where all of a window is below zero the ReLU lets nothing through, whichever pixel has the gradient.
      const masked = (values: ArrayLike<number>) => Float64Array.from(values, (v, i) => (open.data[i] > 0 ? v : 0));
      expectClose(masked(got), masked(wanted), 0, 'dx');
    });
  });

  it('steps of SGD and AdamW', async () => {
    const n = 40_000;
    const [w, g, m] = [1, 2, 3].map((seed) => randomFloats(n, seed));
    const v = randomFloats(n, 4).map(Math.abs);
    await onRuntime(build, (runtime) => {
      const sgd = { w: put(runtime, w), g: put(runtime, g), m: put(runtime, m), v: 0, n };
      runtime.run(sgdJob(sgd, { rate: 0.1, decay: 0.02, momentum: 0.9 }));
      const moved = m.map((value, i) => 0.9 * value + g[i]);
      expectClose(get(runtime, sgd.m, n), moved, TOLERANCE, 'SGD: m');
      const stepped = w.map((value, i) => value * (1 - 0.002) - 0.1 * moved[i]);
      expectClose(get(runtime, sgd.w, n), stepped, TOLERANCE, 'SGD: w');

      const adam = { w: put(runtime, w), g: put(runtime, g), m: put(runtime, m), v: put(runtime, v), n };
      runtime.run(adamJob(adam, { rate: 0.1, decay: 0.02, step: 3 }));
      const mean = m.map((value, i) => 0.9 * value + 0.1 * g[i]);
      const squares = v.map((value, i) => 0.999 * value + 0.001 * g[i] ** 2);
      expectClose(get(runtime, adam.m, n), mean, TOLERANCE, 'AdamW: m');
      expectClose(get(runtime, adam.v, n), squares, TOLERANCE, 'AdamW: v');
      const adapted = w.map((value, i) => {
        const step = mean[i] / (1 - 0.9 ** 3) / (Math.sqrt(squares[i] / (1 - 0.999 ** 3)) + 1e-8);
        return value * (1 - 0.002) - 0.1 * step;
      });
      expectClose(get(runtime, adam.w, n), adapted, 1e-5, 'AdamW: w');
    });
  });

  it('drops the numbers that the seed says', async () => {
    const n = 40_000;
    const x = randomFloats(n, 1);
    await onRuntime(build, (runtime) => {
      const ptr = put(runtime, x);
      runtime.run(dropoutJob(ptr, n, { rate: 0.3, seed: 12345 }));
      const got = get(runtime, ptr, n);
      const expected = x.map((value, i) => (dropoutBits(12345, i) < Math.floor(0.3 * 2 ** 32) ? 0 : value / 0.7));
      expectClose(got, expected, TOLERANCE, 'x');
      const share = got.filter((value) => value === 0).length / n;
      expect(Math.abs(share - 0.3), `${share} dropped`).toBeLessThan(0.01);
    });
  });

  it.each([true, false])('draws pictures, blue first: %s', async (bgr) => {
    const size = 20;
    const image = { width: 9, height: 7, data: Uint8Array.from({ length: 9 * 7 * 3 }, (_, i) => (i * 89) % 256) };
    const whole = { left: 0, top: 0, right: size, bottom: size };
    const own = { x: -0.7, y: 1.2, dx: 0.5, dy: 0.21, gain: 1.3, offset: -20, ...whole };
    const mirrored = { ...own, x: 8.1, dx: -0.43, gain: 1, offset: 0, left: 3, top: 5, right: 11, bottom: 20 };
    const [mean, scale] = [
      [10, 20, 30, 0],
      [1, 0.5, 2, 0],
    ];
    await onRuntime(build, (runtime) => {
      const source = runtime.arena.alloc(image.data.length + 1);
      new Uint8Array(runtime.arena.memory.buffer, source, image.data.length).set(image.data);
      const y = batch(runtime, [2, size, size, 4, 2]);
      const fields = [own, mirrored, mirrored, { ...own, right: 0 }].flatMap((d) => drawFields(d, source, 9, 7));
      expect(fields.length).toBe(2 * DRAWS * DRAW_FIELDS);
      const draws = runtime.arena.alloc(4 * fields.length);
      runtime.arena.i32(draws, fields.length).set(fields);
      const job = drawJob(draws, { ...y, pictures: 1 }, { bgr, mean: put(runtime, mean), scale: put(runtime, scale) });
      runtime.run(job);
      const expected = Float64Array.from({ length: size * size * 4 }, (_, i) => {
        const [k, j, r] = [i % 4, Math.floor(i / 4) % size, Math.floor(i / 4 / size)];
        if (k === 3) return 0;
        const d = j >= mirrored.left && j < mirrored.right && r >= mirrored.top && r < mirrored.bottom ? mirrored : own;
        const value = sample(image, d.x + d.dx * j, d.y + d.dy * r, bgr ? 2 - k : k);
        return (Math.max(0, Math.min(255, value * d.gain + d.offset)) - mean[k]) * scale[k];
      });
      expectClose(readBatch(runtime, { ...y, pictures: 1 }, 0), expected, 1e-5, 'y');
      const second = get(runtime, y.ptr + 4 * (size + 2) * size * 4, 8);
      expect(second, 'the picture that no task was for').toEqual(new Float32Array(8).fill(UNTOUCHED));
    });
  });
});

/** The gradients of relu(batch normalization(z)) with the batch's statistics, as the formula says, in float64. */
function gradientOf(
  { n, h, w, c, data }: Maps,
  { gamma }: Record<string, Float32Array>,
  { mean, variance }: ReturnType<typeof moments>,
  upstream: ArrayLike<number>,
  y: ArrayLike<number>,
) {
  const pixels = n * h * w;
  const dy = Float64Array.from(upstream, (value, i) => (y[i] > 0 ? value : 0));
  const hat = Float64Array.from(data, (value, i) => (value - mean[i % c]) / Math.sqrt(variance[i % c] + 1e-5));
  const [dgamma, dbeta] = [new Float64Array(c), new Float64Array(c)];
  for (let i = 0; i < dy.length; i++) {
    dgamma[i % c] += dy[i] * hat[i];
    dbeta[i % c] += dy[i];
  }
  const dz = dy.map((value, i) => {
    const k = i % c;
    const centred = value - dbeta[k] / pixels - (hat[i] * dgamma[k]) / pixels;
    return (gamma[k] / Math.sqrt(variance[k] + 1e-5)) * centred;
  });
  return { dz, dgamma, dbeta };
}
