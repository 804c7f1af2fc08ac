import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { readOnnxGraph } from '../../src/weights/onnx/graph.js';
import { fileSource } from '../../src/weights/source.js';
import { pooled, probabilities } from '../reference/graph.js';
import { decodeImage } from '../support/decode.js';
import { expectPublished } from '../support/published.js';
import { expectClose } from '../support/references.js';
import { sharedPath } from '../support/shared.js';
import { numbers } from '../support/weight-files.js';

async function network(path: string) {
  const source = await fileSource(sharedPath(path));
  const { graph, tensors } = await readOnnxGraph(source);
  const weights = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) weights.set(name, await numbers(tensor));
  source.close();
  return { graph, weights };
}

/** Networks that others have trained and published, with the numbers of other runtimes. */
describe('published networks', () => {
  test.each([
    ['resnet20-cifar', 'resnet20_legacy.onnx', '/layer3/layer3.2/Relu_1_output_0'],
    ['efficientnet-lite0', 'lite0_legacy13.onnx', '/a_1/Clip_output_0'],
  ])('%s', async (folder, file, name) => {
    expectPublished(await network(`zoo/${folder}/${file}`), folder, name, 'output');
  });
});

describe('networks of kinds that users bring', () => {
  const expected = JSON.parse(readFileSync(sharedPath('cases/expected.json'), 'utf8'));
  const [mean, deviation] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ];

  test.each(Object.keys(expected).filter((name) => name.endsWith('.onnx')))('%s', async (name) => {
    const { graph, weights } = await network(`cases/${name}`);
    const { data } = decodeImage(new Uint8Array(readFileSync(sharedPath('cases/in64.png'))));
    const channels = data.length / (64 * 64);
    const x = Float64Array.from({ length: 64 * 64 * 3 }, (_, i) => {
      const pixel = data[Math.floor(i / 3) * channels + (i % 3)] / 255;
      return (pixel - mean[i % 3]) / deviation[i % 3];
    });
    const found = probabilities(graph.head, pooled(graph, weights, x).logits());
    expectClose(found, expected[name].probabilities, 1e-5, name);
  });
});
