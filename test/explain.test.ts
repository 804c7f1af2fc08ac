import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network, PixelInput } from '../src/api.js';
import type { Mode, Score } from '../src/base/types.js';
import { load } from '../src/index.js';
import index from './fixtures/references/small/index.json' with { type: 'json' };
import { expectClose, fixturePath, readReferences } from './support/references.js';

const references = readReferences(fixturePath('small/micro-vgg16.reference.safetensors'));
const reference = (name: string) => references.get(name)!.data;
const size = index.network.size;
const image: PixelInput = { width: size, height: size, data: references.get('image_rgb')!.data as Uint8Array };
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;
const modes = ['pooled', 'dilated', 'atrous'] as const;

/** Calls `check` for each mode, explained class and kind of score that the references have. */
const cases = modes.flatMap((mode) =>
  (['top', 'second'] as const).flatMap((rank) =>
    (['logit', 'probability'] as const).map((score) => ({ mode, rank, score })),
  ),
);
const classOf = (mode: Mode, rank: 'top' | 'second'): number => index.network[mode][rank];

describe.each([
  ['Keras', 'small/micro-vgg16.keras-official.h5'],
  ['torchvision', 'small/micro-vgg16.torchvision.safetensors'],
])('a network from %s weights, exact', (_, file) => {
  let net: Network;
  beforeAll(async () => {
    net = await load(fixturePath(file), { precision: 'exact', kernels: 'simd', preprocessing });
  });
  afterAll(() => net.dispose());

  it.each(modes)('%s has the logits and probabilities of PyTorch in float64', async (mode) => {
    const { logits, probabilities, predictions } = await net.predict(image, { mode });
    expectClose(logits, reference(`${mode}.logits`), 1e-5, 'logits');
    expectClose(probabilities, reference(`${mode}.probabilities`), 1e-5, 'probabilities');
    expect(predictions[0].index).toBe(classOf(mode, 'top'));
  });

  it.each(cases)('$mode, $rank class, $score: Grad-CAM as in PyTorch', async ({ mode, rank, score }) => {
    const result = await net.explain(image, { mode, target: classOf(mode, rank), score });
    expectClose(result.raw.data, reference(`${mode}.${rank}.${score}.gradcam_raw`), 1e-5, 'raw');
    const values = score === 'logit' ? result.logits : result.probabilities;
    expect(result.score).toBe(values[result.target.index]);
  });
});

describe('a network, fast', () => {
  let net: Network;
  beforeAll(async () => {
    net = await load(fixturePath('small/micro-vgg16.keras-official.h5'), { kernels: 'simd', preprocessing });
  });
  afterAll(() => net.dispose());

  it.each(cases)('$mode, $rank class, $score: logits and Grad-CAM as in PyTorch', async ({ mode, rank, score }) => {
    const { logits, raw } = await net.explain(image, { mode, target: classOf(mode, rank), score });
    expectClose(logits, reference(`${mode}.logits`), 1e-4, 'logits');
    expectClose(raw.data, reference(`${mode}.${rank}.${score}.gradcam_raw`), 1e-4, 'raw');
  });
});

describe.each(['exact', 'fast'] as const)('a network, %s', (precision) => {
  const file = fixturePath('small/micro-vgg16.torchvision.safetensors');
  const loadWith = (threads: number) => load(file, { precision, kernels: 'simd', threads, preprocessing });
  let net: Network;
  beforeAll(async () => {
    net = await loadWith(1);
  });
  afterAll(() => net.dispose());

  it('gives in atrous mode the pooled logits and, on every 16th point, the pooled map, bit for bit', async () => {
    const pooled = await net.explain(image, { mode: 'pooled', target: 3 });
    const atrous = await net.explain(image, { mode: 'atrous', target: 3 });
    expect(atrous.logits).toEqual(pooled.logits);
    expect(every(atrous.raw, 16)).toEqual(pooled.raw.data);
  });

  it.each([16, 8, 4, 2] as const)('computes at output stride %i the same points as at 1', async (outputStride) => {
    const fine = await net.explain(image, { mode: 'atrous', target: 3 });
    const coarse = await net.explain(image, { mode: 'atrous', target: 3, outputStride });
    expect(coarse.raw.data).toEqual(every(fine.raw, outputStride));
  });

  it.each(modes)('gives the same bits with three threads: %s', async (mode) => {
    const threaded = await loadWith(3);
    const one = await net.explain(image, { mode });
    const three = await threaded.explain(image, { mode });
    threaded.dispose();
    expect(threaded.threads).toBe(3);
    expect(three.raw.data).toEqual(one.raw.data);
    expect(three.logits).toEqual(one.logits);
  });

  it('refines the map from 16 to 1 and ends with the returned one', async () => {
    const strides: number[] = [];
    let last: Float32Array | undefined;
    const { map } = await net.explain(image, {
      mode: 'atrous',
      onProgress: (p) => {
        if (!p.map) return;
        strides.push(p.outputStride!);
        last = p.map;
      },
    });
    expect(strides).toEqual([16, 8, 4, 2, 1]);
    expect(last).toEqual(map.data);
  });

  it('explains the pooled top class in every mode unless told otherwise', async () => {
    const { predictions } = await net.predict(image);
    for (const mode of modes) expect((await net.explain(image, { mode })).target.index).toBe(predictions[0].index);
  });

  it('uses as much memory as the plan says', async () => {
    for (const mode of modes) {
      const { peakBytes } = await net.explain(image, { mode });
      const planned = net.plan(mode).peakBytes;
      expect(peakBytes).toBeGreaterThanOrEqual(planned);
      expect(peakBytes).toBeLessThan(planned + 20_000); // the dense layers' vectors;
    }
  });

  it('stops when the caller says so, and goes on working', async () => {
    const controller = new AbortController();
    const stopped = net.explain(image, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(net.predict(image)).resolves.toBeDefined();
  });

  it.each([
    [{ mode: 'pool' as Mode }, 'BAD_ARGUMENT', /mode: expected one of pooled, dilated, atrous, got 'pool'/],
    [{ layer: 'block9_conv1' }, 'BAD_ARGUMENT', /block1_conv1, .*block5_conv3/],
    [
      { layer: 'block4_conv3', heads: 'each' as const },
      'UNSUPPORTED',
      /'each': not defined for gradcam at layers before/,
    ],
    [{ target: 10 }, 'BAD_ARGUMENT', /9/],
    [{ target: 'clas 3' }, 'BAD_ARGUMENT', /class 3/],
    [{ outputStride: 3 }, 'BAD_ARGUMENT', /16, 8, 4, 2, 1/],
    [{ score: 'odds' as Score }, 'BAD_ARGUMENT', /logit, probability/],
  ])('refuses %o in one sentence', async (options, code, message) => {
    await expect(net.explain(image, options)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

/** Every n-th point of a map in both directions. */
function every(map: { width: number; height: number; data: Float32Array }, n: number): Float32Array {
  return map.data.filter((_, i) => (i % map.width) % n === 0 && Math.floor(i / map.width) % n === 0);
}
