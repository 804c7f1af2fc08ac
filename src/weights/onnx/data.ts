import { sizeFrom } from '../../base/shape.js';
import { decodeInPlace, type FloatType, floatBytes, isFloatType, upperHalf } from '../floats.js';
import type { Field, ProtobufReader } from '../protobuf.js';
import { type ByteSource, badWeights, quote } from '../source.js';
import type { RawTensor } from '../tensor.js';
import { StoredTensor } from '../tensor-file.js';
import type { Siblings } from './siblings.js';

/** Whole numbers and truth values; floating-point types are by safetensors' names. */
type WholeType = 'I8' | 'U8' | 'I16' | 'U16' | 'I32' | 'U32' | 'I64' | 'U64' | 'BOOL';
export type ElementType = FloatType | WholeType;

/** TensorProto.DataType. */
export const elementTypes: ReadonlyMap<number, ElementType> = new Map<number, ElementType>([
  [1, 'F32'],
  [2, 'U8'],
  [3, 'I8'],
  [4, 'U16'],
  [5, 'I16'],
  [6, 'I32'],
  [7, 'I64'],
  [9, 'BOOL'],
  [10, 'F16'],
  [11, 'F64'],
  [12, 'U32'],
  [13, 'U64'],
  [16, 'BF16'],
]);

const wholeBytes: Record<WholeType, number> = { I8: 1, U8: 1, BOOL: 1, I16: 2, U16: 2, I32: 4, U32: 4, I64: 8, U64: 8 };
const bytesOf = (dtype: ElementType): number => (isFloatType(dtype) ? floatBytes[dtype] : wholeBytes[dtype]);

/** Elements of the largest tensor: 2 GiB of float32. */
const largestTensor = 2 ** 29;
/** Elements that are read as float64: shapes, vectors and what else a graph computes with, never a large kernel. */
export const largestVector = 2 ** 20;

/** An array of the file; only its place is known, its numbers are read when asked for. */
export interface OnnxTensor {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  /** The array as weights are read, block by block; only for floating-point types. */
  readonly raw?: RawTensor;
  /** All numbers in float64, of at most `largestVector` elements. */
  numbers(): Promise<Float64Array>;
  /** The same numbers with other dimensions; as many. */
  as(shape: readonly number[]): OnnxTensor;
}

/** Numbers of TensorProto's fields (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). */
const fields = { dims: 1, type: 2, name: 8, raw: 9, external: 13, location: 14 };
/** Where each type's numbers are, where they are not raw. */
const typed: Partial<Record<number, readonly ElementType[]>> = {
  4: ['F32'],
  5: ['F16', 'BF16', 'I8', 'U8', 'I16', 'U16', 'I32', 'BOOL'],
  7: ['I64'],
  10: ['F64'],
  11: ['U32', 'U64'],
};
const ignored = [12, 16]; // texts for people

/** Reads what a TensorProto says of its array, and checks that the numbers are all there. */
export async function readTensor(
  reader: ProtobufReader,
  { offset, size }: Field,
  siblings: Siblings,
): Promise<OnnxTensor> {
  const { source } = reader;
  const shape: number[] = [];
  const data: Field[] = [];
  const external = new Map<string, string>();
  let [name, type, location] = ['', 0, 0];
  for await (const field of reader.fields(offset, offset + size)) {
    const { number } = field;
    if (number === fields.dims) shape.push(...(await reader.numbers(field, 16)));
    else if (number === fields.type) type = field.value;
    else if (number === fields.name) name = await reader.text(field);
    else if (number === fields.location) location = field.value;
    else if (number === fields.external && external.size < 8) external.set(...(await reader.entry(field)));
    else if ((number === fields.raw || typed[number]) && data.length < 2) data.push(field);
    else if (!ignored.includes(number))
      throw badWeights(source.name, `tensor ${quote(name)}: ONNX field ${number} is not known; save it in one piece`);
    if (shape.length > 16) break;
  }
  const bad = (message: string) => badWeights(source.name, `tensor ${quote(name)}: ${message}`);
  const dtype = elementTypes.get(type);
  if (!dtype)
    throw bad(`ONNX type ${type} is not read, only floating-point numbers of 16 to 64 bits and whole numbers`);
  const elements = sizeFrom(shape, 0);
  if (shape.length > 16 || shape.some((side) => side < 0) || !(elements <= largestTensor))
    throw bad(`expected at most ${largestTensor} elements, got shape [${shape.slice(0, 16).join(', ')}]`);
  const about = { name, dtype, shape };
  if (location === 1 || external.size > 0) {
    const place = await siblings.place(name, external, elements * bytesOf(dtype));
    return storedTensor(place.source, place.offset, about);
  }
  const [field] = data;
  if (elements === 0) return emptyTensor(about);
  if (data.length !== 1 || field.wire !== 2) throw bad('expected its numbers in one piece');
  if (field.number !== fields.raw && !typed[field.number]!.includes(dtype))
    throw bad('its numbers are not where its type says');
  const inVarints = [5, 7, 11].includes(field.number);
  if (inVarints) return tensorInVarints(reader, field, about);
  const expected = elements * bytesOf(dtype);
  if (field.size !== expected) throw bad(`expected ${expected} bytes for ${dtype} [${shape}], got ${field.size}`);
  return storedTensor(source, field.offset, about);
}

type About = Pick<OnnxTensor, 'name' | 'dtype' | 'shape'>;

function checkSmall(source: ByteSource, { name, shape }: About): void {
  if (sizeFrom(shape, 0) > largestVector)
    throw badWeights(
      source.name,
      `tensor ${quote(name)}: the graph computes with [${shape.join(', ')}] numbers, more than the ${largestVector} that are folded; simplify the model (onnxsim)`,
    );
}

const emptyTensor = (about: About): OnnxTensor => ({
  ...about,
  numbers: async () => new Float64Array(0),
  as: (shape) => emptyTensor({ ...about, shape }),
});

/** An array whose elements lie one after the other. */
function storedTensor(source: ByteSource, offset: number, about: About): OnnxTensor {
  const { name, dtype, shape } = about;
  const elements = sizeFrom(shape, 0);
  return {
    ...about,
    ...(isFloatType(dtype) && { raw: new StoredTensor(source, name, dtype, shape, offset) }),
    async numbers() {
      checkSmall(source, about);
      const bytes = new Uint8Array(elements * bytesOf(dtype));
      await source.fill(offset, bytes);
      return decode(bytes, dtype, elements);
    },
    as: (other) => storedTensor(source, offset, { ...about, shape: other }),
  };
}

/** Little-endian bytes, at the start of their buffer, as float64. */
function decode({ buffer }: Uint8Array<ArrayBuffer>, dtype: ElementType, elements: number): Float64Array {
  switch (dtype) {
    case 'F64':
      return new Float64Array(buffer);
    case 'F32':
      return Float64Array.from(new Float32Array(buffer));
    case 'F16':
    case 'BF16': {
      const values = new Float32Array(elements);
      upperHalf(values).set(new Uint16Array(buffer));
      decodeInPlace(dtype, values);
      return Float64Array.from(values);
    }
    case 'I64':
      return Float64Array.from(new BigInt64Array(buffer), Number);
    case 'U64':
      return Float64Array.from(new BigUint64Array(buffer), Number);
    case 'I32':
      return Float64Array.from(new Int32Array(buffer));
    case 'U32':
      return Float64Array.from(new Uint32Array(buffer));
    case 'I16':
      return Float64Array.from(new Int16Array(buffer));
    case 'U16':
      return Float64Array.from(new Uint16Array(buffer));
    case 'I8':
      return Float64Array.from(new Int8Array(buffer));
    default:
      return Float64Array.from(new Uint8Array(buffer));
  }
}

/** Numbers that are kept as varints of one byte or more: found only by reading all of them, once. Halves are kept by their bits. */
function tensorInVarints(reader: ProtobufReader, field: Field, about: About): OnnxTensor {
  const { name, dtype, shape } = about;
  const elements = sizeFrom(shape, 0);
  const bad = (message: string) => badWeights(reader.source.name, `tensor ${quote(name)}: ${message}`);
  if (field.size < elements) throw bad('its numbers are not where its type says');
  const unpack = async <Target extends Uint16Array | Float64Array>(target: Target) => {
    const count = await reader.unpack(field, target);
    if (count !== elements) throw bad(`expected ${elements} numbers, got ${count}`);
    return target;
  };
  const as = (other: readonly number[]) => tensorInVarints(reader, field, { ...about, shape: other });
  if (dtype !== 'F16' && dtype !== 'BF16')
    return {
      ...about,
      as,
      async numbers() {
        checkSmall(reader.source, about);
        return unpack(new Float64Array(elements));
      },
    };
  let all: Promise<Uint16Array> | undefined;
  const readRows: RawTensor['readRows'] = async (first, target) => {
    all ??= unpack(new Uint16Array(elements));
    const row = sizeFrom(shape, 1);
    upperHalf(target).set((await all).subarray(first * row, first * row + target.length));
    decodeInPlace(dtype, target);
  };
  return {
    ...about,
    as,
    raw: { name, shape, readRows },
    async numbers() {
      checkSmall(reader.source, about);
      const values = new Float32Array(elements);
      await readRows(0, values);
      return Float64Array.from(values);
    },
  };
}
