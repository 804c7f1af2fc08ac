import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExplainOptions, Network, PixelInput } from '../../src/api.js';
import { findNode } from '../../src/graph/names.js';
import { load } from '../../src/index.js';
import { smoothMap } from '../../src/map/smoothing.js';
import { shiftedMean, shiftsOf } from '../../src/methods/shifts.js';
import { atInput } from '../../src/methods/work.js';
import { gridNumber } from '../../src/metrics.js';
import { gradientsOf } from '../../src/run/gradient-pass.js';
import { packNetwork } from '../../src/run/packed-network.js';
import { classScore } from '../../src/run/score.js';
import { Runtime } from '../../src/wasm/runtime.js';
import { openWeights } from '../../src/weights/open.js';
import index from '../fixtures/references/small/index.json' with { type: 'json' };
import { principal } from '../reference/cams.js';
import { type PlainNetwork, plainMaps, readPlainFile } from '../reference/plain-network.js';
import { referenceShift, referenceShiftedMean, referenceShifts, referenceSmoothing } from '../reference/smoothing.js';
import { normalized } from '../support/methods.js';
import { randomFloats } from '../support/random.js';
import { expectClose, fixturePath, readReferences } from '../support/references.js';

/** The cures of the grid, against their definitions in float64. */
const file = fixturePath('small/micro-vgg16.keras-official.h5');
const references = readReferences(fixturePath('small/micro-vgg16.reference.safetensors'));
const size = index.network.size;
const image: PixelInput = { width: size, height: size, data: references.get('image_rgb')!.data as Uint8Array };
const input = references.get('input_nhwc')!.data as Float32Array;
const target = index.network.dilated.top;
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;
const filters = ['box', 'phases', 'gaussian'] as const;

let net: Network;
let plain: PlainNetwork;
beforeAll(async () => {
  net = await load(file, { precision: 'exact', kernels: 'simd', preprocessing });
  plain = await readPlainFile(file);
});
afterAll(() => net.dispose());

const explain = (options: ExplainOptions) => net.explain(image, { mode: 'dilated', target, ...options });
const bump = (x: number, y: number) => Math.exp(-((x - 112) ** 2 + (y - 112) ** 2) / (2 * 20 ** 2));
const mapOf = (value: (x: number, y: number) => number) =>
  Float32Array.from({ length: 224 * 224 }, (_, i) => value(i % 224, Math.floor(i / 224)));
const gridOf = (data: Float32Array) => gridNumber({ width: 224, height: 224, data });

describe.each(filters)('%s', (smoothing) => {
  it.each([16, 8, 4, 2])('is its definition in float64: period %i', (period) => {
    for (const side of [40, 9]) {
      const map = randomFloats(side * side, period);
      expectClose(
        smoothMap(map, side, smoothing, period),
        referenceSmoothing[smoothing](map, side, period),
        1e-6,
        smoothing,
      );
    }
  });

  it.each([16, 8, 4, 2])('takes a comb of period %i away, and leaves what is large', (period) => {
    const map = mapOf((x, y) => bump(x, y) + (x % period === 0 && y % period === 0 ? period / 4 : 0));
    const before = gridOf(map);
    expect(before).toBeGreaterThan(0.25);
    const out = smoothMap(map, 224, smoothing, period);
    expect(gridOf(out)).toBeLessThan(before / 100);
    expect(out[112 * 224 + 112] - out[112 * 224 + 8]).toBeGreaterThan(0.7);
  });

  it('acts on the part that is shown, by the period of the layer, before the last normalisation', async () => {
    for (const [layer, period] of [
      ['block5_conv3', 16],
      ['block3_conv2', 4],
    ] as const) {
      const options = { method: 'hirescam', layer } as const;
      const { raw, map } = await explain(options);
      expectClose(map.data, normalized(normalized(raw.data)), 1e-6, 'without');
      const averaged = referenceSmoothing[smoothing](normalized(raw.data), size, period);
      expectClose(
        (await explain({ ...options, smoothing })).map.data,
        normalized(Float32Array.from(averaged)),
        1e-5,
        layer,
      );
    }
    const first = { method: 'hirescam', layer: 'block1_conv2' } as const; // which has no lattice
    expect((await explain({ ...first, smoothing })).map.data).toEqual((await explain(first)).map.data);
  });
});

describe('shift', () => {
  it.each([16, 8, 4, 2])('moves by each row and each column of a period of %i once', (period) => {
    expect(shiftsOf(period).map(({ down, right }) => [down, right])).toEqual(referenceShifts[period]);
  });

  it('takes away a comb that stays where it is when the picture moves, and leaves what moves', () => {
    const shifts = shiftsOf(16);
    const comb = (x: number, y: number): number => (x % 16 === 0 && y % 16 === 0 ? 4 : 0);
    const runs = (still: typeof comb, moving: typeof comb) =>
      shifts.map(({ down, right }) => [
        {
          raw: { width: 224, height: 224, data: mapOf((x, y) => still(x, y) + moving(x - right, y - down)) },
          place: atInput({ h: 224, w: 224, c: 3 }),
        },
      ]);
    const [cured] = shiftedMean(runs(comb, bump), shifts);
    const [kept] = shiftedMean(
      runs(
        () => 0,
        (x, y) => bump(x, y) + comb((x + 160) % 16, (y + 160) % 16),
      ),
      shifts,
    );
    const before = gridOf(mapOf((x, y) => bump(x, y) + comb(x, y)));
    expect(before).toBeGreaterThan(0.3);
    expect(gridOf(cured.raw.data)).toBeLessThan(before / 5);
    expect(gridOf(kept.raw.data)).toBeCloseTo(before, 5);
  });

  it('is the mean of the maps of shifted inputs, in float64: EigenCAM', async () => {
    const [layer, shifts] = ['block3_conv2', referenceShifts[4]];
    const blocks = plain.blocks.slice(0, 3); // what lies behind takes long in float64
    const maps = shifts.map((shift) => {
      const data = referenceShift(input, size, shift);
      const a = plainMaps({ ...plain, blocks }, 'dilated', { h: size, w: size, c: 3, data }).get(layer)!;
      return principal(a.data, a.c);
    });
    const { raw, map } = await explain({ method: 'eigencam', layer, smoothing: 'shift' });
    expectClose(raw.data, referenceShiftedMean(maps, size, shifts), 1e-4, layer);
    expectClose(map.data, normalized(normalized(raw.data)), 1e-6, 'finished');
  });

  it('takes the gradient of each shifted input: Grad-CAM and saliency', async () => {
    const runtime = await Runtime.create({ threads: 1, kernels: 'simd' });
    const weights = await openWeights(file, {});
    const network = await packNetwork(runtime, weights, 'exact');
    weights.close();
    const score = classScore('logit', target);
    const [gradcam, saliency]: Float64Array[][] = [[], []];
    for (const shift of referenceShifts[16]) {
      const layers = [findNode(network.graph, 'block5_conv3')!];
      const result = await gradientsOf({ runtime, network }, Float32Array.from(referenceShift(input, size, shift)), {
        mode: 'dilated',
        score,
        layers,
        activations: true,
        input: true,
      });
      const { activation: a, gradient: g, channels } = result.layers.get(layers[0])!;
      const alpha = Array.from({ length: channels }, (_, k) =>
        g.reduce((sum, v, i) => (i % channels === k ? sum + v : sum), 0),
      );
      gradcam.push(
        Float64Array.from({ length: size * size }, (_, i) =>
          alpha.reduce((sum, weight, k) => sum + (weight / size ** 2) * a![i * channels + k], 0),
        ),
      );
      const d = result.input!;
      saliency.push(
        Float64Array.from({ length: size * size }, (_, i) => Math.max(...[0, 1, 2].map((k) => Math.abs(d[3 * i + k])))),
      );
    }
    runtime.dispose();
    const plainly = await explain({});
    for (const [method, maps] of [
      ['gradcam', gradcam],
      ['saliency', saliency],
    ] as const) {
      const { raw, logits } = await explain({ method, smoothing: 'shift' });
      expectClose(raw.data, referenceShiftedMean(maps, size, referenceShifts[16]), 1e-5, method);
      expectClose(logits, plainly.logits, 1e-6, 'what the network says is of the picture itself');
    }
  });

  it('counts all its passes, in the estimate and in the progress', async () => {
    const one = net.estimate({ mode: 'dilated', method: 'hirescam' }).macs;
    expect(net.estimate({ mode: 'dilated', method: 'hirescam', smoothing: 'shift' }).macs).toBe(16 * one);
    expect(net.estimate({ mode: 'dilated', smoothing: 'shift', augSmooth: true }).macs).toBe(96 * one);
    const inner = { mode: 'dilated', method: 'hirescam', layer: 'block3_conv1' } as const;
    expect(net.estimate({ ...inner, smoothing: 'shift' }).macs).toBe(4 * net.estimate(inner).macs);
    const shares: number[] = [];
    await explain({ smoothing: 'shift', onProgress: ({ done }) => shares.push(done) });
    expect(shares.every((share, i) => share <= 1 && share >= (shares[i - 1] ?? 0))).toBe(true);
    expect([shares.some((share) => share < 1 / 16), shares.at(-1)! > 0.99]).toEqual([true, true]);
  });
});

it.each([
  [{ degrid: 'box' } as never, 'BAD_ARGUMENT', /^degrid: this option is called smoothing/],
  [
    { smoothing: 'median' as never },
    'BAD_ARGUMENT',
    /^smoothing: expected one of none, box, phases, gaussian, shift, got 'median'$/,
  ],
  [
    { mode: 'pooled', smoothing: 'shift' },
    'UNSUPPORTED',
    /defined in mode 'dilated' only, because the pooled .* mode 'atrous' computes$/,
  ],
  [
    { mode: 'atrous', smoothing: 'shift' },
    'UNSUPPORTED',
    /on all shifted pictures already; use heads 'mean' or 'each', or smoothing 'box'$/,
  ],
] as const)('refuses %o', async (options, code, message) => {
  await expect(explain(options)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  expect(() => net.estimate(options)).toThrow(message);
});
