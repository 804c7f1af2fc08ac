import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Explanation, Network, PixelInput } from '../src/api.js';
import { inspect, load, packWeights } from '../src/index.js';
import { methodNames } from '../src/methods/facts.js';
import { openWeights } from '../src/weights/open.js';
import index from './fixtures/references/small/index.json' with { type: 'json' };
import type { Map3 } from './reference/map.js';
import { type PlainNetwork, plainLogits, plainMaps, readPlainFile } from './reference/plain-network.js';
import { withDegridLayers } from './support/degridding.js';
import { expectClose, fixturePath, readReferences } from './support/references.js';
import { allNumbers, expectRefused, float32, safetensors } from './support/weight-files.js';

/** The dilated network with degridding layers behind its last block (DRN-C), against its definition in float64. */
const path = fixturePath('small/micro-vgg16.keras-official.h5');
const references = readReferences(fixturePath('small/micro-vgg16.reference.safetensors'));
const numbers = (key: string) => references.get(key)!.data as Float32Array;
const { size } = index.network;
const image: PixelInput = { width: size, height: size, data: references.get('image_rgb')!.data as Uint8Array };
const input = Float64Array.from(numbers('input_nhwc'));
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;
const RATES = [8, 4, 2, 1];
const TARGET = 3;
const mode = 'dilated' as const;

let file: Uint8Array;
let plain: PlainNetwork;
/** The definition's maps. */
let maps: Map<string, Map3>;
beforeAll(async () => {
  file = await withDegridLayers(path, RATES);
  plain = await readPlainFile(file);
  maps = plainMaps(plain, mode, asMap(input));
});

const asMap = (data: ArrayLike<number>) => ({ h: size, w: size, c: 3, data });
const open = (source: Uint8Array | string, options = {}) =>
  load(source, { kernels: 'simd', preprocessing, ...options });

describe.each(['exact', 'fast'] as const)('a network with degridding layers, %s', (precision) => {
  let net: Network;
  beforeAll(async () => {
    net = await open(file, { precision });
  });
  afterAll(() => net.dispose());

  it('computes what the definition says, up to the last layer', async () => {
    const { logits } = await net.predict(image, { mode });
    expectClose(logits, plainLogits(plain, maps.get('degrid4')!, mode, 'degrid4'), 1e-4, 'logits');
    const layers = ['block5_conv3', 'degrid1', 'degrid3', 'degrid4'];
    const found = await net.activations(image, { mode, layers });
    for (const name of layers) {
      expect(found[name].shape).toEqual([1, size, size, 16]);
      expectClose(found[name].data, maps.get(name)!.data, 1e-4, name);
    }
  });

  it('explains by the last degridding layer, with the mean gradients of the head', async () => {
    const { raw, layers, target } = await net.explain(image, { mode, target: TARGET });
    expect([layers, target.index, raw.width]).toEqual([['degrid4'], TARGET, size]);
    const last = maps.get('degrid4')!;
    const { degrid4 } = (await net.gradients(image, { mode, target: TARGET, wrt: 'degrid4' })).layers;
    const alpha = new Float64Array(16);
    degrid4.data.forEach((value, i) => {
      alpha[i % 16] += value / size ** 2;
    });
    const map = raw.data.map((_, i) => alpha.reduce((sum, a, k) => sum + a * last.data[16 * i + k], 0));
    expectClose(raw.data, map, 1e-4, 'map');
  });

  it("takes the dilated network's own top class where no target is given", async () => {
    const { predictions, logits } = await net.predict(image, { mode });
    const plainGradCam = await net.explain(image, { mode });
    expect(plainGradCam.target.index).toBe(predictions[0].index);
    expect(plainGradCam.logits).toEqual(logits);
    const other = await net.explain(image, { mode, method: 'layercam' });
    expect(other.target.index).toBe(predictions[0].index);
    expect((await net.gradients(image, { mode })).target.index).toBe(predictions[0].index);
  });
});

describe('degridding layers', () => {
  it('have the gradients that finite differences of the definition have', async () => {
    const gradients = async (precision: 'exact' | 'fast') => {
      const net = await open(file, { precision });
      const result = await net.gradients(image, { mode, target: TARGET, wrt: ['input', 'weights'] });
      net.dispose();
      return { input: result.input!.data, weights: result.weights! };
    };
    const [exact, fast] = [await gradients('exact'), await gradients('fast')];
    expectClose(fast.input, exact.input, 1e-4, 'input');
    const pixels = input.slice();
    /** Moves the number with the largest gradient; `behind`: what lies before it and stays the same. */
    const check = (values: Float64Array, gradient: Float32Array, step: number, what: string, behind?: string) => {
      const at = gradient.reduce((best, value, i) => (Math.abs(value) > Math.abs(gradient[best]) ? i : best), 0);
      const value = values[at];
      const score = (moved: number) => {
        values[at] = value + moved;
        return plainLogits(plain, behind ? maps.get(behind)! : asMap(pixels), mode, behind)[TARGET];
      };
      const slope = (score(step) - score(-step)) / (2 * step);
      values[at] = value;
      expect(gradient[at] / slope, `${what}[${at}]`).toBeCloseTo(1, 3);
    };
    check(pixels, exact.input, 1e-4, 'input');
    const [first, second] = plain.degridding;
    check(first.kernel, exact.weights.degrid1.kernel.data, 1e-7, 'degrid1 kernel', 'block5_conv3');
    check(second.bias, exact.weights.degrid2.bias.data, 1e-7, 'degrid2 bias', 'degrid1');
    for (const name of ['block5_conv3', 'degrid1', 'degrid2', 'degrid3', 'degrid4'])
      expectClose(fast.weights[name].kernel.data, exact.weights[name].kernel.data, 1e-4, name);
  });

  it('that are the identity change no bit of the dilated network', async () => {
    const [net, without] = [
      await open(await withDegridLayers(path, RATES, true), { precision: 'exact' }),
      await open(path, { precision: 'exact' }),
    ];
    const explain = (network: Network) => network.explain(image, { mode, target: TARGET });
    const [a, b] = [await explain(net), await explain(without)];
    expect(a.logits).toEqual(b.logits);
    expect(a.raw.data).toEqual(b.raw.data);
    net.dispose();
    without.dispose();
  });

  it('give the same bits with any number of threads', async () => {
    const results: { explanation: Explanation; gradient: Float32Array }[] = [];
    for (const threads of [1, 2, 3]) {
      const net = await open(file, { threads });
      const { input } = await net.gradients(image, { mode, target: TARGET });
      results.push({ explanation: await net.explain(image, { mode, target: TARGET }), gradient: input!.data });
      net.dispose();
    }
    for (const { explanation, gradient } of results.slice(1)) {
      expect(explanation.raw.data).toEqual(results[0].explanation.raw.data);
      expect(explanation.logits).toEqual(results[0].explanation.logits);
      expect(gradient).toEqual(results[0].gradient);
    }
  });

  it('go with every method', async () => {
    const net = await open(file);
    for (const method of methodNames) {
      const { map, layers, score } = await net.explain(image, { mode, method, target: TARGET });
      expect(map.data.every(Number.isFinite), method).toBe(true);
      expect(Number.isFinite(score), method).toBe(true);
      if (layers.length > 0) expect(layers.at(-1), method).toBe('degrid4');
    }
    net.dispose();
  });

  it('refuse the other modes in one sentence, before anything runs', async () => {
    const net = await open(file);
    const calls = {
      predict: () => net.predict(image),
      explain: () => net.explain(image, { target: TARGET }),
      methods: () => net.explain(image, { target: TARGET, mode: 'pooled', method: 'layercam' }),
      gradients: () => net.gradients(image, { target: TARGET }),
      activations: () => net.activations(image),
      plan: () => net.plan('atrous'),
      estimate: () => net.estimate({ mode: 'pooled' }),
    };
    for (const call of Object.values(calls))
      await expectRefused(call, 'UNSUPPORTED', /^mode '(pooled|atrous)': .*use mode 'dilated'$/);
    net.dispose();
  });

  it('are in the plan and in what a file says of itself', async () => {
    const info = await inspect(file);
    expect(info.layers.slice(-5)).toEqual(['block5_conv3', 'degrid1', 'degrid2', 'degrid3', 'degrid4']);
    const { rows, parameters, macs } = info.plan(mode);
    const row = {
      parameters: 9 * 16 * 16 + 16,
      macs: 9 * 16 * 16 * size ** 2,
      output: [size, size, 16],
      bytes: 4 * 16 * size ** 2,
    };
    expect(rows.filter(({ layer }) => layer.startsWith('degrid'))).toMatchObject(
      RATES.map((_, i) => ({ layer: `degrid${i + 1}`, ...row })),
    );
    const plain = await inspect(path);
    expect(info.parameters - plain.parameters).toBe(4 * row.parameters);
    expect(parameters).toBe(info.parameters);
    expect(macs - plain.plan(mode).macs).toBe(4 * row.macs);
  });

  it('survive packing', async () => {
    const pieces: Uint8Array[] = [];
    for await (const piece of packWeights(file, { dtype: 'float32' })) pieces.push(piece.slice());
    const [before, after] = [await openWeights(file), await openWeights(new Uint8Array(Buffer.concat(pieces)))];
    expect(after.chain!.degridding!.map(({ name, rate }) => [name, rate])).toEqual(
      RATES.map((rate, i) => [`degrid${i + 1}`, rate]),
    );
    expect(await allNumbers(after)).toEqual(await allNumbers(before));
    before.close();
    after.close();
  });

  it.each([
    ['{"degrid1":3}', /metadata "degrid": expected \{"degrid1": rate, \.\.\.\}/],
    ['{"degrid2":2}', /metadata "degrid"/],
    ['{}', /metadata "degrid"/],
    ['null', /metadata "degrid"/],
    ['[8]', /metadata "degrid"/],
    ['{"degrid1":8', /metadata "degrid"/],
    ['{"degrid1":8,"degrid2":4}', /"degrid2\.kernel"/],
    [undefined, /got "degrid1\.kernel" beside them/],
  ])('refuse broken metadata: %s', async (metadata, message) => {
    await expectRefused(() => openWeights(tiny(metadata, [3, 3, 4, 4])), 'BAD_WEIGHTS', message);
  });

  it('refuse a width that is not that of the last block', async () => {
    const broken = tiny('{"degrid1":8}', [3, 3, 4, 8]);
    await expectRefused(() => openWeights(broken), 'BAD_WEIGHTS', /degrid1\.bias.*expected shape \[4\], got \[8\]/);
    (await openWeights(tiny('{"degrid1":8}', [3, 3, 4, 4]))).close();
  });
});

/** A packed network of five convolutions with 4 channels, and one degridding layer. */
function tiny(degrid: string | undefined, shape: number[]): Uint8Array {
  const layers = [3, 4, 4, 4, 4].map((cin, b) => ({ name: `block${b + 1}_conv1`, shape: [3, 3, cin, 4] }));
  const entries = [...layers, { name: 'degrid1', shape }].flatMap((layer) => [
    [`${layer.name}.kernel`, float32(layer.shape)],
    [`${layer.name}.bias`, float32(layer.shape.slice(-1))],
  ]);
  return safetensors(Object.fromEntries(entries), degrid === undefined ? {} : { degrid });
}
