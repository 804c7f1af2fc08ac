import { describe, expect, test } from 'vitest';
import { load } from '../src/index.js';
import { readReferences } from './support/references.js';

const path = (name: string) => new URL(`fixtures/zoo/${name}`, import.meta.url).pathname;

/** Small networks that others have trained and published, with logits of other runtimes; test/full has the larger ones. */
describe('published networks', () => {
  test.each([
    ['resnet20-cifar', 'resnet20_legacy.onnx', '/layer3/layer3.2/Relu_1_output_0'],
    ['mini-xception', 'fer2013_mini_XCEPTION.102-0.66.hdf5', 'conv2d_7'],
  ])('%s', async (folder, file, layer) => {
    const network = await load(path(`${folder}/${file}`), { threads: 1, precision: 'exact' });
    const expected = readReferences(path(`${folder}/expected.safetensors`));
    const [x, right] = ['x', 'logits'].map((key) => Float32Array.from(expected.get(key)!.data));
    const { logits } = await network.predict({ tensor: x });
    expect(logits).toHaveLength(right.length);
    const largest = Math.max(...right.map(Math.abs));
    for (const [i, value] of right.entries()) expect(Math.abs(logits[i] - value)).toBeLessThan(1e-4 * largest);
    expect(Object.keys(await network.activations({ tensor: x }, { layers: [layer] }))).toHaveLength(1);
    network.dispose();
  });
});
