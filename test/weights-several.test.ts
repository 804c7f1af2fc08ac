import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { inspect, load } from '../src/index.js';
import { openWeights, type WeightsSource } from '../src/weights/open.js';
import { tfjsFixtures } from './support/keras-files.js';
import { fixturePath } from './support/references.js';
import { allNumbers, expectRefused, readEntries, safetensors } from './support/weight-files.js';

const onnx = (name: string) => new URL(`fixtures/onnx/${name}`, import.meta.url).pathname;
const file = (bytes: Uint8Array<ArrayBuffer> | string, name: string) => new File([bytes], name);
const fromDisk = (path: string) => file(new Uint8Array(readFileSync(path)), path.slice(path.lastIndexOf('/') + 1));

const model = fromDisk(onnx('residual-open.onnx'));
const data = fromDisk(onnx('residual-open.onnx.data'));

/** Networks in several files, as a page gets them from an input. */
describe('several files', () => {
  test.each<[string, WeightsSource]>([
    ['in any order', [data, model]],
    ['as paths', [onnx('residual-open.onnx'), onnx('residual-open.onnx.data')]],
    ['some of them unused', [model, data, file('{"labels":["a"]}', 'metadata.json')]],
  ])('ONNX with external data, %s', async (_, source) => {
    const expected = await openWeights(onnx('residual-open.onnx'));
    const weights = await openWeights(source);
    expect(weights.graph).toEqual(expected.graph);
    expect(await allNumbers(weights)).toEqual(await allNumbers(expected));
    for (const opened of [weights, expected]) opened.close();
  });

  test('predictions', async () => {
    const [here, there] = [
      await load([model, data], { threads: 1 }),
      await load(onnx('residual-open.onnx'), { threads: 1 }),
    ];
    const tensor = new Float32Array(here.inputShape.reduce((a, b) => a * b)).fill(0.5);
    expect(await here.predict({ tensor })).toEqual(await there.predict({ tensor }));
    for (const network of [here, there]) network.dispose();
  });

  test("TensorFlow.js, beside Teachable Machine's metadata", async () => {
    const { model, files } = tfjsFixtures().find(({ name }) => name === 'chain.none')!;
    const shards = [...files].map(([name, bytes]) => file(new Uint8Array(bytes), name));
    const metadata = file('{"labels":["a","b"],"imageSize":32}', 'metadata.json');
    const info = await inspect([metadata, ...shards, file(JSON.stringify(model), 'model.json')]);
    expect(info).toMatchObject({ format: 'TensorFlow.js', preprocessing: { normalization: 'raw' } });
  });

  test('an index and its shards', async () => {
    const path = fixturePath('small/micro-vgg16.torchvision.safetensors');
    const entries = Object.entries(readEntries(path));
    const parts = [entries.slice(0, 7), entries.slice(7)].map((part, i) => ({
      part,
      name: `model-${i + 1}.safetensors`,
    }));
    const weight_map = Object.fromEntries(parts.flatMap(({ part, name }) => part.map(([tensor]) => [tensor, name])));
    const index = file(JSON.stringify({ weight_map }), 'model.safetensors.index.json');
    const shards = parts.map(({ part, name }) => file(new Uint8Array(safetensors(Object.fromEntries(part))), name));
    const [several, one] = [await openWeights([...shards, index]), await openWeights(path)];
    expect(await allNumbers(several)).toEqual(await allNumbers(one));
    for (const opened of [several, one]) opened.close();
    await expectRefused(() => openWeights([index, shards[0]]), 'NOT_FOUND', 'it needs the file "model-2.safetensors"');
  });

  test.each<[string, WeightsSource, string]>([
    ['none', [], 'expected 1 to 300 files, got 0'],
    ['too many', Array(301).fill(model), 'expected 1 to 300 files, got 301'],
    ['one twice', [model, model], 'got two named "residual-open.onnx"'],
  ])('%s', (_, source, message) => expectRefused(() => openWeights(source), 'BAD_ARGUMENT', message));

  test.each<[string, WeightsSource]>([
    ['one file alone', model],
    ['another beside it', [model, file('x', 'other.data')]],
    ['an empty list of names', [model, new Blob(['x'])]],
  ])('%s: the missing file is named', (_, source) =>
    expectRefused(() => openWeights(source), 'NOT_FOUND', '"residual-open.onnx.data"'),
  );
});
