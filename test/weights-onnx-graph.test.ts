import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { weightShapes } from '../src/graph/graph.js';
import { defaultLayer, findNode } from '../src/graph/names.js';
import { labelsOf } from '../src/weights/label-lists.js';
import { type OnnxNetwork, type OnnxOptions, readOnnxGraph } from '../src/weights/onnx/graph.js';
import { bytesSource, fileSource } from '../src/weights/source.js';
import { pooled, probabilities } from './reference/graph.js';
import {
  bytes,
  floats,
  integer,
  integers,
  type OnnxModelParts,
  type OnnxNode,
  type OnnxTensor,
  onnxModel,
  packed,
} from './support/onnx-file.js';
import { expectClose } from './support/references.js';
import { expectRefused, numbers } from './support/weight-files.js';

const folder = new URL('fixtures/onnx/', import.meta.url).pathname;
interface Expected {
  input: number[];
  output: number[];
}
const expected: Record<string, Expected> = JSON.parse(readFileSync(`${folder}expected.json`, 'utf8'));

/** The input of make_files.py, of the file's own dimensions. */
const pixel = (i: number) => Math.fround(Math.sin(0.7 * i) + Math.cos(0.013 * i * i));

/** The first picture of the input as (rows, columns, channels). */
function picture(input: readonly number[]): Float64Array {
  const isNhwc = input[3] <= 3;
  const [h, w, c] = isNhwc ? input.slice(1) : [input[2], input[3], input[1]];
  return Float64Array.from({ length: h * w * c }, (_, i) => pixel(isNhwc ? i : (i % c) * h * w + Math.floor(i / c)));
}

async function open(name: string, options?: OnnxOptions): Promise<OnnxNetwork> {
  return readOnnxGraph(bytesSource(readFileSync(`${folder}${name}.onnx`), name), options);
}

async function logits({ graph, tensors }: OnnxNetwork, input: Float64Array): Promise<Float64Array> {
  const weights = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) weights.set(name, await numbers(tensor));
  return pooled(graph, weights, input).logits();
}

/** What a file gives out: probabilities where it ends in them. */
const endsInProbabilities = /^(nhwc|float16|several-outputs|inception-.*|one-sigmoid)$/;

describe("files give ONNX Runtime's numbers", () => {
  test.each(Object.keys(expected))('%s', async (name) => {
    const { input, output } = expected[name];
    const net = await open(name, {
      inputSize: input[3] <= 3 ? [input[1], input[2]] : [input[2], input[3]],
      openSibling: (path) => fileSource(folder + path),
    });
    const { graph, tensors } = net;
    const z = await logits(net, picture(input));
    const all = endsInProbabilities.test(name) ? probabilities(graph.head, z) : z;
    const found = name === 'one-sigmoid' ? all.subarray(1) : all;
    expectClose(found, output, name === 'float16' ? 2e-3 : 1e-5, name);
    const wanted = graph.nodes.flatMap((node) =>
      Object.entries(weightShapes(graph, node)).map(([key, shape]) => [`${node.name}.${key}`, shape]),
    );
    expect([...tensors].map(([of, { shape }]) => [of, shape])).toEqual(wanted);
    net.close();
  });
});

const called = ({ graph }: OnnxNetwork, name: string) => {
  const id = findNode(graph, name);
  return id === undefined ? undefined : `${graph.nodes[id].op} ${graph.nodes[id].name}`;
};

describe('names', () => {
  test("of PyTorch's older exporter, in the paths of its nodes", async () => {
    const net = await open('residual-legacy');
    expect(net.graph.nodes[defaultLayer(net.graph)].name).toBe('layer1.1.relu_1');
    for (const [name, node] of [
      ['layer1', 'activation layer1.1.relu_1'],
      ['layer1.0', 'activation layer1.0.relu_1'],
      ['layer1.1.conv1', 'activation layer1.1.relu'],
      ['layer1.1.conv2', 'conv layer1.1.conv2'],
      ['layer1.1.down', 'conv layer1.1.down.0'],
      ['/layer1/layer1.1/conv2/Conv', 'conv layer1.1.conv2'],
      ['/layer1/layer1.1/conv2/Conv_output_0', 'conv layer1.1.conv2'],
      ['stem', 'pool stem.3'],
      ['fc', 'dense fc'],
      ['layer2', undefined],
    ])
      expect(called(net, name!)).toBe(node);
  });

  test("of PyTorch's newer exporter, in the metadata of its nodes and the names of weights", async () => {
    const net = await open('residual-dynamo');
    for (const [name, node] of [
      ['layer1', 'activation layer1.1.relu'],
      ['layer1.0', 'activation layer1.0.relu'],
      ['layer1.1.conv2', 'conv layer1.1.conv2'],
      ['layer1.1.bn2', 'conv layer1.1.conv2'],
      ['relu_4', 'activation layer1.1.relu'],
      ['fc', 'dense fc'],
    ])
      expect(called(net, name)).toBe(node);
    expect([...net.tensors.keys()].slice(0, 2)).toEqual(['stem.0.kernel', 'stem.0.bias']);
  });

  test('of converters from TensorFlow, and of what changes no numbers', async () => {
    const path = (layer: string, operator: string) => `StatefulPartitionedCall/model/${layer}/${operator}`;
    const net = await read({
      inputs: [{ name: 'input_1:0', shape: ['N', 6, 6, 3] }],
      nodes: [
        {
          operator: 'Transpose',
          name: path('conv1', 'Conv2D__6'),
          inputs: ['input_1:0'],
          output: 't',
          attributes: { perm: [0, 3, 1, 2] },
        },
        { operator: 'Conv', name: path('conv1', 'Conv2D'), inputs: ['t', 'k'], output: `${path('conv1', 'Conv2D')}:0` },
        { operator: 'Relu', name: path('act', 'Relu'), inputs: [`${path('conv1', 'Conv2D')}:0`], output: 'r' },
        { operator: 'GlobalAveragePool', inputs: ['r'], output: 'g' },
        { operator: 'Identity', name: 'Identity', inputs: ['g'], output: 'answer' },
      ],
      tensors: [floats('k', [2, 3, 1, 1], [1, 2, 3, 4, 5, 6])],
    });
    expect([called(net, 'conv1'), called(net, 'act'), called(net, 'answer'), called(net, 'g')]).toEqual([
      'activation act',
      'activation act',
      'global g',
      'global g',
    ]);
  });
});

/** A network of a file that is written here; its input is x of 6 x 6 points and 3 channels where nothing else is said. */
function read(parts: OnnxModelParts, options?: OnnxOptions): Promise<OnnxNetwork> {
  const inputs = [{ name: 'x', shape: [1, 3, 6, 6] }];
  return readOnnxGraph(bytesSource(onnxModel({ inputs, ...parts }), 'model.onnx'), options);
}

/** A convolution of 3 to 2 channels by the tensor k, its mean, and a dense layer that doubles. */
const small = (kernel: OnnxTensor | Uint8Array): OnnxModelParts => ({
  nodes: [
    { operator: 'Conv', inputs: ['x', 'k'], output: 'c' },
    { operator: 'GlobalAveragePool', inputs: ['c'], output: 'g' },
    { operator: 'Flatten', inputs: ['g'], output: 'f' },
    { operator: 'Gemm', inputs: ['f', 'w'], output: 'y' },
  ],
  tensors: [kernel, floats('w', [2, 2], [2, 0, 0, 2])],
});
const kernelValues = [1, 2, 3, 4, 5, 6.5];

describe('weights', () => {
  const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const stored = (type: number, field: number, data: Uint8Array): OnnxTensor => ({
    name: 'k',
    shape: [2, 3, 1, 1],
    type,
    field,
    data,
  });
  const upper = Uint16Array.from(new Uint32Array(Float32Array.from(kernelValues).buffer), (bits) => bits >>> 16);
  const half = Uint16Array.from([0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4680]);

  test.each<[string, OnnxTensor]>([
    ['float32, raw', floats('k', [2, 3, 1, 1], kernelValues)],
    ['float32, typed', stored(1, 4, bytesOf(Float32Array.from(kernelValues)))],
    ['float64, raw', stored(11, 9, bytesOf(Float64Array.from(kernelValues)))],
    ['float64, typed', stored(11, 10, bytesOf(Float64Array.from(kernelValues)))],
    ['float16, raw', stored(10, 9, bytesOf(half))],
    ['float16, typed', stored(10, 5, packed(half))],
    ['bfloat16, raw', stored(16, 9, bytesOf(upper))],
    ['bfloat16, typed', stored(16, 5, packed(upper))],
  ])('%s', async (_, tensor) => {
    const { tensors } = await read(small(tensor));
    expect([...(await numbers(tensors.get('c.kernel')!))]).toEqual([1, 4, 2, 5, 3, 6.5]); // (out, in) -> (in, out)
  });

  test('of which only places are read, and numbers when they are copied', async () => {
    const values = Float32Array.from({ length: 64 * 3 * 25 }, (_, i) => i);
    let count = 0;
    const file = bytesSource(
      onnxModel({
        nodes: [
          { operator: 'Conv', inputs: ['x', 'k'], output: 'c' },
          { operator: 'GlobalAveragePool', inputs: ['c'], output: 'y' },
        ],
        inputs: [{ name: 'x', shape: [1, 3, 6, 6] }],
        tensors: [floats('k', [64, 3, 5, 5], values)],
      }),
      'model.onnx',
    );
    const counted = {
      ...file,
      read: (offset: number, length: number) => {
        count += length;
        return file.read(offset, length);
      },
      fill: (offset: number, target: Uint8Array) => {
        count += target.length;
        return file.fill(offset, target);
      },
    };
    const { tensors } = await readOnnxGraph(counted);
    expect(count).toBeLessThan(values.byteLength);
    const opened = count;
    const kernel = await numbers(tensors.get('c.kernel')!);
    expect(count - opened).toBe(values.byteLength);
    expect([kernel[0], kernel[1], kernel[64], kernel[3 * 64]]).toEqual([0, 75, 25, 1]);
  });

  test('of float16 keep their bits where their order stays', async () => {
    const data = bytesOf(half.subarray(0, 4));
    const { tensors } = await read({
      nodes: [
        { operator: 'GlobalAveragePool', inputs: ['x'], output: 'g' },
        { operator: 'Flatten', inputs: ['g'], output: 'f' },
        { operator: 'MatMul', inputs: ['f', 'w'], output: 'y' },
      ],
      inputs: [{ name: 'x', shape: [1, 1, 4, 4], type: 10 }],
      tensors: [{ name: 'w', shape: [1, 4], type: 10, field: 9, data }],
    });
    const bits = new Uint16Array(4);
    await tensors.get('y.kernel')!.copyHalves!(bits);
    expect(bits).toEqual(half.subarray(0, 4));
  });

  test('in a file beside the model', async () => {
    const entry = (key: string, value: string) => bytes(13, Buffer.concat([bytes(1, key), bytes(2, value)]));
    const external = (location: string, more: Record<string, string> = {}) =>
      Buffer.concat([
        ...[2, 3, 1, 1].map((side) => integer(1, side)),
        integer(2, 1),
        bytes(8, 'k'),
        entry('location', location),
        ...Object.entries(more).map(([key, value]) => entry(key, value)),
        integer(14, 1),
      ]);
    const beside = Buffer.concat([Buffer.alloc(8), bytesOf(Float32Array.from(kernelValues))]);
    const asked: string[] = [];
    let closed = 0;
    const openSibling = async (path: string) => {
      asked.push(path);
      return { ...bytesSource(beside, path), close: () => closed++ };
    };
    const net = await read(small(external('data/k.bin', { offset: '8', length: '24' })), { openSibling });
    expect([...(await numbers(net.tensors.get('c.kernel')!))]).toEqual([1, 4, 2, 5, 3, 6.5]);
    net.close();
    expect([asked, closed]).toEqual([['data/k.bin'], 1]);
    const cases: [string, Record<string, string>, RegExp][] = [
      ['../k.bin', {}, /tensor "k": expected its numbers in a file beside the model, got "..\/k.bin"/],
      ['a/../../k.bin', {}, /in a file beside the model/],
      ['/etc/passwd', {}, /in a file beside the model/],
      ['C:k.bin', {}, /in a file beside the model/],
      ['a\\k.bin', {}, /in a file beside the model/],
      ['https://a/k.bin', {}, /in a file beside the model/],
      ['', {}, /in a file beside the model/],
      ['k.bin', { offset: '-1' }, /expected a number of bytes as offset, got "-1"/],
      ['k.bin', { length: '23' }, /expected 24 bytes, got 23/],
      ['k.bin', { offset: '9' }, /expected bytes up to 33 in "k.bin", got a file of 32 bytes/],
    ];
    for (const [location, more, message] of cases)
      await expectRefused(() => read(small(external(location, more)), { openSibling }), 'BAD_WEIGHTS', message);
    expect(closed).toBe(2); // a file that was opened before the error is closed again
    await expectRefused(
      () => read(small(external('k.bin'))),
      'NOT_FOUND',
      /in another file, "k.bin"; give that file too/,
    );
  });
});

describe('inputs', () => {
  const mean: OnnxModelParts['nodes'] = [
    { operator: 'Conv', inputs: ['x', 'k'], output: 'c' },
    { operator: 'GlobalAveragePool', inputs: ['c'], output: 'y' },
  ];
  const shapeOf = async (shape: readonly (number | string)[] | undefined, cin: number, options?: OnnxOptions) => {
    const tensors = [floats('k', [2, cin, 1, 1], Array(2 * cin).fill(1))];
    const { h, w, c } = (await read({ nodes: mean, tensors, inputs: [{ name: 'x', shape }] }, options)).graph.nodes[0]
      .shape;
    return [h, w, c];
  };

  test("sizes are the file's, the wanted ones, or 224", async () => {
    expect(await shapeOf([1, 3, 5, 7], 3)).toEqual([5, 7, 3]);
    expect(await shapeOf(['N', 3, 'H', 'W'], 3)).toEqual([224, 224, 3]);
    expect(await shapeOf(['N', 3, 5, 7], 3, { inputSize: 9 })).toEqual([9, 9, 3]);
    expect(await shapeOf(['N', 3, 5, 7], 3, { inputSize: [9, 8] })).toEqual([9, 8, 3]);
    for (const inputSize of [0, 1.5, 5000])
      await expectRefused(() => shapeOf([1, 3, 5, 7], 3, { inputSize }), 'BAD_ARGUMENT', /inputSize: expected sides/);
  });

  test('channels are what the first convolution takes, where the file leaves them open', async () => {
    expect(await shapeOf(['N', 'C', 'H', 'W'], 1, { inputSize: 8 })).toEqual([8, 8, 1]);
    expect(await shapeOf(undefined, 3, { inputSize: 8 })).toEqual([8, 8, 3]);
    expect(await shapeOf([1, 1, 5, 7], 1)).toEqual([5, 7, 1]);
    await expectRefused(
      () => shapeOf([1, 4, 5, 7], 4),
      'BAD_WEIGHTS',
      /pictures with 3 channels or 1, got "x" of shape \[1, 4, 5, 7\]/,
    );
  });

  test('a picture alone, in either order', async () => {
    const unsqueezed = (axis: number, more: OnnxNode[]): OnnxModelParts['nodes'] => [
      { operator: 'Unsqueeze', inputs: ['in', 'axes'], output: axis === 0 && more.length === 0 ? 'x' : 'u' },
      ...more,
      ...mean,
    ];
    const tensors = [floats('k', [2, 3, 1, 1], [1, 1, 1, 1, 1, 1]), integers('axes', [0])];
    const chw = await read({ nodes: unsqueezed(0, []), tensors, inputs: [{ name: 'in', shape: [3, 5, 7] }] });
    const turn = { operator: 'Transpose', inputs: ['u'], output: 'x', attributes: { perm: [0, 3, 1, 2] } };
    const hwc = await read({ nodes: unsqueezed(0, [turn]), tensors, inputs: [{ name: 'in', shape: [5, 7, 3] }] });
    for (const { graph } of [chw, hwc]) expect(graph.nodes[0].shape).toEqual({ h: 5, w: 7, c: 3 });
  });
});

describe('labels', () => {
  test('of the metadata', async () => {
    expect((await open('several-outputs')).labels).toEqual(['cat', "dog's", 'bird', 'fish']);
    expect((await open('bgr')).labels).toBeUndefined();
  });

  test.each<[string, string[] | undefined]>([
    ['["a", "b"]', ['a', 'b']],
    ['{"0": "a", "1": "b"}', ['a', 'b']],
    ['{"1": "b", "0": "a"}', ['a', 'b']],
    ['{"b": 1, "a": 0}', ['a', 'b']],
    ["['a', \"b'\"]", ['a', "b'"]],
    ["{0: 'a', 1: 'it\\'s'}", ['a', "it's"]],
    ["{1: 'a', 0: 'b'}", undefined],
    ['a\nb\n', ['a', 'b']],
    ['a, b', ['a', 'b']],
    ['["a", "b", "c"]', undefined],
    ['[1, 2]', undefined],
    ['', undefined],
  ])('%s', (text, labels) => expect(labelsOf(new Map([['labels', text]]), 2)).toEqual(labels));
});
