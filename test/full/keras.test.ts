import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { pooled, probabilities } from '../reference/graph.js';
import { decodeImage } from '../support/decode.js';
import { openKerasFile, weightsOf } from '../support/keras-files.js';
import { expectPublished } from '../support/published.js';
import { expectClose } from '../support/references.js';
import { sharedPath } from '../support/shared.js';

/** Networks that others have trained and published, with the numbers of other runtimes. */
const zoo = [
  ['mobilenetv1-imagenet', 'mobilenet_v1_0.25_224.h5', 'conv_pw_13_relu'],
  ['tiny-resnet8', 'pretrainedResnet.h5', 'activation_6'],
  ['mini-xception', 'fer2013_mini_XCEPTION.102-0.66.hdf5', 'conv2d_7'],
  ['mesoinception4', 'MesoInception4_full.h5', 'batch_normalization_7'],
];

const network = async (path: string) => {
  const opened = (await openKerasFile(new Uint8Array(readFileSync(sharedPath(path)))))!;
  const weights = await weightsOf(opened.tensors);
  opened.close();
  return { ...opened, weights };
};

describe('published networks', () => {
  test.each(zoo)('%s', async (folder, file, name) => {
    expectPublished(await network(`zoo/${folder}/${file}`), folder, name, 'logits');
  });
});

describe('networks of kinds that users bring', () => {
  const expected = JSON.parse(readFileSync(sharedPath('cases/expected.json'), 'utf8'));
  const means = [103.939, 116.779, 123.68]; // of blue, green and red

  test.each(Object.keys(expected).filter((name) => name.endsWith('.keras')))('%s', async (name) => {
    const { graph, weights, preprocessing } = await network(`cases/${name}`);
    const { data } = decodeImage(new Uint8Array(readFileSync(sharedPath('cases/in64.png'))));
    const caffe = (at: number) => data[at - 2 * (at % 3) + 2] - means[at % 3];
    const x = Float64Array.from(data, (value, i) => (preprocessing.kind === 'raw' ? value : caffe(i)));
    const found = probabilities(graph.head, pooled(graph, weights, x).logits());
    const { one, probabilities: right } = expected[name];
    expectClose(one ? found.slice(1) : found, right, 1e-5, name);
  });
});
