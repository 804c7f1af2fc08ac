import { sizeFrom } from '../base/shape.js';
import { decodeInPlace, type FloatType, floatBytes, isFloatType, upperHalf } from './floats.js';
import { type ByteSource, badWeights, quote } from './source.js';
import type { RawTensor } from './tensor.js';

/** An opened file of named tensors, whatever its format. */
export interface TensorFile {
  /** The file, for messages. */
  readonly source: string;
  readonly tensors: ReadonlyMap<string, RawTensor>;
  /** Text beside the tensors, by name; `labels` and `preprocessing` are ours. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** A tensor that must be there. */
export function requiredTensor({ source, tensors }: TensorFile, name: string): RawTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw badWeights(source, `expected a tensor ${quote(name)}, got none among ${tensors.size} tensors`);
  return tensor;
}

/** A tensor whose elements lie in the file one after the other, little-endian; read when asked for. */
export class StoredTensor implements RawTensor {
  readonly readHalves?: (first: number, target: Uint16Array) => Promise<void>;

  /** `offset` is where its bytes begin; the caller has checked that they are all there. */
  constructor(
    private readonly source: ByteSource,
    readonly name: string,
    readonly dtype: string,
    readonly shape: readonly number[],
    private readonly offset: number,
  ) {
    if (dtype === 'F16') this.readHalves = (first, target) => this.fill('F16', first, bytesOf(target));
  }

  async readRows(first: number, target: Float32Array): Promise<void> {
    const { dtype } = this;
    if (!isFloatType(dtype))
      throw badWeights(
        this.source.name,
        `tensor ${quote(this.name)}: expected F32, F64, F16 or BF16, got ${quote(dtype)}`,
      );
    if (dtype === 'F64') {
      const wide = new Float64Array(target.length);
      await this.fill(dtype, first, bytesOf(wide));
      target.set(wide);
      return;
    }
    await this.fill(dtype, first, bytesOf(dtype === 'F32' ? target : upperHalf(target)));
    decodeInPlace(dtype, target);
  }

  private fill(dtype: FloatType, first: number, target: Uint8Array): Promise<void> {
    const row = floatBytes[dtype] * sizeFrom(this.shape, 1);
    return this.source.fill(this.offset + first * row, target);
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
