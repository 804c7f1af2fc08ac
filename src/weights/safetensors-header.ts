import { sizeFrom } from '../base/shape.js';
/** What a safetensors file says of a tensor. */
export interface TensorHeader {
  readonly name: string;
  readonly dtype: 'F16' | 'F32';
  readonly shape: readonly number[];
}

/**
 * The header of a safetensors file whose tensors follow in this order without a gap, filled up with spaces so that the data begin at
 * a multiple of 8. Metadata are text.
 */
export function safetensorsHeader(
  tensors: readonly TensorHeader[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  let end = 0;
  const about = tensors.map(({ name, dtype, shape }): [string, unknown] => {
    const begin = end;
    end += (dtype === 'F16' ? 2 : 4) * sizeFrom(shape);
    return [name, { dtype, shape, data_offsets: [begin, end] }];
  });
  const text = new TextEncoder().encode(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(about) }));
  const bytes = new Uint8Array(8 * Math.ceil((8 + text.length) / 8)).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(text, 8);
  return bytes;
}
