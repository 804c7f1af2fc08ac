import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Heads } from '../../src/base/types.js';
import { finishMap } from '../../src/map/finish.js';
import { type Cam, CAMS as COMMON } from '../../src/methods/cams.js';
import type { Field } from '../../src/methods/field.js';
import { fittedAlong } from '../../src/methods/fitted-points.js';
import { kernelProjection } from '../../src/methods/kpca-cam.js';
import { fem, segEigenCam } from '../../src/methods/more-cams.js';
import { rawMap } from '../../src/methods/raw.js';
import { Runtime } from '../../src/wasm/runtime.js';
import { kernelPrincipal, type Layer, referenceCams } from '../reference/cams.js';
import { randomFloats } from '../support/random.js';
import { expectClose, fixturePath, readReferences } from '../support/references.js';

const references = readReferences(fixturePath('small/methods.reference.safetensors'));
const pause = () => undefined;
const CAMS: Record<keyof typeof COMMON | 'segeigencam' | 'fem', Cam> = { ...COMMON, segeigencam: segEigenCam, fem };
const names = Object.keys(CAMS) as (keyof typeof CAMS)[];

let runtime: Runtime;
beforeAll(async () => {
  runtime = await Runtime.create({ threads: 1, kernels: 'simd' });
});
afterAll(() => runtime.dispose());

const rawOf = (cam: Cam, field: Field, period = 1, heads: Heads = 'each', eigenSmooth = false) =>
  rawMap(cam, field, { period, heads }, { runtime, pause, eigenSmooth });

/** A field like one behind a ReLU. */
function randomField(side: number, channels: number, seed: number): Field {
  const size = side * side * channels;
  const activation = randomFloats(size, seed).map((value) => Math.max(0, value));
  const gradient = randomFloats(size, seed + 1).map((value, i) => (i % 5 === 0 ? 0 : 0.1 * value));
  return { height: side, width: side, channels, activation, gradient };
}

const layerOf = ({ activation, gradient, channels }: Field): Layer => ({ a: activation, g: gradient, channels });

/** The points of phase (row, column), dense. */
function phaseOf(field: Field, period: number, row: number, column: number): Field {
  const side = field.height / period;
  const pick = (data: Float32Array) =>
    Float32Array.from({ length: side * side * field.channels }, (_, i) => {
      const [point, k] = [Math.floor(i / field.channels), i % field.channels];
      const y = row + period * Math.floor(point / side);
      const x = column + period * (point % side);
      return data[(y * field.width + x) * field.channels + k];
    });
  return { ...field, height: side, width: side, activation: pick(field.activation), gradient: pick(field.gradient) };
}

describe.each(names)('%s', (name) => {
  it.each([
    [4, 16],
    [7, 5],
    [16, 12],
  ])('is its definition in float64: side %i, %i channels', async (side, channels) => {
    const field = randomField(side, channels, 7);
    const { data, width, height } = await rawOf(CAMS[name], field);
    expect([width, height]).toEqual([side, side]);
    // Random data has eigenvalues close to each other, which amplify the rounding of the float32 covariance.
    expectClose(data, referenceCams[name](layerOf(field)), CAMS[name].project ? 2e-5 : 2e-6, name);
  });

  if (name in COMMON)
    it("is pytorch-grad-cam's finished map of the pooled network, from its arrays", async () => {
      const key: Record<keyof typeof COMMON, string> = {
        gradcam: 'GradCAM',
        'gradcam++': 'GradCAMPlusPlus',
        xgradcam: 'XGradCAM',
        layercam: 'LayerCAM',
        hirescam: 'HiResCAM',
        elementwise: 'GradCAMElementWise',
        eigencam: 'EigenCAM',
        eigengradcam: 'EigenGradCAM',
      };
      for (const rank of ['top', 'second']) {
        const get = (what: string) => references.get(`pooled.${what}`)!.data as Float32Array;
        const field: Field = {
          height: 4,
          width: 4,
          channels: 16,
          activation: get('block5_conv3_nhwc'),
          gradient: get(`${rank}.logit.dblock5_conv3_nhwc`),
        };
        const finishing = {
          width: 64,
          height: 64,
          pitch: [16, 16] as const,
          origin: [7.5, 7.5] as const,
          smoothing: 'none' as const,
          period: 16,
          sign: 'positive' as const,
        };
        const { data } = finishMap(await rawOf(CAMS[name], field), finishing);
        expectClose(data, get(`${rank}.pgc.${key[name as keyof typeof COMMON]}`), 1e-5, `${rank} ${name}`);
      }
    });

  if (!CAMS[name].project)
    it('with each head is the method on each phase alone', async () => {
      const field = randomField(8, 6, 3);
      const { data } = await rawOf(CAMS[name], field, 4, 'each');
      for (let row = 0; row < 4; row++)
        for (let column = 0; column < 4; column++) {
          const expected = referenceCams[name](layerOf(phaseOf(field, 4, row, column)));
          const actual = [0, 1, 2, 3].map((i) => data[(row + 4 * (i >> 1)) * 8 + column + 4 * (i & 1)]);
          expectClose(actual, expected, 2e-6, `phase ${row}, ${column}`);
        }
    });
  else
    it('projects all phases at once', async () => {
      const field = randomField(8, 6, 3);
      expect((await rawOf(CAMS[name], field, 4, 'each')).data).toEqual((await rawOf(CAMS[name], field)).data);
    });
});

describe('heads', () => {
  it.each(['gradcam', 'xgradcam', 'gradcam++'] as const)(
    "'one' weighs all points with the weights of phase (0,0): %s",
    async (name) => {
      const field = randomField(8, 6, 5);
      const { data } = await rawOf(CAMS[name], field, 4, 'one');
      const alone = await rawOf(CAMS[name], phaseOf(field, 4, 0, 0));
      expect([data[0], data[4], data[32], data[36]]).toEqual([...alone.data]);
      expect(data.some((value, i) => i % 4 !== 0 && value !== 0)).toBe(true);
    },
  );

  it.each(names)("'mean' gives a map that is constant over phases the pooled map in each of them: %s", async (name) => {
    const pooled = randomField(4, 6, 9);
    const period = 4;
    const side = 16;
    const repeat = (data: Float32Array, scale: number) =>
      Float32Array.from({ length: side * side * 6 }, (_, i) => {
        const [point, k] = [Math.floor(i / 6), i % 6];
        const [y, x] = [Math.floor(point / side), point % side].map((at) => Math.floor(at / period));
        return scale * data[(y * 4 + x) * 6 + k];
      });
    const field: Field = {
      height: side,
      width: side,
      channels: 6,
      activation: repeat(pooled.activation, 1),
      gradient: repeat(pooled.gradient, 1 / period ** 2), // the gradient of a mean over period^2 heads
    };
    const normal = (data: Float32Array) => data.map((value) => value / Math.max(...data.map(Math.abs)));
    const dense = await rawOf(CAMS[name], field, period, 'mean');
    const coarse = await rawOf(CAMS[name], pooled);
    const picked = dense.data.filter((_, i) => (i % side) % period === 0 && Math.floor(i / side) % period === 0);
    expectClose(normal(picked), normal(coarse.data), 2e-5, name);
    if (name === 'gradcam' || name === 'gradcam++') expectClose(picked, coarse.data, 1e-5, `${name}, scale`);
  });
});

describe('KPCA-CAM', () => {
  const products = async (x: Float32Array, y: Float32Array, inner: number) =>
    Float32Array.from({ length: (x.length * y.length) / inner ** 2 }, (_, at) => {
      const [i, j] = [Math.floor(at / (y.length / inner)), at % (y.length / inner)];
      return Array.from({ length: inner }, (__, k) => x[i * inner + k] * y[j * inner + k]).reduce((a, b) => a + b);
    });
  const grid = { low: [0, 0], spacing: 1, period: 1 } as unknown as Parameters<typeof fittedAlong>[1];

  it.each([
    [5, 4, 1, [0, 0]],
    [8, 6, 4, [0, 0]],
    [8, 3, 2, [-1, -1]],
  ] as const)(
    "is kernel PCA of the own phase's points: side %i, %i channels, period %i",
    async (side, channels, period, low) => {
      const field = randomField(side, channels, 13);
      const lattice = fittedAlong(field, { ...grid, period, low });
      const fitted = lattice.rows.flatMap((y) => lattice.columns.map((x) => y * side + x));
      expect(lattice.rows).toHaveLength(side / period);
      const { data } = await kernelProjection(field, lattice, products, pause);
      expectClose(data, kernelPrincipal({ a: field.activation, channels }, fitted), 1e-4, 'projection');
    },
  );

  it('thins out more than 1024 points evenly', () => {
    const { rows, columns } = fittedAlong({ width: 100, height: 60 }, grid);
    expect([rows.length, columns.length, rows[1], columns[1]]).toEqual([20, 34, 3, 3]);
  });

  it('gives zeros where all points are alike', async () => {
    const field = { ...randomField(4, 3, 1), activation: new Float32Array(48).fill(2) };
    const { data } = await kernelProjection(field, fittedAlong(field, grid), products, pause);
    expect([...data].every((value) => value === 0)).toBe(true);
  });
});

describe('eigenSmooth', () => {
  it.each(names)('projects the terms that would be summed: %s', async (name) => {
    const field = randomField(6, 5, 11);
    const { data } = await rawOf(CAMS[name], field, 1, 'each', true);
    if (CAMS[name].project) expect(data).toEqual((await rawOf(CAMS[name], field)).data);
    else expect(data).not.toEqual((await rawOf(CAMS[name], field)).data);
  });

  it('of LayerCAM is the principal component of max(G, 0) A', async () => {
    const field = randomField(6, 5, 11);
    const terms = field.activation.map((a, i) => Math.max(field.gradient[i], 0) * a);
    const { data } = await rawOf(CAMS.layercam, field, 1, 'each', true);
    expectClose(data, referenceCams.eigencam({ a: terms, g: terms, channels: 5 }), 1e-5, 'projection');
  });
});

it.each(names)('a layer without any activation gives zeros, not NaN: %s', async (name) => {
  const field = { ...randomField(4, 3, 1), activation: new Float32Array(48) };
  expect([...(await rawOf(CAMS[name], field)).data].every((value) => value === 0)).toBe(true);
});
