import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { sizeFrom } from '../src/base/shape.js';
import { defaultLayer, findNode } from '../src/graph/names.js';
import { openPth, openZip } from '../src/weights/pth.js';
import { bytesSource } from '../src/weights/source.js';
import type { TensorFile } from '../src/weights/tensor-file.js';
import { readTorchGraph, type TorchGraph } from '../src/weights/torch-graph.js';
import { pooled } from './reference/graph.js';
import { expectClose } from './support/references.js';
import {
  tensorFileOf,
  torchEntries,
  torchNetwork,
  torchNetworks,
  torchPath,
  torchPicture,
} from './support/torch-networks.js';
import { type Entry, expectRefused, float32 } from './support/weight-files.js';

const TOLERANCE = 1e-5;

async function read(file: TensorFile, inputSize?: readonly [number, number]): Promise<TorchGraph> {
  const network = await readTorchGraph(file, { inputSize });
  if (!network) throw new Error('not recognised');
  return network;
}

/** Logits by the plain reference, from the weights as the engine would get them. */
async function logitsOf({ graph, tensors }: TorchGraph): Promise<number[]> {
  const weights = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) {
    const values = new Float32Array(sizeFrom(tensor.shape));
    await tensor.copyInto(values);
    weights.set(name, values);
  }
  const { h, w, c } = graph.nodes[0].shape;
  return [...pooled(graph, weights, torchPicture([h, w], c)).logits()];
}

/** By network: its file's name, the default layer, and a layer with the last node that its name means. */
const layers: Record<string, [layer: string, module: string, node: string]> = {
  resnet18: ['layer4.1.relu', 'layer2', 'layer2.1.relu'],
  resnext: ['layer4.0.relu', 'layer4.0.conv2', 'layer4.0.bn2.relu'],
  resnet26d: ['layer4.1.relu', 'conv1.6', 'bn1.relu'],
  googlenet: ['inception5b', 'inception4a.branch4', 'inception4a.branch4.1.bn.relu'],
  inception: ['Mixed_7c', 'Mixed_6e', 'Mixed_6e'],
  shufflenet: ['conv5.1.relu', 'stage3', 'stage3.7'],
  regnet: ['trunk_output.block4.block4-5.relu', 'trunk_output.block2', 'trunk_output.block2.block2-2.relu'],
  'regnet-timm': ['s4.b7.relu', 's2', 's2.b1.relu'],
  mnasnet: ['layers.15.relu', 'layers.9', 'layers.9.2'],
  alexnet: ['features.10.relu', 'features.3', 'features.3.relu'],
  cifar: ['layer3.2.relu', 'layer3.0.bn1', 'layer3.0.bn1.relu'],
  'drn-c': ['layer8.0.bn2.relu', 'layer6', 'layer6.0.relu'],
  'drn-d': ['layer8.1.relu', 'layer0.0', 'layer0.1.relu'],
  mobilenetv2: ['features.18.1.relu6', 'features.3', 'features.3'],
  mobilenetv3: ['features.12.1.hardswish', 'features.5.block.2', 'features.5.block.2'],
  'mobilenetv3-timm': ['blocks.6.0.bn1.hardswish', 'blocks.2', 'blocks.2.2'],
  efficientnet: ['features.8.1.silu', 'features.3.1', 'features.3.1'],
  tf_efficientnet: ['bn2.silu', 'blocks.3.2', 'blocks.3.2'],
  'efficientnet-flat': ['_bn1.silu', '_blocks.2', '_blocks.2'],
  squeezenet: ['classifier.1.relu', 'features.12', 'features.12'],
  densenet: ['features.norm5.relu', 'features.denseblock2', 'features.denseblock2'],
  convnext: ['features.7.0', 'features.5', 'features.5.1'],
  'convnext-timm': ['stages.3.blocks.0', 'stages.2', 'stages.2.blocks.1'],
};

describe.each(torchNetworks.filter(({ name }) => name !== 'checkpoint'))('$name', (network) => {
  const { name, size, logits } = network;

  test('has the logits of PyTorch', async () => {
    const made = await read(await tensorFileOf(torchEntries(network), name), size);
    expectClose(await logitsOf(made), [...logits], TOLERANCE, name);
  });

  test('has layers by the names of modules', async () => {
    const { graph } = await read(await tensorFileOf(torchEntries(network), name), size);
    const [layer, module, node] = layers[name];
    expect(graph.nodes[defaultLayer(graph)].name).toBe(layer);
    expect(graph.nodes[findNode(graph, module)!].name).toBe(node);
  });

  test('is read under the prefix of a wrapper, where it may be called so too', async () => {
    const entries = Object.entries(torchEntries(network));
    const prefix = 'module._orig_mod.backbone.';
    const file = await tensorFileOf(Object.fromEntries(entries.map(([key, entry]) => [prefix + key, entry])), name);
    const made = await read(file, size);
    const own = await read(await tensorFileOf(torchEntries(network), name), size);
    expect(made.graph.nodes.map((node) => node.name)).toEqual(own.graph.nodes.map((node) => node.name));
    const [, module, node] = layers[name];
    expect(made.graph.nodes[findNode(made.graph, prefix + module)!].name).toBe(node);
  });

  test('is refused with a tensor too many, one too few, or one of another shape', async () => {
    const entries = torchEntries(network);
    const file = (changed: Record<string, Entry>) => tensorFileOf(changed, name);
    const advice = /torch\.onnx\.export\(model\.eval\(\), torch\.zeros\(1, 3, 224, 224\), 'model\.onnx'\)$/;
    const added = await file({ ...entries, 'attention.gamma': float32([1, 2, 3], () => 1) });
    await expectRefused(() => read(added, size), 'UNSUPPORTED', /"attention\.gamma" \[1, 2, 3\] was not understood/);
    await expectRefused(() => read(added, size), 'UNSUPPORTED', advice);
    const names = Object.keys(entries);
    for (const at of [0.2, 0.5, 0.8]) {
      const some = names[Math.floor(at * names.length)];
      const { [some]: entry, ...rest } = entries;
      const changed = { ...rest, [some]: float32([...entry.shape.slice(0, -1), 77]) };
      await expectRefused(async () => read(await file(changed), size), 'UNSUPPORTED', advice);
      if (some.endsWith('bias')) continue; // layers may have none
      await expectRefused(async () => read(await file(rest), size), 'UNSUPPORTED', advice);
    }
  });
});

describe('a checkpoint', () => {
  const bytes = new Uint8Array(readFileSync(torchPath('checkpoint.pth')));
  const { size, logits } = torchNetwork('checkpoint');

  test('is read two levels down, with labels, prefixes and channels_last strides', async () => {
    const source = bytesSource(bytes, 'checkpoint.pth');
    const file = await openPth(source, await openZip(source));
    expect(JSON.parse(file.metadata.get('labels')!)).toEqual(['ant', 'bee', 'cat']);
    const made = await read(file);
    expect(made.graph.nodes[0].shape).toEqual({ h: size[0], w: size[1], c: 3 });
    expectClose(await logitsOf(made), [...logits], TOLERANCE, 'checkpoint');
  });
});

describe("a head of one's own", () => {
  const network = torchNetwork('resnet18');
  const size = [32, 32] as const;
  const body = Object.entries(torchEntries(network)).filter(([name]) => !name.startsWith('fc.'));
  const channels = network.tensors['fc.weight'][1];
  const linear = (name: string, inputs: number, outputs: number, value = 0.1): Record<string, Entry> => ({
    [`${name}.weight`]: float32([outputs, inputs], (i) => value * Math.sin(i)),
    [`${name}.bias`]: float32([outputs], (i) => value * Math.cos(i)),
  });
  const norm = (name: string, size: number): Record<string, Entry> => ({
    [`${name}.weight`]: float32([size], () => 2),
    [`${name}.bias`]: float32([size], () => -0.5),
    [`${name}.running_mean`]: float32([size], () => 0.25),
    [`${name}.running_var`]: float32([size], () => 4),
  });
  const withHead = (...layers: Record<string, Entry>[]) =>
    tensorFileOf({ ...Object.fromEntries(body), ...Object.assign({}, ...layers) });
  /** Operations behind the mean. */
  const operations = ({ graph }: TorchGraph) =>
    graph.nodes
      .slice(graph.nodes.findIndex(({ op }) => op === 'global'))
      .map((node) => (node.op === 'activation' ? node.activation.f : node.op));

  const heads: [string, Record<string, Entry>[], string[], (string | RegExp)[]][] = [
    ['one layer', [linear('fc', channels, 5)], ['global', 'dense'], []],
    ['one in a Sequential', [linear('fc.1', channels, 5)], ['global', 'dense'], []],
    ['one under another name', [linear('classifier', channels, 5)], ['global', 'dense'], [/^The mean .*"classifier"/]],
    [
      'dense, ReLU, dropout, dense',
      [linear('fc.10', 4, 5), linear('fc.7', channels, 4)],
      ['global', 'dense', 'relu', 'dense'],
      [/^ReLU .*"fc\.7" and "fc\.10"/],
    ],
    ['two at once', [linear('fc.0', channels, 4), linear('fc.1', 4, 5)], ['global', 'dense', 'dense'], []],
    [
      'dense, normalization, ReLU, dense',
      [linear('fc.0', channels, 4), norm('fc.1', 4), linear('fc.3', 4, 5)],
      ['global', 'dense', 'relu', 'dense'],
      [/"fc\.1" and "fc\.3"/],
    ],
    [
      'dense, ReLU, normalization, dense',
      [linear('fc.0', channels, 4), norm('fc.2', 4), linear('fc.3', 4, 5)],
      ['global', 'dense', 'relu', 'affine', 'dense'],
      [/"fc\.0" and "fc\.2"/],
    ],
    [
      'numbered names',
      [linear('fc1', channels, 6), linear('fc2', 6, 6), linear('fc3', 6, 2)],
      ['global', 'dense', 'relu', 'dense', 'relu', 'dense'],
      [/^The mean/, /"fc1" and "fc2"/, /"fc2" and "fc3"/],
    ],
    [
      'names without numbers in the only order that fits',
      [linear('answer', 6, 2), linear('hidden', channels, 6)],
      ['global', 'dense', 'relu', 'dense'],
      [/^The mean .*"hidden"/, /"hidden" and "answer"/],
    ],
  ];
  test.each(heads)('%s', async (_, layers, expected, assumptions) => {
    const made = await read(await withHead(...layers), size);
    expect(operations(made)).toEqual(expected);
    const [family, ...ofHead] = made.assumptions;
    expect(family).toMatch(/torchvision's ResNet/);
    expect(ofHead).toHaveLength(assumptions.length);
    for (const [i, pattern] of assumptions.entries()) expect(ofHead[i]).toMatch(pattern);
  });

  test('normalization behind a dense layer is part of it', async () => {
    const plain = await read(await withHead(linear('fc.0', channels, 4)), size);
    const normed = await read(await withHead(linear('fc.0', channels, 4), norm('fc.1', 4)), size);
    const expected = (await logitsOf(plain)).map((z) => ((z - 0.25) / Math.sqrt(4 + 1e-5)) * 2 - 0.5);
    expectClose(await logitsOf(normed), expected, TOLERANCE, 'logits');
  });

  test('a single number is a sigmoid', async () => {
    expect((await read(await withHead(linear('fc', channels, 1)), size)).graph.head).toBe('sigmoid');
    expect((await read(await withHead(linear('fc', channels, 2)), size)).graph.head).toBe('softmax');
  });

  const refused: [string, Record<string, Entry>[], RegExp][] = [
    ['no head', [], /without a classifier/],
    ['a head for other features', [linear('fc', 2 * channels, 5)], /"fc\.weight" .* with 16 inputs/],
    ['two heads', [linear('age', channels, 5), linear('name', channels, 5)], /"name\.weight".*"age" comes first/],
    [
      'equal layers without numbers',
      [linear('a', channels, channels), linear('b', channels, channels)],
      /names do not say whether "a" comes first/,
    ],
    ['a layer between', [linear('fc.0', channels, 4), linear('fc.3', 5, 2)], /"fc\.3\.weight" .* with 4 inputs/],
    [
      'PReLU',
      [linear('fc.0', channels, 4), { 'fc.1.weight': float32([1]) }, linear('fc.2', 4, 2)],
      /"fc\.1\.weight" \[1\]/,
    ],
    ['a lone tensor', [linear('fc', channels, 4), { temperature: float32([1]) }], /"temperature" \[1\]/],
  ];
  test.each(refused)('refuses %s', async (_, layers, message) =>
    expectRefused(async () => read(await withHead(...layers), size), 'UNSUPPORTED', message),
  );

  test('a network in a Sequential, with a head beside it', async () => {
    const names = ['conv1', 'bn1', 'relu', 'maxpool', 'layer1', 'layer2', 'layer3', 'layer4'];
    const entries = body.map(([name, entry]): [string, Entry] => {
      const [module] = name.split('.');
      return [`features.${names.indexOf(module)}${name.slice(module.length)}`, entry];
    });
    const head = linear('head', channels, 4);
    const made = await read(await tensorFileOf({ ...Object.fromEntries(entries), ...head }), size);
    const own = await read(await withHead(linear('fc', channels, 4)), size);
    expect(await logitsOf(made)).toEqual(await logitsOf(own));
    expect(made.graph.nodes[findNode(made.graph, 'features.7.1.conv2')!].name).toBe('layer4.1.conv2');
  });
});

describe('what the names do not tell', () => {
  test('a 3x3 stem before four stages', async () => {
    const { tensors } = torchNetwork('resnet18');
    const file = await tensorFileOf(torchEntries({ tensors: { ...tensors, 'conv1.weight': [2, 3, 3, 3] } }));
    await expectRefused(() => read(file), 'UNSUPPORTED', /stem is a 3x3 convolution/);
  });

  test('two networks in one file', async () => {
    const entries = Object.entries(torchEntries(torchNetwork('cifar')));
    const twice = entries.flatMap(([name, entry]) => ['student.', 'teacher.'].map((prefix) => [prefix + name, entry]));
    const file = await tensorFileOf(Object.fromEntries(twice));
    await expectRefused(() => read(file), 'BAD_WEIGHTS', /several.*"student\.".*"teacher\."/);
  });

  test("whether timm's network comes from TensorFlow, the file's name tells", async () => {
    const network = torchNetwork('tf_efficientnet');
    const own = await read(await tensorFileOf(torchEntries(network), 'model.safetensors'), network.size);
    expect(own.assumptions).toEqual([expect.stringMatching(/taken for timm's own/)]);
    const [answer] = await logitsOf(own);
    expect(Math.abs(answer - network.logits[0])).toBeGreaterThan(1e-3 * Math.abs(answer));
  });

  test('a picture that is too small', async () => {
    const file = await tensorFileOf(torchEntries(torchNetwork('squeezenet')));
    await expectRefused(
      () => read(file, [2, 2]),
      'BAD_WEIGHTS',
      /weights "model.safetensors": node .* input is too small/,
    );
  });
});

describe('VGG', () => {
  /** VGG11 of one to three channels. */
  const features = Object.fromEntries(
    [0, 3, 6, 8, 11, 13, 16, 18].flatMap((number, i): [string, number[]][] => [
      [`features.${number}.weight`, [2, i === 0 ? 3 : 2, 3, 3]],
      [`features.${number}.bias`, [2]],
    ]),
  );
  const open = (head: Record<string, number[]>) => tensorFileOf(torchEntries({ tensors: { ...features, ...head } }));
  const own = {
    'classifier.0.weight': [4, 18],
    'classifier.0.bias': [4],
    'classifier.3.weight': [3, 4],
    'classifier.3.bias': [3],
  };

  test('with its own head is left to its own reader', async () => {
    expect(await readTorchGraph(await open({}))).toBeUndefined();
    expect(await readTorchGraph(await open(own))).toBeUndefined();
  });

  test('with another head is a graph', async () => {
    const nested = await read(
      await open({
        ...own,
        'classifier.6.0.weight': [2, 3],
        'classifier.6.2.weight': [5, 2],
        'classifier.6.2.bias': [5],
      }),
    );
    expect(nested.graph.nodes[0].shape).toEqual({ h: 96, w: 96, c: 3 });
    expect(nested.assumptions).toEqual([expect.stringMatching(/"classifier\.6\.0" and "classifier\.6\.2"/)]);
    const pooledHead = await read(await open({ 'fc.weight': [3, 2] }), [64, 96]);
    expect(pooledHead.graph.nodes.filter(({ op }) => op === 'pool')).toHaveLength(5);
    expect(pooledHead.assumptions).toEqual([expect.stringMatching(/^The mean .*"fc"/)]);
    await expectRefused(
      async () => read(await open({ ...own, 'classifier.4.weight': [3, 3] }), [64, 64]),
      'BAD_ARGUMENT',
      /expected 96, .* got 64 x 64/,
    );
  });
});

test('other networks are none of these', async () => {
  expect(await readTorchGraph(await tensorFileOf({ 'encoder.layers.0.weight': float32([2, 2]) }))).toBeUndefined();
});
