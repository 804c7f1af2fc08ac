import { randomBelow } from './mutate.js';

/**
 * Which fields of ONNX' messages are messages themselves, by kind: the rest is a number, a text or an array's bytes.
 *
 * @type {Record<string, Record<number, string>>}
 */
const messages = {
  model: { 7: 'graph', 8: 'opset', 14: 'entry' },
  graph: { 1: 'node', 5: 'tensor', 11: 'value', 12: 'value', 13: 'value' },
  node: { 5: 'attribute', 9: 'entry' },
  attribute: { 5: 'tensor' },
  value: { 2: 'type' },
  type: { 1: 'tensorType' },
  tensorType: { 2: 'shape' },
  shape: { 1: 'dimension' },
};
const numbers = [0, 1, 2, 3, 4, 7, 16, 64, 127, 128, 255, 1000, 65536, 2 ** 31, 2 ** 31 - 1, 2 ** 40, 2 ** 53].map(
  BigInt,
);

/** @typedef {{ number: number, wire: number, kind?: string, value: bigint, bytes: Uint8Array, fields: Field[] }} Field */

/**
 * An ONNX model with some of its fields changed: numbers, texts that are swapped, fields and whole nodes that are left out, doubled or
 * moved. All lengths fit again, so that the damage gets past the reader of the format.
 *
 * @param {Uint8Array} file
 * @param {number} seed
 * @returns {Uint8Array}
 */
export function mutateOnnx(file, seed) {
  const random = randomBelow(seed);
  const model = parse(file, 'model');
  for (let rounds = 1 + random(3); rounds > 0; rounds--) mutateOnce(model, random);
  return encode(model);
}

/** @param {Field[]} model @param {(below: number) => number} random */
function mutateOnce(model, random) {
  let siblings = model;
  let at = random(siblings.length);
  while (siblings[at].fields.length > 0 && random(8) > 0) {
    siblings = siblings[at].fields;
    at = random(siblings.length);
  }
  const field = siblings[at];
  const other = siblings[random(siblings.length)];
  switch (random(6)) {
    case 0:
      siblings.splice(at, 1);
      break;
    case 1:
      siblings.splice(random(siblings.length), 0, field);
      break;
    case 2:
      siblings.splice(at, 1);
      siblings.splice(random(siblings.length + 1), 0, field);
      break;
    default:
      if (field.wire === 0) field.value = random(2) ? numbers[random(numbers.length)] : -BigInt(random(8));
      else if (other.wire === field.wire)
        Object.assign(field, { bytes: other.bytes, fields: other.fields, kind: other.kind });
      if (siblings.length === 0) siblings.push(field);
  }
  if (siblings.length === 0) siblings.push(field); // an empty message has nothing to change
}

/** @param {Uint8Array} bytes @param {string} kind @returns {Field[]} */
function parse(bytes, kind) {
  const fields = [];
  for (let at = 0; at < bytes.length; ) {
    const varint = () => {
      let value = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const byte = bytes[at++];
        value |= BigInt(byte & 127) << shift;
        if (byte < 128) return value;
      }
    };
    const tag = Number(varint());
    /** @type {Field} */
    const field = { number: tag >> 3, wire: tag & 7, value: 0n, bytes: new Uint8Array(0), fields: [] };
    if (field.wire === 0) field.value = varint();
    else {
      const size = field.wire === 2 ? Number(varint()) : field.wire === 5 ? 4 : 8;
      field.bytes = bytes.subarray(at, at + size);
      at += size;
      field.kind = messages[kind]?.[field.number];
      if (field.kind && field.wire === 2) field.fields = parse(field.bytes, field.kind);
    }
    fields.push(field);
  }
  return fields;
}

/** @param {readonly Field[]} fields @returns {Uint8Array} */
function encode(fields) {
  return Buffer.concat(
    fields.map(({ number, wire, value, bytes, fields: inner }) => {
      const content = wire === 0 ? varintOf(value) : inner.length > 0 ? encode(inner) : bytes;
      const length = wire === 2 ? varintOf(BigInt(content.length)) : [];
      return Buffer.concat([
        Uint8Array.from([...varintOf(BigInt(8 * number + wire)), ...length]),
        Uint8Array.from(content),
      ]);
    }),
  );
}

/** @param {bigint} value @returns {number[]} */
function varintOf(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}
