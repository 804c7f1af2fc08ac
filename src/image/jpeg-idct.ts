/**
 * Inverse cosine transforms as libjpeg's (jidctint.c and jidctred.c, "slow integer"), bit for bit: blocks of 8x8 coefficients to 8x8, 4x4,
 * 2x2 or 1x1 samples. Constants have 13 fractional bits, the first pass keeps 2.
 *
 * @param block 64 coefficients, row by row, multiplied by their quantisation
 * @param out the component's samples; the block's first one is at `at`
 */
export type Inverse = (block: Int32Array, out: Uint8Array, at: number, stride: number) => void;

/** By samples a side. */
export const inverses: Readonly<Record<number, Inverse>> = { 8: inverse8, 4: inverse4, 2: inverse2, 1: inverse1 };

const work = new Int32Array(64);

const sample = (value: number): number => (value < -128 ? 0 : value > 127 ? 255 : value + 128);

function inverse1(block: Int32Array, out: Uint8Array, at: number): void {
  out[at] = sample((block[0] + 4) >> 3);
}

function inverse8(block: Int32Array, out: Uint8Array, at: number, stride: number): void {
  for (let i = 0; i < 8; i++) {
    if (
      (block[i + 8] | block[i + 16] | block[i + 24] | block[i + 32] | block[i + 40] | block[i + 48] | block[i + 56]) ===
      0
    ) {
      const value = block[i] << 2;
      for (let k = i; k < 64; k += 8) work[k] = value;
    } else transform8(block, i, 8, work, i, 8, 11, false);
  }
  for (let row = 0; row < 8; row++) transform8(work, 8 * row, 1, out, at + row * stride, 1, 18, true);
}

/** One pass over eight numbers, `step` apart. */
function transform8(
  from: Int32Array,
  i: number,
  step: number,
  to: Int32Array | Uint8Array,
  k: number,
  next: number,
  shift: number,
  final: boolean,
): void {
  const [in1, in3, in5, in7] = [from[i + step], from[i + 3 * step], from[i + 5 * step], from[i + 7 * step]];
  const z2 = from[i + 2 * step];
  const z3 = from[i + 6 * step];
  const z1 = (z2 + z3) * 4433;
  const even2 = z1 - z3 * 15137;
  const even3 = z1 + z2 * 6270;
  const even0 = (from[i] + from[i + 4 * step]) << 13;
  const even1 = (from[i] - from[i + 4 * step]) << 13;
  const z5 = (in7 + in3 + in5 + in1) * 9633;
  const y1 = (in7 + in1) * -7373;
  const y2 = (in5 + in3) * -20995;
  const y3 = (in7 + in3) * -16069 + z5;
  const y4 = (in5 + in1) * -3196 + z5;
  const odd0 = in7 * 2446 + y1 + y3;
  const odd1 = in5 * 16819 + y2 + y4;
  const odd2 = in3 * 25172 + y2 + y3;
  const odd3 = in1 * 12299 + y1 + y4;
  const half = 1 << (shift - 1);
  const a = even0 + even3 + half;
  const b = even1 + even2 + half;
  const c = even1 - even2 + half;
  const d = even0 - even3 + half;
  const v0 = (a + odd3) >> shift;
  const v1 = (b + odd2) >> shift;
  const v2 = (c + odd1) >> shift;
  const v3 = (d + odd0) >> shift;
  const v4 = (d - odd0) >> shift;
  const v5 = (c - odd1) >> shift;
  const v6 = (b - odd2) >> shift;
  const v7 = (a - odd3) >> shift;
  to[k] = final ? sample(v0) : v0;
  to[k + next] = final ? sample(v1) : v1;
  to[k + 2 * next] = final ? sample(v2) : v2;
  to[k + 3 * next] = final ? sample(v3) : v3;
  to[k + 4 * next] = final ? sample(v4) : v4;
  to[k + 5 * next] = final ? sample(v5) : v5;
  to[k + 6 * next] = final ? sample(v6) : v6;
  to[k + 7 * next] = final ? sample(v7) : v7;
}

function inverse4(block: Int32Array, out: Uint8Array, at: number, stride: number): void {
  const four = (from: Int32Array, i: number, step: number, shift: number, put: (k: number, value: number) => void) => {
    const even0 = from[i] << 14;
    const even2 = from[i + 2 * step] * 15137 - from[i + 6 * step] * 6270;
    const [in1, in3, in5, in7] = [from[i + step], from[i + 3 * step], from[i + 5 * step], from[i + 7 * step]];
    const odd0 = in7 * -1730 + in5 * 11893 + in3 * -17799 + in1 * 8697;
    const odd2 = in7 * -4176 + in5 * -4926 + in3 * 7373 + in1 * 20995;
    const half = 1 << (shift - 1);
    put(0, (even0 + even2 + odd2 + half) >> shift);
    put(1, (even0 - even2 + odd0 + half) >> shift);
    put(2, (even0 - even2 - odd0 + half) >> shift);
    put(3, (even0 + even2 - odd2 + half) >> shift);
  };
  for (let i = 0; i < 8; i++)
    if (i !== 4)
      four(block, i, 8, 12, (k, value) => {
        work[8 * k + i] = value;
      });
  for (let row = 0; row < 4; row++)
    four(work, 8 * row, 1, 19, (k, value) => {
      out[at + row * stride + k] = sample(value);
    });
}

function inverse2(block: Int32Array, out: Uint8Array, at: number, stride: number): void {
  const odd = (from: Int32Array, i: number, step: number) =>
    from[i + 7 * step] * -5906 + from[i + 5 * step] * 6967 + from[i + 3 * step] * -10426 + from[i + step] * 29692;
  for (const i of [0, 1, 3, 5, 7]) {
    const [even, other] = [block[i] << 15, odd(block, i, 8)];
    work[i] = (even + other + 4096) >> 13;
    work[8 + i] = (even - other + 4096) >> 13;
  }
  for (let row = 0; row < 2; row++) {
    const [even, other] = [work[8 * row] << 15, odd(work, 8 * row, 1)];
    const half = 1 << 19;
    out[at + row * stride] = sample((even + other + half) >> 20);
    out[at + row * stride + 1] = sample((even - other + half) >> 20);
  }
}
