/** Writes ONNX models field by field, knowing nothing of the reader: numbers of onnx.proto, wire format of Protocol Buffers. */
const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
export const bytes = (number: number, content: Uint8Array | string): Uint8Array => {
  const data = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return Buffer.concat([Uint8Array.from([...varint(8 * number + 2), ...varint(data.length)]), data]);
};
export const integer = (number: number, value: number): Uint8Array =>
  Uint8Array.from([...varint(8 * number), ...varint(value)]);
export const packed = (values: Iterable<number>): Uint8Array => Uint8Array.from(Array.from(values, varint).flat());

export interface OnnxTensor {
  name: string;
  shape: readonly number[];
  /** TensorProto.DataType: 1 float32, 10 float16, 11 float64, 16 bfloat16. */
  type: number;
  /** The field that holds the numbers: 4 float_data, 5 int32_data, 9 raw_data, 10 double_data, 13 external_data. */
  field: number;
  data: Uint8Array;
}

export interface OnnxNode {
  operator: string;
  inputs: string[];
  output: string;
  attributes?: Record<string, AttributeValue>;
  name?: string;
  domain?: string;
  /** Outputs behind the first one. */
  others?: string[];
  metadata?: Record<string, string>;
}

/** A number alone is whole; lists are of whole numbers. */
type AttributeValue =
  | number
  | number[]
  | string
  | OnnxTensor
  | { float: number }
  | { floats: number[] }
  | { field: number };

const text = (number: number, value: string | undefined) => (value === undefined ? [] : [bytes(number, value)]);
const entries = (number: number, of: Record<string, string> = {}) =>
  Object.entries(of).map(([key, value]) => bytes(number, Buffer.concat([bytes(1, key), bytes(2, value)])));
const int64 = (number: number, value: number | bigint): Uint8Array =>
  Uint8Array.from([...varint(8 * number), ...bigVarint(BigInt.asUintN(64, BigInt(value)))]);
const bigVarint = (value: bigint): number[] =>
  value < 128n ? [Number(value)] : [Number(value % 128n) + 128, ...bigVarint(value / 128n)];
const float = (number: number, value: number): Uint8Array =>
  Buffer.concat([Uint8Array.from(varint(8 * number + 5)), new Uint8Array(Float32Array.of(value).buffer)]);

export const tensorProto = ({ name, shape, type, field, data }: OnnxTensor) =>
  Buffer.concat([...shape.map((side) => integer(1, side)), integer(2, type), bytes(8, name), bytes(field, data)]);

/** A float32 tensor. */
export const floats = (name: string, shape: readonly number[], values: Iterable<number>): OnnxTensor => ({
  name,
  shape,
  type: 1,
  field: 9,
  data: new Uint8Array(Float32Array.from(values).buffer),
});

/** An int64 tensor; a vector where no shape is given. */
export const integers = (name: string, values: readonly (number | bigint)[], shape = [values.length]): OnnxTensor => ({
  name,
  shape,
  type: 7,
  field: 9,
  data: new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer),
});

/** AttributeProto, with the type that it must have. */
function attributeProto(name: string, value: AttributeValue): Uint8Array {
  const proto = (type: number, ...content: Uint8Array[]) =>
    Buffer.concat([bytes(1, name), ...content, integer(20, type)]);
  if (typeof value === 'number') return proto(2, int64(3, value));
  if (typeof value === 'string') return proto(3, bytes(4, value));
  if (Array.isArray(value)) return proto(7, ...value.map((item) => int64(8, item)));
  if ('float' in value) return proto(1, float(2, value.float));
  if ('floats' in value) return proto(6, ...value.floats.map((item) => float(7, item)));
  if ('data' in value) return proto(4, bytes(5, tensorProto(value)));
  return proto(5, bytes(value.field, ''));
}

const nodeProto = ({ operator, inputs, output, attributes = {}, name, domain, others = [], metadata }: OnnxNode) =>
  Buffer.concat([
    ...inputs.map((input) => bytes(1, input)),
    ...[output, ...others].map((value) => bytes(2, value)),
    ...text(3, name),
    bytes(4, operator),
    ...Object.entries(attributes).map(([key, value]) => bytes(5, attributeProto(key, value))),
    ...text(7, domain),
    ...entries(9, metadata),
  ]);

/** Input or output: its name, TensorProto.DataType, and sizes or what an open one is called. */
export interface OnnxValue {
  name: string;
  shape?: readonly (number | string)[];
  type?: number;
}

const valueProto = ({ name, shape, type = 1 }: OnnxValue) => {
  const dims = shape?.map((side) => bytes(1, typeof side === 'number' ? integer(1, side) : bytes(2, side)));
  const about = Buffer.concat([integer(1, type), ...(dims ? [bytes(2, Buffer.concat(dims))] : [])]);
  return Buffer.concat([bytes(1, name), bytes(2, bytes(1, about))]);
};

export interface OnnxModelParts {
  nodes: readonly OnnxNode[];
  tensors?: readonly (OnnxTensor | Uint8Array)[];
  inputs?: readonly OnnxValue[];
  outputs?: readonly OnnxValue[];
  ir?: number;
  opset?: number;
  metadata?: Record<string, string>;
  /** Further fields of the model and of its graph. */
  more?: readonly Uint8Array[];
  inGraph?: readonly Uint8Array[];
}

/** A whole model; the last node's output is the graph's where nothing else is said. */
export function onnxModel({ nodes, tensors = [], inputs = [], outputs, ...about }: OnnxModelParts): Uint8Array {
  const { ir = 8, opset = 13, metadata, more = [], inGraph = [] } = about;
  const graph = Buffer.concat([
    ...nodes.map((node) => bytes(1, nodeProto(node))),
    ...tensors.map((tensor) => bytes(5, tensor instanceof Uint8Array ? tensor : tensorProto(tensor))),
    ...inputs.map((value) => bytes(11, valueProto(value))),
    ...(outputs ?? [{ name: nodes[nodes.length - 1].output }]).map((value) => bytes(12, valueProto(value))),
    ...inGraph,
  ]);
  return Buffer.concat([
    integer(1, ir),
    bytes(7, graph),
    bytes(8, Buffer.concat([bytes(1, ''), integer(2, opset)])),
    ...entries(14, metadata),
    ...more,
  ]);
}

/** Nodes and tensors alone, as the reader of chains takes them. */
export const onnxFile = (nodes: readonly OnnxNode[], tensors: readonly OnnxTensor[]): Uint8Array =>
  Buffer.concat([
    integer(1, 7),
    bytes(
      7,
      Buffer.concat([...nodes.map((n) => bytes(1, nodeProto(n))), ...tensors.map((t) => bytes(5, tensorProto(t)))]),
    ),
  ]);
