import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../src/base/errors.js';
import { openTfjs } from '../src/weights/keras/tfjs.js';
import { openWeights } from '../src/weights/open.js';
import { bytesSource } from '../src/weights/source.js';
import { pooled, probabilities } from './reference/graph.js';
import { picture, type TfjsFixture, tfjsFixtures, weightsOf } from './support/keras-files.js';
import { expectRefused, numbers } from './support/weight-files.js';

const fixtures = tfjsFixtures();

const open = ({ model, files }: Pick<TfjsFixture, 'model' | 'files'>) =>
  openTfjs(bytesSource(new TextEncoder().encode(JSON.stringify(model)), 'model.json'), async (path) => {
    const bytes = files.get(path);
    if (!bytes) throw new Error(`no file ${path}`);
    return bytesSource(bytes, path);
  });

describe('layers-models of TensorFlow.js', () => {
  test('are there', () => expect(fixtures).toHaveLength(5));

  test.each(fixtures.map((fixture) => [fixture.name, fixture] as const))('%s', async (_, fixture) => {
    const { graph, tensors } = await open(fixture);
    const logits = pooled(graph, await weightsOf(tensors), picture(fixture.shape)).logits();
    const found = probabilities(graph.head, logits);
    expect(found.length).toBe(fixture.output.length);
    for (const [i, value] of fixture.output.entries()) expect(Math.abs(found[i] - value)).toBeLessThan(2e-6);
  });
});

/** Text of JSON that readers which walk through it have no stack for. */
describe('model.json, so deep that', () => {
  const nested = (depth: number, open: string, close: string) => `${open.repeat(depth)}1${close.repeat(depth)}`;
  const withLayers = (layers: string) =>
    `{"format":"layers-model","modelTopology":{"model_config":{"class_name":"Sequential","config":{"layers":${layers}}}},"weightsManifest":[]}`;

  test.each([
    ['layers are lists', withLayers(nested(1e6, '[', ']'))],
    ['layers are models', withLayers(nested(1e5, '[{"class_name":"Sequential","config":', '}]'))],
    ['arguments are', withLayers(`[{"class_name":"Dense","config":{"x":${nested(1e5, '{"y":', '}')}}}]`)],
    ['the manifest is', `{"format":"layers-model","modelTopology":{},"weightsManifest":${nested(1e6, '[', ']')}}`],
  ])('%s, is refused', async (_, text) => {
    const source = bytesSource(new TextEncoder().encode(text), 'model.json');
    await expectRefused(() => openTfjs(source, undefined), 'BAD_WEIGHTS', 'damaged');
  });
});

interface Weight {
  name: string;
  shape: number[];
  dtype: string;
  quantization?: Record<string, unknown>;
}

test('the files beside a model.json are found in its folder', async () => {
  const { model, files } = fixtures.find(({ name }) => name === 'chain.none')!;
  const folder = mkdtempSync(join(tmpdir(), 'weights-'));
  try {
    writeFileSync(join(folder, 'model.json'), JSON.stringify(model));
    for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
    const weights = await openWeights(join(folder, 'model.json'));
    const bias = weights.tensors.get('dense_1.bias')!;
    expect((await numbers(bias)).every(Number.isFinite)).toBe(true);
    expect(weights.preprocessing.normalization).toBe('raw');
    weights.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe('what is refused', () => {
  const teachable = fixtures.find(({ name }) => name === 'teachable')!;
  const packed = fixtures.find(({ name }) => name === 'chain.uint8')!;
  type Change = (
    model: { weightsManifest: { paths: string[]; weights: Weight[] }[] } & Record<string, unknown>,
  ) => void;

  test.each<[string, TfjsFixture, Change, ErrorCode, RegExp]>([
    ['a graph-model', teachable, (m) => (m.format = 'graph-model'), 'UNSUPPORTED', /a graph-model of TensorFlow\.js/],
    ['no topology', teachable, (m) => (m.modelTopology = null), 'BAD_WEIGHTS', /expected a model with a "class_name"/],
    [
      'no manifest',
      teachable,
      (m) => Object.assign(m, { weightsManifest: 1 }),
      'BAD_WEIGHTS',
      /expected a list of groups/,
    ],
    ['a path outside', teachable, (m) => (m.weightsManifest[0].paths = ['../x']), 'BAD_WEIGHTS', /got "\.\.\/x"/],
    [
      'a weight left out',
      teachable,
      (m) => m.weightsManifest[0].weights.pop(),
      'BAD_WEIGHTS',
      /expected files of 928 bytes, got 944/,
    ],
    [
      'a larger weight',
      teachable,
      (m) => (m.weightsManifest[0].weights[0].shape = [3, 3, 3, 400]),
      'BAD_WEIGHTS',
      /one is missing or cut off/,
    ],
    [
      'another shape',
      teachable,
      (m) => m.weightsManifest[0].weights[0].shape.reverse(),
      'BAD_WEIGHTS',
      /layer "Conv1" \(Conv2D\): expected "kernel" of shape \[3, 3, 3, 4\]/,
    ],
    [
      'another type',
      teachable,
      (m) => (m.weightsManifest[0].weights[0].dtype = 'string'),
      'BAD_WEIGHTS',
      /its type "string" is not known/,
    ],
    [
      'whole numbers',
      teachable,
      (m) => (m.weightsManifest[0].weights[0].dtype = 'int32'),
      'BAD_WEIGHTS',
      /expected floating-point numbers/,
    ],
    [
      'another name',
      teachable,
      (m) => (m.weightsManifest[0].weights[0].name = 'Conv2/kernel'),
      'BAD_WEIGHTS',
      /expected 1 arrays for layer "Conv1"/,
    ],
    [
      'no scale',
      packed,
      (m) => delete m.weightsManifest[0].weights[0].quantization!.scale,
      'BAD_WEIGHTS',
      /expected numbers "scale" and "min"/,
    ],
  ])('%s', (_, { model, files }, change, code, message) => {
    const changed = structuredClone(model);
    change(changed as Parameters<Change>[0]);
    return expectRefused(() => open({ model: changed, files }), code, message);
  });

  test('a model.json alone', () => {
    const source = bytesSource(new TextEncoder().encode(JSON.stringify(teachable.model)), 'model.json');
    return expectRefused(
      () => openTfjs(source, undefined),
      'NOT_FOUND',
      /its numbers are in other files, "weights\.bin"/,
    );
  });

  test('no JSON', () =>
    expectRefused(() => openTfjs(bytesSource(new Uint8Array(9), 'x'), undefined), 'BAD_WEIGHTS', /got no JSON/));
});
