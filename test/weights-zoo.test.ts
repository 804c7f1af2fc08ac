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
    const [x, logits] = [expected.get('x')!, expected.get('logits')!];
    const pictures = x.shape[0];
    for (let i = 0; i < pictures; i++) {
      const part = ({ data }: { data: Float32Array }) =>
        data.slice((i * data.length) / pictures, ((i + 1) * data.length) / pictures);
      const found = await network.predict({ tensor: part(x) });
      const right = part(logits);
      const largest = Math.max(...right.map(Math.abs));
      for (const [k, value] of right.entries()) expect(Math.abs(found.logits[k] - value)).toBeLessThan(1e-4 * largest);
    }
    expect(Object.keys(await network.activations({ tensor: part0(x, pictures) }, { layers: [layer] }))).toHaveLength(1);
    network.dispose();
  });
});

const part0 = ({ data }: { data: Float32Array }, pictures: number) => data.slice(0, data.length / pictures);
