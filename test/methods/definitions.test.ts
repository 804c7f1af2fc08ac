import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExplainOptions, Network, PixelInput } from '../../src/api.js';
import type { Mode } from '../../src/base/types.js';
import { load } from '../../src/index.js';
import { gradientsOf } from '../../src/run/gradient-pass.js';
import { packNetwork } from '../../src/run/packed-network.js';
import { classScore } from '../../src/run/score.js';
import { Runtime } from '../../src/wasm/runtime.js';
import { openWeights } from '../../src/weights/open.js';
import index from '../fixtures/references/small/index.json' with { type: 'json' };
import { multiply } from '../reference/dense.js';
import type { Map3 } from '../reference/map.js';
import { type PlainNetwork, plainMaps, readPlainFile } from '../reference/plain-network.js';
import { maxPool } from '../reference/pool.js';
import { seeded } from '../support/random.js';
import { expectClose, fixturePath, readReferences } from '../support/references.js';

/** Methods without a reference of their own, against their definitions in float64. */
const file = fixturePath('small/micro-vgg16.keras-official.h5');
const references = new Map([
  ...readReferences(fixturePath('small/micro-vgg16.reference.safetensors')),
  ...readReferences(fixturePath('small/micro-vgg16.gradients.safetensors')),
]);
const numbers = (key: string) => references.get(key)!.data as Float32Array;
const size = index.network.size;
const image: PixelInput = { width: size, height: size, data: references.get('image_rgb')!.data as Uint8Array };
const input = Float64Array.from(numbers('input_nhwc'));
const target = index.network.pooled.top;
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;

let net: Network;
let plain: PlainNetwork;
/** The definition's maps of the picture in `atrous`. */
let atrous: Map<string, Map3>;
beforeAll(async () => {
  net = await load(file, { precision: 'exact', kernels: 'simd', preprocessing });
  plain = await readPlainFile(file);
  atrous = plainMaps(plain, 'atrous', asMap(input));
});
afterAll(() => net.dispose());

const explain = (options: ExplainOptions) => net.explain(image, { target, smoothing: 'none', ...options });
const asMap = (data: ArrayLike<number>): Map3 => ({ h: size, w: size, c: 3, data });

/** The logits of the head behind a last map (side, side, channels) whose max pool has windows of `window` points. */
function headLogits({ dense }: PlainNetwork, last: Map3, window: number): Float64Array {
  const cells = last.h / window;
  let x = maxPool(last, cells, cells, { size: window, stride: window, dilation: 1 });
  for (const [i, { kernel, bias }] of dense.entries()) {
    x = multiply(x, kernel, 1, x.length, bias.length, bias);
    if (i < dense.length - 1) x = x.map((value) => Math.max(0, value));
  }
  return x;
}

const lastMap = (network: PlainNetwork, mode: Mode, data: ArrayLike<number>): Map3 =>
  [...plainMaps(network, mode, asMap(data)).values()].at(-1)!;

/** The target's logit; in `atrous` that of the network's own head, phase (0,0). */
const logit = (network: PlainNetwork, data: ArrayLike<number>, mode: Mode = 'pooled'): number =>
  headLogits(network, lastMap(network, mode, data), mode === 'dilated' ? 32 : 2)[target];

const phaseOf = ({ data, w, c }: Map3, row: number, column: number): Map3 => {
  const side = w / 16;
  const at = (i: number) => {
    const [point, k] = [Math.floor(i / c), i % c];
    return ((row + 16 * Math.floor(point / side)) * w + column + 16 * (point % side)) * c + k;
  };
  return { h: side, w: side, c, data: Float64Array.from({ length: side * side * c }, (_, i) => data[at(i)]) };
};

/** A map in which a channel is 0 everywhere. */
const withoutChannel = (map: Map3, channel: number): Map3 => ({
  ...map,
  data: Float64Array.from(map.data, (value, i) => (i % map.c === channel ? 0 : value)),
});

const weighted = ({ data, h, w, c }: Map3, alpha: readonly number[]): Float64Array =>
  Float64Array.from({ length: h * w }, (_, i) => alpha.reduce((sum, a, k) => sum + a * data[i * c + k], 0));

describe('methods at the input', () => {
  const largest = (g: ArrayLike<number>) =>
    Float64Array.from({ length: g.length / 3 }, (_, i) => Math.max(...[0, 1, 2].map((k) => Math.abs(g[3 * i + k]))));
  const sum = (g: ArrayLike<number>) =>
    Float64Array.from({ length: g.length / 3 }, (_, i) => g[3 * i] + g[3 * i + 1] + g[3 * i + 2]);

  it.each(['pooled', 'dilated', 'atrous'] as const)(
    "saliency is the largest |dy/dx| of PyTorch's: %s",
    async (mode) => {
      const { raw } = await explain({ mode, method: 'saliency', heads: 'one' });
      expect([raw.width, raw.height]).toEqual([size, size]);
      expectClose(raw.data, largest(numbers(`${mode}.top.logit.dinput_nhwc`)), 1e-4, 'saliency');
    },
  );

  it('saliency takes the dense score in atrous', async () => {
    const { raw, score, heads } = await explain({ mode: 'atrous', method: 'saliency' });
    expect(heads).toBe('mean');
    expectClose([score], numbers('atrous.top.dense.score'), 1e-5, 'score');
    expectClose(raw.data, largest(numbers('atrous.top.dense.dinput_nhwc')), 1e-4, 'saliency');
  });

  it.each(['pooled', 'dilated', 'atrous'] as const)("guided backpropagation is PyTorch's, summed: %s", async (mode) => {
    const { raw } = await explain({ mode, method: 'guided-backprop', heads: 'one' });
    expectClose(raw.data, sum(numbers(`${mode}.top.guided_backprop_nhwc`)), 1e-4, 'guided backpropagation');
  });

  it('guided Grad-CAM is the product of both', async () => {
    const guided = await explain({ mode: 'pooled', method: 'guided-backprop' });
    const gradcam = await explain({ mode: 'pooled', method: 'gradcam' });
    const { raw } = await explain({ mode: 'pooled', method: 'guided-gradcam' });
    const product = guided.raw.data.map((value, i) => value * gradcam.map.data[i]);
    expectClose(raw.data, product, 1e-5, 'guided Grad-CAM');
  });

  it('integrated gradients add up to y(x) - y(0): pooled', async () => {
    const { raw, score } = await explain({ mode: 'pooled', method: 'integrated-gradients' });
    const difference = logit(plain, input) - logit(plain, new Float64Array(input.length));
    expect(Math.abs(raw.data.reduce((a, b) => a + b, 0) - difference)).toBeLessThan(0.01 * Math.abs(difference));
    expect(score).toBeCloseTo(logit(plain, input), 4);
  });

  it('integrated gradients add up to the difference of the dense scores: atrous', async () => {
    const dense = (data: ArrayLike<number>) => {
      const last = lastMap(plain, 'atrous', data);
      const scores = Array.from({ length: 256 }, (_, i) => headLogits(plain, phaseOf(last, i >> 4, i & 15), 2)[target]);
      return scores.reduce((a, b) => a + b, 0) / 256;
    };
    const { raw } = await explain({ mode: 'atrous', method: 'integrated-gradients' });
    const difference = dense(input) - dense(new Float64Array(input.length));
    expect(Math.abs(raw.data.reduce((a, b) => a + b, 0) - difference)).toBeLessThan(0.01 * Math.abs(difference));
  });

  it('SmoothGrad is the mean gradient of 25 inputs with normal noise, by seed', async () => {
    const runtime = await Runtime.create({ threads: 1, kernels: 'simd' });
    const weights = await openWeights(file, {});
    const network = await packNetwork(runtime, weights, 'exact');
    weights.close();
    const uniform = seeded(5);
    const normal = () => {
      const [u, v] = [uniform(), uniform()];
      const radius = Math.sqrt(-2 * Math.log(1 - u));
      return [radius * Math.cos(2 * Math.PI * v), radius * Math.sin(2 * Math.PI * v)];
    };
    const deviation = 0.15 * (input.reduce((a, b) => Math.max(a, b)) - input.reduce((a, b) => Math.min(a, b)));
    const mean = new Float64Array(input.length);
    for (let n = 0; n < 25; n++) {
      const noise = Array.from({ length: input.length / 2 }, normal).flat();
      const noisy = Float32Array.from(input, (value, i) => value + deviation * noise[i]);
      const score = classScore('logit', target);
      const { input: g } = await gradientsOf({ runtime, network }, noisy, { mode: 'pooled', score, input: true });
      for (let i = 0; i < mean.length; i++) mean[i] += g![i] / 25;
    }
    runtime.dispose();
    const { raw } = await explain({ mode: 'pooled', method: 'smoothgrad', seed: 5 });
    expectClose(raw.data, largest(mean), 1e-4, 'SmoothGrad');
    const other = await explain({ mode: 'pooled', method: 'smoothgrad', seed: 6 });
    expect(other.raw.data).not.toEqual(raw.data);
  });

  it('occlusion is the mean loss over the windows that cover a pixel', async () => {
    const { raw } = await explain({ mode: 'pooled', method: 'occlusion' });
    const [window, step] = [size / 8, size / 16];
    const whole = logit(plain, input);
    const loss = (top: number, left: number) => {
      const inside = (i: number) => {
        const [y, x] = [Math.floor(i / 3 / size) - top, (Math.floor(i / 3) % size) - left];
        return y >= 0 && y < window && x >= 0 && x < window;
      };
      return (
        whole -
        logit(
          plain,
          input.map((value, i) => (inside(i) ? 0 : value)),
        )
      );
    };
    for (const [y, x] of [
      [0, 0],
      [30, 9],
      [63, 40],
    ]) {
      const starts = (at: number) =>
        Array.from({ length: 15 }, (_, i) => i * step).filter((start) => at >= start && at < start + window);
      const losses = starts(y).flatMap((top) => starts(x).map((left) => loss(top, left)));
      const expected = losses.reduce((a, b) => a + b, 0) / losses.length;
      expect(Math.abs(raw.data[y * size + x] - expected)).toBeLessThan(1e-4 * Math.abs(whole));
    }
  });

  it('occlusion in atrous is that of the network itself', async () => {
    const pooled = await explain({ mode: 'pooled', method: 'occlusion' });
    const atrous = await explain({ mode: 'atrous', method: 'occlusion' });
    expect(atrous.raw.data).toEqual(pooled.raw.data);
  });
});

describe('methods of the dense score at inner layers', () => {
  it.each(['block3_conv3', 'block5_conv3'] as const)(
    "HiResCAM and LayerCAM with PyTorch's gradient: %s",
    async (layer) => {
      const a = atrous.get(layer)!;
      const g = numbers(`atrous.top.dense.d${layer}_nhwc`);
      const expected = (term: (at: number) => number) =>
        Float64Array.from({ length: a.h * a.w }, (_, i) =>
          Array.from({ length: a.c }, (_, k) => term(i * a.c + k)).reduce((x, y) => x + y),
        );
      const hirescam = await explain({ mode: 'atrous', method: 'hirescam', layer, heads: 'mean' });
      expectClose(
        hirescam.raw.data,
        expected((at) => g[at] * a.data[at]),
        1e-4,
        'HiResCAM',
      );
      const layercam = await explain({ mode: 'atrous', method: 'layercam', layer, heads: 'mean' });
      expectClose(
        layercam.raw.data,
        expected((at) => Math.max(g[at], 0) * a.data[at]),
        1e-4,
        'LayerCAM',
      );
      const sums = Array.from({ length: a.c }, (_, k) => g.filter((_, i) => i % a.c === k).reduce((x, y) => x + y, 0));
      const points = (size / 2 ** (Number(layer[5]) - 1)) ** 2; // that the pooled layer has
      const gradcam = await explain({ mode: 'atrous', method: 'gradcam', layer, heads: 'mean' });
      expectClose(
        gradcam.raw.data,
        weighted(
          a,
          sums.map((sum) => sum / points),
        ),
        1e-4,
        'Grad-CAM',
      );
    },
  );
});

describe('Ablation-CAM', () => {
  const alphaOf = (y: number, without: number) => (y - without) / Math.abs(y);

  it.each([
    ['pooled', 'block4_conv3'],
    ['dilated', 'block4_conv2'],
    ['atrous', 'block3_conv3'],
  ] as const)('runs the network behind a layer without each of its channels: %s %s', async (mode, layer) => {
    const own = mode === 'dilated' ? 'dilated' : 'pooled';
    const whole = plainMaps(plain, own, asMap(input)).get(layer)!;
    const logitOf = (map: Map3) => {
      const last = [...plainMaps(plain, own, map, layer).values()].at(-1)!;
      return headLogits(plain, last, own === 'dilated' ? 32 : 2)[target];
    };
    const y = logitOf(whole);
    const alpha = Array.from({ length: whole.c }, (_, k) => alphaOf(y, logitOf(withoutChannel(whole, k))));
    const a = own === mode ? whole : atrous.get(layer)!;
    const { raw } = await explain({ mode, method: 'ablationcam', layer });
    expectClose(raw.data, weighted(a, alpha), 1e-4, layer);
  });

  it('divides by the size of a negative score: what raises it still speaks for the class', async () => {
    const last = lastMap(plain, 'pooled', input);
    const negative = headLogits(plain, last, 2).reduce((least, value, i, all) => (value < all[least] ? i : least), 0);
    const y = headLogits(plain, last, 2)[negative];
    const alpha = Array.from({ length: last.c }, (_, k) => {
      return alphaOf(y, headLogits(plain, withoutChannel(last, k), 2)[negative]);
    });
    const { raw, score } = await explain({ mode: 'pooled', method: 'ablationcam', target: negative });
    expect(score).toBeLessThan(0);
    expectClose(raw.data, weighted(last, alpha), 1e-4, 'negative');
  });

  it.each(['each', 'mean', 'one'] as const)('in atrous with heads %s', async (heads) => {
    const last = atrous.get('block5_conv3')!;
    const channels = Array.from({ length: last.c }, (_, k) => k);
    const phases = Array.from({ length: 256 }, (_, i) => phaseOf(last, i >> 4, i & 15));
    const whole = phases.map((map) => headLogits(plain, map, 2)[target]);
    const lost = phases.map((map) => channels.map((k) => headLogits(plain, withoutChannel(map, k), 2)[target]));
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const shared =
      heads === 'one'
        ? channels.map((k) => alphaOf(whole[0], lost[0][k]))
        : channels.map((k) => alphaOf(mean(whole), mean(lost.map((row) => row[k]))));
    const { raw } = await explain({ mode: 'atrous', method: 'ablationcam', heads });
    if (heads !== 'each') expectClose(raw.data, weighted(last, shared), 1e-4, heads);
    else
      for (const i of [0, 37, 255]) {
        const expected = weighted(
          phases[i],
          channels.map((k) => alphaOf(whole[i], lost[i][k])),
        );
        const actual = expected.map((_, p) => raw.data[((i >> 4) + 16 * (p >> 2)) * size + (i & 15) + 16 * (p & 3)]);
        expectClose(actual, expected, 1e-4, `phase ${i}`);
      }
  });
});

it('Score-CAM in atrous masks the input where the points lie', async () => {
  const a = atrous.get('block5_conv3')!;
  const clamp = (at: number) => Math.min(Math.max(at, 0), size - 1);
  const scores = Array.from({ length: a.c }, (_, k) => {
    const value = (y: number, x: number) => a.data[(y * size + x) * a.c + k];
    const mask = Array.from({ length: size * size }, (_, i) => {
      const [y, x] = [clamp(Math.floor(i / size) - 7.5), clamp((i % size) - 7.5)];
      const [y0, x0] = [Math.floor(y), Math.floor(x)];
      const [y1, x1] = [clamp(y0 + 1), clamp(x0 + 1)];
      const above = value(y0, x0) + (x - x0) * (value(y0, x1) - value(y0, x0));
      const below = value(y1, x0) + (x - x0) * (value(y1, x1) - value(y1, x0));
      return above + (y - y0) * (below - above);
    });
    const [least, most] = [Math.min(...mask), Math.max(...mask)];
    return logit(
      plain,
      input.map((v, i) => (v * (mask[Math.floor(i / 3)] - least)) / (most - least + 1e-8)),
    );
  });
  const most = Math.max(...scores);
  const total = scores.reduce((sum, score) => sum + Math.exp(score - most), 0);
  const { raw } = await explain({ mode: 'atrous', method: 'scorecam' });
  expectClose(
    raw.data,
    weighted(
      a,
      scores.map((score) => Math.exp(score - most) / total),
    ),
    1e-4,
    'Score-CAM',
  );
});
