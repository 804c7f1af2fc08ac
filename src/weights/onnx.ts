import { sizeFrom } from '../base/shape.js';
import type { RawBatchNorm, RawLayer, RawNetwork } from './check-chain.js';
import { decodeInPlace, floatBytes, upperHalf } from './floats.js';
import { type Field, ProtobufReader } from './protobuf.js';
import { type ByteSource, badWeights, quote } from './source.js';
import type { RawTensor } from './tensor.js';
import { StoredTensor } from './tensor-file.js';

/** Numbers of the fields that are read, from onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). */
const model = { graph: 7 };
const graph = { node: 1, initializer: 5 };
const node = { input: 1, output: 2, operator: 4, attribute: 5 };
const attribute = { name: 1, float: 2, int: 3, ints: 8 };
const tensor = { dims: 1, type: 2, floats: 4, int32s: 5, name: 8, raw: 9, doubles: 10, external: 13, location: 14 };
/** TensorProto.DataType. */
const types = new Map<number, 'F32' | 'F16' | 'F64' | 'BF16'>([
  [1, 'F32'],
  [10, 'F16'],
  [11, 'F64'],
  [16, 'BF16'],
]);
const maxNodes = 10_000;
const maxTensors = 10_000;

interface Node {
  operator: string;
  inputs: string[];
  outputs: string[];
  attributes: Map<string, number[]>;
}

/**
 * Reads an ONNX model: the layers are those of the graph, in its order, which must be one chain as VGG is; the weights are its
 * initialisers, in raw or typed data. Only names and shapes are read here.
 */
export async function readOnnxNetwork(source: ByteSource): Promise<RawNetwork> {
  const reader = new ProtobufReader(source);
  const nodes: Node[] = [];
  const tensors = new Map<string, RawTensor>();
  for await (const top of reader.fields(0, source.size)) {
    if (top.number !== model.graph || top.wire !== 2) continue;
    for await (const field of reader.fields(top.offset, top.offset + top.size)) {
      if (field.wire !== 2) continue;
      if (field.number === graph.node) nodes.push(await readNode(reader, field));
      else if (field.number === graph.initializer) {
        const read = await readTensor(reader, field);
        tensors.set(read.name, read);
      }
      if (nodes.length > maxNodes || tensors.size > maxTensors)
        throw badWeights(source.name, `ONNX: expected at most ${maxNodes} nodes and ${maxTensors} tensors, got more`);
    }
  }
  if (nodes.length === 0) throw badWeights(source.name, 'ONNX: expected a model with a graph, got none');
  return followChain(source.name, nodes, tensors);
}

async function readNode(reader: ProtobufReader, { offset, size }: Field): Promise<Node> {
  const read: Node = { operator: '', inputs: [], outputs: [], attributes: new Map() };
  for await (const field of reader.fields(offset, offset + size)) {
    if (field.wire !== 2) continue;
    if (field.number === node.input) read.inputs.push(await reader.text(field));
    else if (field.number === node.output) read.outputs.push(await reader.text(field));
    else if (field.number === node.operator) read.operator = await reader.text(field);
    else if (field.number === node.attribute) {
      const [name, values] = await readAttribute(reader, field);
      read.attributes.set(name, values);
    }
  }
  return read;
}

async function readAttribute(reader: ProtobufReader, { offset, size }: Field): Promise<[string, number[]]> {
  let name = '';
  const values: number[] = [];
  for await (const field of reader.fields(offset, offset + size)) {
    if (field.number === attribute.name && field.wire === 2) name = await reader.text(field);
    else if (field.number === attribute.int || field.number === attribute.ints)
      values.push(...(await reader.numbers(field, 1000)));
    else if (field.number === attribute.float && field.wire === 5) {
      const bytes = await reader.bytes(field, 4);
      values.push(new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true));
    }
  }
  return [name, values];
}

async function readTensor(reader: ProtobufReader, { offset, size }: Field): Promise<RawTensor> {
  const { source } = reader;
  const shape: number[] = [];
  const data: Field[] = [];
  let [name, type] = ['', 0];
  let external = false;
  for await (const field of reader.fields(offset, offset + size)) {
    if (field.number === tensor.dims) shape.push(...(await reader.numbers(field, 1000)));
    else if (field.number === tensor.type) type = field.value;
    else if (field.number === tensor.name && field.wire === 2) name = await reader.text(field);
    else if (field.number === tensor.location) external ||= field.value === 1;
    else if (field.number === tensor.external) external = true;
    else if ([tensor.raw, tensor.floats, tensor.doubles, tensor.int32s].includes(field.number) && data.length < 2)
      data.push(field);
  }
  const bad = (message: string) => badWeights(source.name, `tensor ${quote(name)}: ${message}`);
  if (external) throw bad('its numbers are in another file (external data); save the model as one file');
  const dtype = types.get(type);
  if (!dtype) return new StoredTensor(source, name, `ONNX type ${type}`, shape, 0); // such as a shape, which no layer needs
  const elements = sizeFrom(shape);
  const [field] = data;
  if (data.length !== 1 || field.wire !== 2) throw bad('expected its numbers in one piece');
  if (field.number === tensor.int32s) {
    if (dtype === 'F32' || dtype === 'F64' || field.size < elements)
      throw bad('its numbers are not where its type says');
    return halvesInVarints(reader, field, { name, dtype, shape, elements });
  }
  const place = dtype === 'F32' ? tensor.floats : dtype === 'F64' ? tensor.doubles : tensor.raw;
  if (field.number !== tensor.raw && field.number !== place) throw bad('its numbers are not where its type says');
  const bytes = elements * floatBytes[dtype];
  if (field.size !== bytes) throw bad(`expected ${bytes} bytes for ${dtype} [${shape}], got ${field.size}`);
  return new StoredTensor(source, name, dtype, shape, field.offset);
}

/** Sixteen-bit numbers that are kept as varints of one to three bytes: found only by reading all of them, once. */
function halvesInVarints(
  reader: ProtobufReader,
  field: Field,
  { name, dtype, shape, elements }: { name: string; dtype: 'F16' | 'BF16'; shape: number[]; elements: number },
): RawTensor {
  let all: Promise<Uint16Array> | undefined;
  const readAll = async () => {
    const values = new Uint16Array(elements);
    const count = await reader.unpack(field, values);
    if (count !== elements)
      throw badWeights(reader.source.name, `tensor ${quote(name)}: expected ${elements} numbers, got ${count}`);
    return values;
  };
  return {
    name,
    shape,
    async readRows(first, target) {
      all ??= readAll();
      const row = sizeFrom(shape, 1);
      upperHalf(target).set((await all).subarray(first * row, first * row + target.length));
      decodeInPlace(dtype, target);
    },
  };
}

/** Operators that change no number on the way, or only forms. */
const transparent = ['Relu', 'Dropout', 'Flatten', 'Reshape', 'Identity', 'Softmax', 'LogSoftmax'];

/** Walks the graph from its first node on: every node must take what the one before gave. */
function followChain(source: string, nodes: readonly Node[], tensors: ReadonlyMap<string, RawTensor>): RawNetwork {
  const bad = (message: string) => badWeights(source, `ONNX: ${message}`);
  const blocks: RawLayer[][] = [[]];
  const dense: RawLayer[] = [];
  let current: string | undefined;
  for (const step of nodes) {
    const { operator, inputs, outputs } = step;
    if (operator === 'Constant') continue; // the shape of a Reshape
    if (current !== undefined && inputs[0] !== current)
      throw bad(`expected layers in a chain, as VGG's are, got ${quote(operator)} beside it`);
    current = outputs[0];
    const [, weight, bias] = inputs;
    const last = blocks[blocks.length - 1];
    if (operator === 'Conv') {
      expectAttributes(
        step,
        { kernel_shape: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], group: [1] },
        bad,
      );
      if (dense.length > 0) throw bad('expected dense layers after the first dense layer, got "Conv"');
      last.push({ kernel: initializer(tensors, weight, bad), bias: initializer(tensors, bias, bad) });
    } else if (operator === 'BatchNormalization') {
      const conv = last.pop();
      if (!conv || conv.norm) throw bad('expected a convolution before each "BatchNormalization"');
      last.push({ ...conv, norm: batchNorm(step, tensors, bad) });
    } else if (operator === 'MaxPool') {
      expectAttributes(step, { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0], dilations: [1, 1] }, bad);
      blocks.push([]);
    } else if (operator === 'AveragePool') {
      expectAttributes(step, { kernel_shape: [1, 1], strides: [1, 1] }, bad); // what PyTorch's 7x7 adaptive pool is at 7x7
    } else if (operator === 'Gemm') {
      expectAttributes(step, { transA: [0], transB: [1], alpha: [1], beta: [1] }, bad);
      dense.push({ kernel: initializer(tensors, weight, bad), bias: initializer(tensors, bias, bad) });
    } else if (!transparent.includes(operator))
      throw bad(`expected Conv, BatchNormalization, Relu, MaxPool and Gemm, as VGG has, got ${quote(operator)}`);
  }
  if (blocks[blocks.length - 1].length === 0) blocks.pop(); // a pool follows the last block too
  return { source, layout: 'torch', blocks, dense, metadata: new Map() };
}

function initializer(
  tensors: ReadonlyMap<string, RawTensor>,
  name: string | undefined,
  bad: (message: string) => Error,
) {
  const found = name === undefined ? undefined : tensors.get(name);
  if (!found)
    throw bad(`expected weights and a bias in every layer, got ${name ? `no tensor ${quote(name)}` : 'none'}`);
  return found;
}

function batchNorm(
  { inputs, attributes }: Node,
  tensors: ReadonlyMap<string, RawTensor>,
  bad: (message: string) => Error,
): RawBatchNorm {
  const [weight, bias, mean, variance] = [1, 2, 3, 4].map((i) => initializer(tensors, inputs[i], bad));
  return { weight, bias, mean, variance, epsilon: attributes.get('epsilon')?.[0] };
}

/** Refuses a layer that computes something else than VGG's; what is not stated has the right default or is checked by its shape. */
function expectAttributes(
  { operator, attributes }: Node,
  expected: Record<string, number[]>,
  bad: (message: string) => Error,
): void {
  for (const [name, values] of Object.entries(expected)) {
    const found = attributes.get(name);
    const isDefault = found === undefined && !defaultsThatDiffer.has(`${operator}.${name}`);
    if (!isDefault && `${found}` !== `${values}`)
      throw bad(`${operator}: expected ${name} ${values.join(', ')}, got ${found?.join(', ') ?? 'none'}`);
  }
}

/** Attributes that must be stated, because ONNX' default is not what VGG has. */
const defaultsThatDiffer = new Set(['Conv.pads', 'MaxPool.strides', 'MaxPool.kernel_shape', 'Gemm.transB']);
