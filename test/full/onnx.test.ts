import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { defaultLayer, findNode } from '../../src/graph/names.js';
import { readOnnxGraph } from '../../src/weights/onnx/graph.js';
import { fileSource } from '../../src/weights/source.js';
import { pooled, probabilities } from '../reference/graph.js';
import { decodeImage } from '../support/decode.js';
import { expectClose, readReferences } from '../support/references.js';
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
    const { graph, weights } = await network(`zoo/${folder}/${file}`);
    const layer = findNode(graph, name)!;
    expect(defaultLayer(graph)).toBe(layer);
    const references = readReferences(sharedPath(`zoo/${folder}/${folder}.safetensors`));
    const pictures = references.get('x')!.shape[0];
    for (let i = 0; i < pictures; i++) {
      const part = (key: string) => {
        const { data } = references.get(key)!;
        return data.subarray((i * data.length) / pictures, ((i + 1) * data.length) / pictures);
      };
      const values = pooled(graph, weights, part('x'));
      expectClose(values.logits(), part('output'), 1e-5, 'output');
      expectClose(values.map(layer).data, part('activation'), 3e-5, name);
    }
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
