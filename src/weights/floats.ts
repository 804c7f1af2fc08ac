/**
 * Decoder of one of safetensors' floating-point types, little-endian, at any address. float32 may be a view of `bytes`, so the
 * result must not be written to. Undefined for other types.
 */
export function floatDecoder(dtype: string): ((bytes: Uint8Array) => Float32Array) | undefined {
  switch (dtype) {
    case 'F32':
      return (bytes) => {
        const at = aligned(bytes, 4);
        return new Float32Array(at.buffer, at.byteOffset, at.length / 4);
      };
    case 'F16':
      return (bytes) => fromFloat16(halfWords(bytes));
    case 'BF16':
      return (bytes) => fromBfloat16(halfWords(bytes));
    default:
      return undefined;
  }
}

/** The bytes themselves or, where typed views cannot begin at their address, a copy. */
const aligned = (bytes: Uint8Array, size: number): Uint8Array =>
  bytes.byteOffset % size === 0 ? bytes : bytes.slice();

function halfWords(bytes: Uint8Array): Uint16Array {
  const at = aligned(bytes, 2);
  return new Uint16Array(at.buffer, at.byteOffset, at.length / 2);
}

/** IEEE 754 binary16 to binary32, exact, infinities and NaN included. */
export function fromFloat16(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const sign = (half & 0x8000) << 16;
    const exponent = half & 0x7c00;
    if (exponent === 0)
      values[i] = (half & 0x8000 ? -1 : 1) * (half & 0x3ff) * 2 ** -24; // zero, subnormal
    else if (exponent === 0x7c00) bits[i] = sign | 0x7f800000 | ((half & 0x3ff) << 13);
    else bits[i] = sign | (((half & 0x7fff) << 13) + 0x38000000); // exponent bias 15 -> 127
  }
  return values;
}

/** bfloat16 is the upper half of a float32. */
export function fromBfloat16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
  return new Float32Array(bits.buffer);
}

/** Index of the first infinity or NaN, -1 where there is none. */
export function firstNonFinite(values: Float32Array | Float64Array): number {
  for (let i = 0; i < values.length; i++) if (values[i] - values[i] !== 0) return i;
  return -1;
}
