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
  attributes?: Record<string, number[]>;
}

const tensorProto = ({ name, shape, type, field, data }: OnnxTensor) =>
  Buffer.concat([...shape.map((side) => integer(1, side)), integer(2, type), bytes(8, name), bytes(field, data)]);

const nodeProto = ({ operator, inputs, output, attributes = {} }: OnnxNode) =>
  Buffer.concat([
    ...inputs.map((input) => bytes(1, input)),
    bytes(2, output),
    bytes(4, operator),
    ...Object.entries(attributes).map(([name, values]) =>
      bytes(5, Buffer.concat([bytes(1, name), ...values.map((value) => integer(8, value))])),
    ),
  ]);

export const onnxFile = (nodes: readonly OnnxNode[], tensors: readonly OnnxTensor[]): Uint8Array =>
  Buffer.concat([
    integer(1, 7),
    bytes(
      7,
      Buffer.concat([...nodes.map((n) => bytes(1, nodeProto(n))), ...tensors.map((t) => bytes(5, tensorProto(t)))]),
    ),
  ]);
