import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExplainOptions, Network, PixelInput } from '../../src/api.js';
import { finerSubject } from '../../src/calls/finer.js';
import { load, methodNames } from '../../src/index.js';
import { classScore } from '../../src/run/score.js';
import index from '../fixtures/references/small/index.json' with { type: 'json' };
import { seeded } from '../support/random.js';
import { expectClose, fixturePath, readReferences } from '../support/references.js';

const references = readReferences(fixturePath('small/micro-vgg16.reference.safetensors'));
const size = index.network.size;
const image: PixelInput = { width: size, height: size, data: references.get('image_rgb')!.data as Uint8Array };
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;

let net: Network;
beforeAll(async () => {
  net = await load(fixturePath('small/micro-vgg16.keras-official.h5'), { kernels: 'simd', preprocessing });
});
afterAll(() => net.dispose());

const explain = (options: ExplainOptions, picture: PixelInput = image) =>
  net.explain(picture, { mode: 'pooled', target: 3, ...options });
const rawOf = async (options: ExplainOptions) => (await explain(options)).raw.data;

/** 0..1 again, as the last step of every map. */
function normalized(map: Float32Array): Float32Array {
  const [least, most] = [Math.min(...map), Math.max(...map)];
  return map.map((value) => (value - least) / (1e-7 + most - least));
}

describe('targets', () => {
  it.each(['gradcam', 'hirescam'] as const)('sums and differences of classes: %s', async (method) => {
    const [three, five] = [await rawOf({ method, target: 3 }), await rawOf({ method, target: 5 })];
    const sum = three.map((value, i) => value + five[i]);
    const difference = three.map((value, i) => value - five[i]);
    expectClose(await rawOf({ method, target: [3, 'class 5'] }), sum, 1e-5, 'list');
    expectClose(await rawOf({ method, target: 'class 3,class 5' }), sum, 1e-5, 'text list');
    const half = sum.map((value) => value / 2);
    expectClose(await rawOf({ method, target: { mean: [3, 'class 5'] } }), half, 1e-5, 'mean');
    expectClose(await rawOf({ method, target: 'mean(top, class 5)' }), half, 1e-5, 'text mean');
    expectClose(await rawOf({ method, target: { for: 3, against: 5 } }), difference, 1e-5, 'pair');
    expectClose(await rawOf({ method, target: 'class 3/class 5' }), difference, 1e-5, 'text pair');
    expectClose(await rawOf({ method, target: 'top/5' }), difference, 1e-5, 'top'); // class 3 is the top class
    const own = (logits: Float32Array) => ({
      value: logits[3] - logits[5],
      gradient: [0, 0, 0, 1, 0, -1, 0, 0, 0, 0],
    });
    const result = await explain({ method, target: own });
    expectClose(result.raw.data, difference, 1e-5, 'function');
    expect(result.score).toBeCloseTo(result.logits[3] - result.logits[5], 5);
    expect(result.target).toEqual({ index: -1, label: 'own' });
  });

  it('say what they are', async () => {
    const targets = [3, 'top', 'class 3,class 5', 'class 3/class 5', { mean: [3, 'top', 5] }];
    const results = await Promise.all(targets.map(async (target) => (await explain({ target })).target));
    expect(results).toEqual([
      { index: 3, label: 'class 3' },
      { index: 3, label: 'class 3' },
      { index: -1, label: 'class 3 + class 5' },
      { index: -1, label: 'class 3 rather than class 5' },
      { index: -1, label: 'class 3 & class 3 & class 5' },
    ]);
  });

  /** A picture that the pooled network takes for class 5, the dilated one and, 0.9 times, the pooled one too for class 3. */
  const fickle = (): PixelInput => {
    const next = seeded(87);
    const [level, range] = [60 + 130 * next(), 80 + 120 * next()];
    const data = Uint8Array.from({ length: 3 * size * size }, () => level + range * (next() - 0.5));
    return { width: size, height: size, data };
  };

  it.each([
    ...methodNames.map((method) => ({ method })),
    { mode: 'atrous', method: 'smoothgrad' },
    { mode: 'atrous', method: 'hirescam', heads: 'each' },
    { mode: 'atrous', method: 'gradcam', heads: 'mean' },
    { mode: 'atrous', method: 'eigencam' },
    { mode: 'dilated', method: 'layercam' },
    { mode: 'dilated' },
    { mode: 'pooled', augSmooth: true },
  ] as const)("top is the pooled network's class for the picture itself: %o", async (options) => {
    const [top, five] = [
      await explain({ ...options, target: 'top' }, fickle()),
      await explain({ ...options, target: 5 }, fickle()),
    ];
    expect([top.target.index, top.score, top.raw]).toEqual([5, five.score, five.raw]);
  });

  it('of probability', async () => {
    const { score, probabilities } = await explain({ target: [3, 5], score: 'probability' });
    expect(score).toBeCloseTo(probabilities[3] + probabilities[5], 6);
  });

  it.each([
    ['class 3/class 5/class 1', /two classes as A\/B/],
    ['class 3/clas 5', /class 5/],
    [[], /one class at least/],
    [{ mean: [] }, /one class at least/],
    ['mean(class 3,clas 5)', /class 5/],
    [{ for: 3 } as never, /for, against/],
    [() => ({ value: 1, gradient: [1] }), /10 derivatives/],
  ])('refuses %j', async (target, message) => {
    await expect(explain({ target })).rejects.toMatchObject({
      code: 'BAD_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });
});

describe('Finer-CAM', () => {
  it('explains what a class has more than the three of nearest logit, by their probabilities', async () => {
    const { logits } = await explain({});
    const near = [...logits.keys()]
      .filter((k) => k !== 3)
      .sort((a, b) => Math.abs(logits[a] - logits[3]) - Math.abs(logits[b] - logits[3]));
    const softmax = (z: ArrayLike<number>) => {
      const powers = Array.from(z, Math.exp);
      const total = powers.reduce((a, b) => a + b);
      return powers.map((power) => power / total);
    };
    const value = (z: ArrayLike<number>) => {
      const p = softmax(z);
      const three = near.slice(0, 3);
      return three.reduce((sum, d) => sum + p[d] * (z[3] - z[d]), 0) / three.reduce((sum, d) => sum + p[d], 0);
    };
    const own = (z: Float32Array) => ({
      value: value(z),
      gradient: Array.from(z, (_, j) => {
        const moved = (step: number) => value(Float64Array.from(z, (one, i) => (i === j ? one + step : one)));
        return (moved(1e-4) - moved(-1e-4)) / 2e-4;
      }),
    });
    const finer = await explain({ method: 'finercam', target: 3 });
    const custom = await explain({ target: own });
    expectClose(finer.raw.data, custom.raw.data, 1e-4, 'raw');
    expect([finer.target.index, finer.score]).toEqual([3, expect.closeTo(custom.score, 4)]);
  });

  it('does not depend on how little is left for the others', async () => {
    const { logits } = await explain({});
    const subject = { index: 3, label: '', score: () => ({ value: 0, gradient: new Float32Array(10) }) };
    const at = (margin: number) => {
      const z = logits.map((value, k) => (k === 3 ? value + margin : value));
      const p = new Float32Array(10);
      p[3] = 1;
      return finerSubject(subject, z, 'logit', 'softmax', classScore).score(z, p);
    };
    expect(at(200).value - at(100).value).toBeCloseTo(100, 3);
    expect(at(100).gradient[3]).toBeCloseTo(1, 6);
    const single = finerSubject({ ...subject, index: 1 }, Float32Array.of(-30, 30), 'logit', 'sigmoid', classScore);
    const { value, gradient } = single.score(Float32Array.of(-30, 30), Float32Array.of(0, 1));
    expect([value, ...gradient]).toEqual([60, -1, 1]);
  });

  it('takes one class', async () => {
    const refused = { code: 'UNSUPPORTED', message: expect.stringContaining('name one class') };
    await expect(explain({ method: 'finercam', target: [3, 5] })).rejects.toMatchObject(refused);
  });
});

it('random weights follow the seed and are the same for each picture', async () => {
  const of = (seed: number, target: number) => rawOf({ method: 'randomcam', seed, target });
  expect(await of(1, 3)).toEqual(await of(1, 5));
  expect(await of(1, 3)).not.toEqual(await of(2, 3));
});

describe('sign', () => {
  it('shows what speaks against the target, both, or both apart', async () => {
    const { raw, map } = await explain({ sign: 'signed', mode: 'dilated', smoothing: 'none' });
    expect(map.signed).toBe(true);
    const most = Math.max(...raw.data.map(Math.abs));
    expectClose(
      map.data,
      raw.data.map((value) => value / most),
      1e-5,
      'signed',
    );
    const positive = (values: Float32Array) => normalized(normalized(values.map((value) => Math.max(0, value)))); // as every map
    const shown = async (sign: 'negative' | 'absolute') => (await explain({ sign, mode: 'dilated' })).map.data;
    expectClose(await shown('negative'), positive(raw.data.map((value) => -value)), 1e-5, 'negative');
    expectClose(await shown('absolute'), positive(raw.data.map(Math.abs)), 1e-5, 'absolute');
  });

  it('a signed overlay has the middle colour where the map is 0', async () => {
    const result = await explain({ sign: 'signed' });
    result.map.data.fill(0);
    const { data } = result.overlay({ alpha: 1 });
    expect([...data.subarray(0, 3)].every((value) => value > 230)).toBe(true);
  });
});

describe('layers', () => {
  const layers = ['block3_conv3', 'block4_conv3', 'block5_conv3'];

  it.each(['pooled', 'atrous'] as const)('combine as mean or product of their finished maps: %s', async (mode) => {
    const single: Float32Array[] = [];
    for (const layer of layers)
      single.push(
        (await explain({ mode, method: 'layercam', layer, heads: mode === 'atrous' ? 'mean' : undefined })).map.data,
      );
    const mean = single[0].map((_, i) => (single[0][i] + single[1][i] + single[2][i]) / 3);
    const product = single[0].map((_, i) => single[0][i] * single[1][i] * single[2][i]);
    const several = await explain({ mode, method: 'layercam', layer: layers });
    expectClose(several.map.data, normalized(mean), 1e-5, 'mean');
    expectClose(several.raw.data, mean, 1e-5, 'raw');
    expect(several.layers).toEqual(layers);
    const named = await explain({ mode, method: 'layercam', layer: layers.join(','), combine: 'product' });
    expectClose(named.map.data, normalized(product), 1e-5, 'product');
  });

  it('RefineCAM is the product of the Grad-CAM++ maps of the last three blocks', async () => {
    const refined = await explain({ method: 'refinecam' });
    const product = await explain({ method: 'gradcam++', layer: layers, combine: 'product' });
    expect(refined.layers).toEqual(layers);
    expect(refined.map.data).toEqual(product.map.data);
  });

  it.each(['block1_conv1', 'block2_conv2', 'block3_conv1'])('any layer, in every mode: %s', async (layer) => {
    for (const mode of ['pooled', 'dilated', 'atrous'] as const) {
      const { map, raw } = await explain({ mode, method: 'layercam', layer });
      const side = mode === 'pooled' ? size / 2 ** (Number(layer[5]) - 1) : size;
      expect([raw.width, raw.height, map.data.length]).toEqual([side, side, size * size]);
      expect(map.data.every((value) => value >= 0 && value <= 1)).toBe(true);
    }
  });
});

describe('smoothing', () => {
  it('augSmooth gives the mirrored map for the mirrored picture', async () => {
    const mirrored = {
      ...image,
      data: image.data.map(
        (_, i) => image.data[i - (i % (3 * size)) + 3 * (size - 1 - (Math.floor(i / 3) % size)) + (i % 3)],
      ),
    };
    const [one, other] = [await explain({ augSmooth: true }), await explain({ augSmooth: true }, mirrored)];
    const back = other.map.data.map((_, i) => other.map.data[i - (i % size) + size - 1 - (i % size)]);
    expectClose(back, one.map.data, 1e-4, 'mirrored');
    expect(one.map.data).not.toEqual((await explain({})).map.data);
    expect(one.logits).toEqual((await explain({})).logits);
  });

  it('eigenSmooth changes a map, and is refused where there are no channels', async () => {
    expect(await rawOf({ method: 'gradcam', eigenSmooth: true })).not.toEqual(await rawOf({ method: 'gradcam' }));
    await expect(explain({ method: 'saliency', eigenSmooth: true })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

it.each(methodNames.filter((name) => name !== 'finercam'))(
  'a score that nothing changes gives a flat map without NaN: %s',
  async (method) => {
    const target = () => ({ value: 1, gradient: new Float32Array(10) });
    if (['eigencam', 'kpcacam', 'fem', 'randomcam'].includes(method)) return; // do not look at the score
    const { map } = await explain({ method, target });
    const constant = method === 'scorecam'; // equal weights for all channels
    expect(map.flat).toBe(!constant);
    expect(map.data.every(Number.isFinite)).toBe(true);
  },
);

it.each([
  [{ method: 'gradcam2' as never }, 'BAD_ARGUMENT', /expected one of gradcam, gradcam\+\+/],
  [{ method: 'saliency', layer: 'block5_conv3' }, 'UNSUPPORTED', /saliency explains the input itself/],
  [{ method: 'occlusion', heads: 'each' }, 'UNSUPPORTED', /'each': not defined for occlusion at the input/],
  [
    { method: 'scorecam', heads: 'each' },
    'UNSUPPORTED',
    /at the last layer, because each phase would mask .*; use 'one' or 'mean'/,
  ],
  [{ method: 'layercam', heads: 'each', layer: 'block4_conv3' }, 'UNSUPPORTED', /phases share the points/],
  [{ method: 'ablationcam', heads: 'mean', layer: 'block4_conv3' }, 'UNSUPPORTED', /a pass over all phases/],
  [{ method: 'fullgrad', heads: 'mean' }, 'UNSUPPORTED', /a method of the network's own score alone; use 'one'/],
  [{ method: 'kpcacam', heads: 'each' }, 'UNSUPPORTED', /use 'one'/],
  [{ layer: 'block9_conv1' }, 'BAD_ARGUMENT', /block1_conv1/],
  [{ layer: [] }, 'BAD_ARGUMENT', /layer/],
  [{ method: 'smoothgrad', seed: -1 }, 'BAD_ARGUMENT', /seed/],
  [{ sign: 'plus' as never }, 'BAD_ARGUMENT', /positive, negative/],
  [{ combine: 'max' as never }, 'BAD_ARGUMENT', /mean, product/],
] as const)('refuses %o in one sentence', async (options, code, message) => {
  await expect(explain(options)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  expect(() => net.estimate(options)).toThrow(message);
});

it.each(['scorecam', 'smoothgrad', 'ablationcam'] as const)(
  'reports progress from 0 to 1 and stops when asked: %s',
  async (method) => {
    const shares: number[] = [];
    await explain({ method, onProgress: ({ done }) => shares.push(done) });
    expect(shares.every((share, i) => share <= 1 && share >= (shares[i - 1] ?? 0))).toBe(true);
    expect(shares.at(-1)).toBeGreaterThan(0.9);
    const controller = new AbortController();
    const stopped = explain({ method, signal: controller.signal, onProgress: () => controller.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
  },
);

describe('estimate', () => {
  it('counts the passes of a method', () => {
    const once = net.plan('pooled').macs;
    expect(net.estimate({ mode: 'pooled' }).macs).toBeLessThanOrEqual(once);
    expect(net.estimate({ mode: 'pooled', method: 'occlusion' }).macs).toBe(226 * once);
    expect(net.estimate({ mode: 'pooled', method: 'scorecam' }).macs).toBe(17 * once);
    const saliency = net.estimate({ mode: 'atrous', method: 'saliency' }).macs;
    expect(net.estimate({ mode: 'atrous', method: 'integrated-gradients' }).macs).toBeGreaterThan(32 * saliency);
    expect(net.estimate({ mode: 'atrous', method: 'saliency', augSmooth: true }).macs).toBe(6 * saliency);
  });
});
