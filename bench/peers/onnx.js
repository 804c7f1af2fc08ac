/**
 * Writes VGG16 as an ONNX model, in each mode, from the weights of a Keras file. Only what the model needs of protobuf's wire
 * format is here: a message is a list of parts whose lengths are known, so that each tensor is read when its turn comes.
 * Field numbers: onnx.proto3, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { arrangement, openVgg, transpose } from './weights.js';

/** @typedef {{ length: number, bytes(): Uint8Array }} Part */

const FLOAT = 1; // TensorProto.DataType and AttributeProto.AttributeType
const [INT, INTS] = [2, 7]; // AttributeProto.AttributeType

/** @param {number} value */
function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

/** @param {Uint8Array | number[]} bytes @returns {Part} */
const part = (bytes) => ({ length: bytes.length, bytes: () => Uint8Array.from(bytes) });

/** @param {number} field @param {Part[]} parts @returns {Part[]} */
const message = (field, parts) => [
  part([...varint(field * 8 + 2), ...varint(parts.reduce((sum, { length }) => sum + length, 0))]),
  ...parts,
];

/** @param {number} field @param {number} value @returns {Part[]} */
const integer = (field, value) => [part([...varint(field * 8), ...varint(value)])];

/** @param {number} field @param {string} value @returns {Part[]} */
const string = (field, value) => message(field, [part(new TextEncoder().encode(value))]);

/**
 * A list of integers, an integer, or a float where the value is `{ float }`.
 * @param {string} name
 * @param {number | number[] | { float: number }} value
 */
function attribute(name, value) {
  if (Array.isArray(value))
    return message(5, [...string(1, name), ...value.flatMap((each) => integer(8, each)), ...integer(20, INTS)]);
  if (typeof value === 'number') return message(5, [...string(1, name), ...integer(3, value), ...integer(20, INT)]);
  const bits = part([...varint(2 * 8 + 5), ...new Uint8Array(Float32Array.of(value.float).buffer)]);
  return message(5, [...string(1, name), bits, ...integer(20, FLOAT)]);
}

/**
 * @param {string} type
 * @param {string[]} inputs
 * @param {string} output
 * @param {Record<string, number | number[] | { float: number }>} attributes
 */
const node = (type, inputs, output, attributes = {}) =>
  message(1, [
    ...inputs.flatMap((input) => string(1, input)),
    ...string(2, output),
    ...string(3, output),
    ...string(4, type),
    ...Object.entries(attributes).flatMap(([name, value]) => attribute(name, value)),
  ]);

/** A float32 initializer. @param {string} name @param {number[]} shape @param {() => Float32Array} read */
function tensor(name, shape, read) {
  const raw = {
    length: 4 * shape.reduce((product, size) => product * size, 1),
    bytes: () => {
      const values = read();
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    },
  };
  return message(5, [
    ...shape.flatMap((size) => integer(1, size)),
    ...integer(2, FLOAT),
    ...string(8, name),
    ...message(9, [raw]),
  ]);
}

/** A graph input (11) or output (12) of fixed shape. @param {number} field @param {string} name @param {number[]} shape */
const value = (field, name, shape) =>
  message(field, [
    ...string(1, name),
    ...message(
      2,
      message(1, [
        ...integer(1, FLOAT),
        ...message(
          2,
          shape.flatMap((size) => message(1, integer(1, size))),
        ),
      ]),
    ),
  ]);

/** Convolutions, ReLUs and pools up to the last activation. */
function convolutions(
  /** @type {import('./weights.js').Layer[]} */ convs,
  /** @type {'pooled' | 'dilated' | 'atrous'} */ mode,
) {
  const parts = [];
  let x = 'input';
  for (const { layer, rate, last } of arrangement(convs, mode)) {
    const { name, shape, kernel, bias } = layer;
    const oihw = [shape[3], shape[2], shape[0], shape[1]];
    parts.push(
      ...tensor(`${name}_w`, oihw, () => transpose(kernel(), shape, [3, 2, 0, 1])),
      ...tensor(`${name}_b`, [shape[3]], bias),
    );
    const square = { kernel_shape: [3, 3], pads: [rate, rate, rate, rate], dilations: [rate, rate] };
    parts.push(
      ...node('Conv', [x, `${name}_w`, `${name}_b`], `${name}_sum`, square),
      ...node('Relu', [`${name}_sum`], name),
    );
    x = name;
    if (!last || layer === convs.at(-1) || mode === 'dilated') continue;
    x = name.replace(/_conv\d+$/, '_pool');
    if (mode === 'pooled') {
      parts.push(...node('MaxPool', [name], x, { kernel_shape: [2, 2], strides: [2, 2] }));
    } else {
      // The maximum over {p, p + rate}^2. What lies outside does not count: after ReLU any negative number
      // says so (with 0, onnxruntime would fuse the two and then refuse a pad wider than the pool).
      const pads = [0, 0, 0, 0, 0, 0, rate, rate];
      parts.push(...node('Pad', [name], `${name}_padded`, { pads, value: { float: -1 } }));
      parts.push(...node('MaxPool', [`${name}_padded`], x, { kernel_shape: [2, 2], dilations: [rate, rate] }));
    }
  }
  return { parts, last: x };
}

/** From the last activation to the logits. In `atrous` the pool takes phase (0, 0) alone. */
function head(
  /** @type {import('./weights.js').Layer[]} */ dense,
  /** @type {'pooled' | 'dilated' | 'atrous'} */ mode,
  /** @type {string} */ from,
  /** @type {number} */ channels,
) {
  const pool = {
    pooled: { kernel_shape: [2, 2], strides: [2, 2] },
    dilated: { kernel_shape: [32, 32], strides: [32, 32] },
    atrous: { kernel_shape: [2, 2], strides: [32, 32], dilations: [16, 16] },
  }[mode];
  const parts = [...node('MaxPool', [from], 'pool', pool), ...node('Flatten', ['pool'], 'flatten', { axis: 1 })];
  let x = 'flatten';
  dense.forEach(({ name, shape, kernel, bias }, i) => {
    const side = Math.sqrt(shape[0] / channels);
    // Keras flattens (row, column, channel), ONNX (channel, row, column)
    const read = i > 0 ? kernel : () => transpose(kernel(), [side, side, channels, shape[1]], [2, 0, 1, 3]);
    parts.push(...tensor(`${name}_w`, shape, read), ...tensor(`${name}_b`, [shape[1]], bias));
    const [sum, last] = [`${name}_sum`, i === dense.length - 1];
    parts.push(...node('Gemm', [x, `${name}_w`, `${name}_b`], last ? 'logits' : sum));
    if (!last) parts.push(...node('Relu', [sum], name));
    x = name;
  });
  return parts;
}

/**
 * The model as parts, to be read in order. Input `input` (1, 3, inputSide, inputSide), preprocessed; outputs the last
 * convolution by its name (1, 512, side, side) and, with the head, `logits` (1, 1000).
 * @param {Awaited<ReturnType<typeof openVgg>>} weights
 * @param {'pooled' | 'dilated' | 'atrous'} mode
 * @param {{ withHead?: boolean, inputSide?: number }} [options]
 * @returns {Part[]}
 */
export function onnxModel({ convs, dense }, mode, { withHead = false, inputSide = 224 } = {}) {
  const body = convolutions(convs, mode);
  const channels = convs.at(-1).shape[3];
  const side = mode === 'pooled' ? inputSide / 16 : inputSide;
  const graph = [
    ...body.parts,
    ...(withHead ? head(dense, mode, body.last, channels) : []),
    ...string(2, `vgg16_${mode}`),
    ...value(11, 'input', [1, 3, inputSide, inputSide]),
    ...value(12, body.last, [1, channels, side, side]),
    ...(withHead ? value(12, 'logits', [1, dense.at(-1).shape[1]]) : []),
  ];
  const opset = message(8, [...string(1, ''), ...integer(2, 10)]);
  return [...integer(1, 8), ...string(2, 'atrous-cam peers'), ...opset, ...message(7, graph)];
}

/**
 * The model in memory; without the head it is 59 MB.
 * @param {string} path of the .h5 file
 * @param {'pooled' | 'dilated' | 'atrous'} mode
 * @param {number} [inputSide]
 */
export async function onnxBytes(path, mode, inputSide) {
  const weights = await openVgg(path);
  const bytes = Buffer.concat(onnxModel(weights, mode, { inputSide }).map((each) => each.bytes()));
  weights.close();
  return bytes;
}

/**
 * Writes the model tensor by tensor; with the head it is 553 MB.
 * @param {string} path of the .h5 file
 * @param {'pooled' | 'dilated' | 'atrous'} mode
 * @param {string} target file to write
 * @param {{ withHead?: boolean }} [options]
 */
export async function writeOnnx(path, mode, target, options) {
  const weights = await openVgg(path);
  const file = openSync(target, 'w');
  for (const each of onnxModel(weights, mode, options)) {
    const bytes = each.bytes();
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
  }
  closeSync(file);
  weights.close();
}

// node bench/peers/onnx.js vgg16.h5 pooled stack.onnx [--head]
if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [path, mode, target, flag] = process.argv.slice(2);
  await writeOnnx(path, /** @type {'pooled' | 'dilated' | 'atrous'} */ (mode), target, { withHead: flag === '--head' });
}
