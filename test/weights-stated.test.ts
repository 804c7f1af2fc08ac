import { describe, expect, test } from 'vitest';
import { packWeights } from '../src/calls/pack.js';
import { type InspectOptions, inspect, load } from '../src/index.js';
import { randomFloats } from './support/random.js';
import { fixturePath } from './support/references.js';
import { readEntries, safetensors } from './support/weight-files.js';

const onnx = (name: string) => new URL(`fixtures/onnx/${name}.onnx`, import.meta.url).pathname;
const torch = fixturePath('small/micro-vgg16.torchvision.safetensors');

/** What is said about a file, and what nobody states is said to be assumed. */
describe('what a file says', () => {
  test.each<[string, string, InspectOptions, string | object, boolean]>([
    ["PyTorch's tensors", torch, {}, 'torch', true],
    ['ONNX', onnx('residual-legacy'), {}, 'torch', true],
    ['ONNX, told otherwise', onnx('residual-legacy'), { preprocessing: { normalization: 'unit' } }, 'unit', false],
    ['its resizing alone', torch, { preprocessing: { fit: 'squash' } }, 'torch', true],
    ["keras.applications' names", fixturePath('small/micro-vgg16.keras-official.h5'), {}, 'caffe', false],
    ['names of nobody', fixturePath('formats/micro-vgg16.keras'), {}, 'caffe', true],
    ['the network in the package', '', {}, 'caffe', false],
  ])('%s', async (_, path, options, normalization, isAssumed) => {
    const info = await inspect(path || undefined, options);
    expect(info.preprocessing.normalization).toEqual(normalization);
    expect(info.preprocessingAssumed).toBe(isAssumed);
    expect(info.assumptions.filter((text) => text.includes('--preprocess'))).toHaveLength(isAssumed ? 1 : 0);
  });

  test('family, format, head and default layer', async () => {
    expect(await inspect(torch)).toMatchObject({
      format: 'PyTorch safetensors',
      family: 'VGG16',
      head: 'softmax',
      defaultLayer: 'block5_conv3',
    });
    expect(await inspect(onnx('one-sigmoid'))).toMatchObject({ format: 'ONNX', family: undefined, head: 'sigmoid' });
  });

  test('metadata of other names changes nothing', async () => {
    const tensors = readEntries(torch);
    const info = await inspect(safetensors(tensors, { preprocessing: '{"normalization":"tf"}' }));
    expect(info).toMatchObject({
      preprocessing: { normalization: 'tf' },
      preprocessingAssumed: false,
      assumptions: [],
    });
  });
});

/** A packed file of any network: the same graph, labels and preprocessing, the same predictions but for the rounding of kernels. */
describe('packed graphs', () => {
  test.each(['residual-legacy', 'squeeze-and-excite', 'next-dynamo'])('%s', async (name) => {
    const preprocessing = { normalization: { mean: [10, 20, 30], std: [50], order: 'bgr' as const } };
    const network = await load(onnx(name), { threads: 1, precision: 'exact', preprocessing });
    const labels = network.labels.map((_, i) => `kind ${i}`);
    const pieces: Uint8Array[] = [];
    for await (const piece of packWeights(onnx(name), { preprocessing, labels })) pieces.push(piece);
    const packed = await load(new Uint8Array(Buffer.concat(pieces)), { threads: 1, precision: 'exact' });
    expect(packed.preprocessing).toEqual(network.preprocessing);
    expect(packed).toMatchObject({ labels, preprocessingAssumed: false, format: 'packed safetensors' });
    expect(packed.layers).toEqual(network.layers);
    expect(packed.defaultLayer).toBe(network.defaultLayer);
    const tensor = randomFloats(
      network.inputShape.reduce((a, b) => a * b),
      1,
    );
    const [a, b] = [await network.predict({ tensor }), await packed.predict({ tensor })];
    const largest = Math.max(...a.logits.map(Math.abs));
    for (const [i, value] of a.logits.entries()) expect(Math.abs(value - b.logits[i])).toBeLessThan(3e-3 * largest);
    expect(b.logits).not.toEqual(a.logits); // kernels were rounded
    network.dispose();
    packed.dispose();
  });
});
