import { simd } from './simd';

/**
 * The one-dimensional transforms of F(4,3) on the points {0, +-sqrt(1/2), +-sqrt(2), infinity}, whose rounding error is a
 * third of that on {0, +-1, +-2, infinity}, and of F(2,3) on {0, +-sqrt(1/2), infinity}, the last tile of a side where only one
 * or two pixels are left. F(2,3) has four coefficients, numbered 0, 1, 2 and 5: its filter transform is rows 0, 1, 2 and 5
 * of F(4,3)'s times (-2, -3/2, -3/2, 1), and these factors are folded into its data transform, so both share the weights.
 *
 *     F(4,3) data     1    0  -5/2    0    1   0      output  1   1     1    1    1    0
 *                     0   -s    -2  s/2    1   0              0  s/2  -s/2   s   -s    0
 *                     0    s    -2 -s/2    1   0              0  1/2   1/2   2    2    0
 *                     0 -s/2  -1/2    s    1   0              0  s/4  -s/4  2s  -2s    1
 *                     0  s/2  -1/2   -s    1   0
 *                     0    1     0 -5/2    0   1      s = sqrt(2)
 *
 *     F(2,3) data     1     0    -2   0               output  1   1     1    0
 *                     0 -3s/4  -3/2   0                       0  s/2  -s/2   1
 *                     0  3s/4  -3/2   0
 *                     0  -1/2     0   1
 *
 * The coefficients at +p and -p share their even and odd parts.
 */
export class transform {
  /** Data of a tile of 4: six coefficients to `out + step * i`, 3 and 4 (which only tiles of 4 have) `shift` bytes further. */
  @inline
  static data4(
    d0: v128,
    d1: v128,
    d2: v128,
    d3: v128,
    d4: v128,
    d5: v128,
    out: usize,
    step: usize,
    shift: usize,
  ): void {
    const five = f32x4.splat(-2.5);
    const s = f32x4.splat(<f32>Math.SQRT2);
    const half = f32x4.splat(<f32>Math.SQRT1_2);
    const even1 = simd.madd(f32x4.splat(-2), d2, d4);
    const odd1 = simd.madd(f32x4.splat(<f32>-Math.SQRT2), d1, f32x4.mul(half, d3));
    const even2 = simd.madd(f32x4.splat(-0.5), d2, d4);
    const odd2 = simd.madd(f32x4.splat(<f32>-Math.SQRT1_2), d1, f32x4.mul(s, d3));
    v128.store(out, f32x4.add(simd.madd(five, d2, d0), d4));
    v128.store(out + step, f32x4.add(even1, odd1));
    v128.store(out + 2 * step, f32x4.sub(even1, odd1));
    v128.store(out + 3 * step + shift, f32x4.add(even2, odd2));
    v128.store(out + 4 * step + shift, f32x4.sub(even2, odd2));
    v128.store(out + 5 * step, f32x4.add(simd.madd(five, d3, d1), d5));
  }

  /** Data of a tile of 2: coefficients 0, 1, 2, 5 to `out + step * i`. */
  @inline
  static data2(d0: v128, d1: v128, d2: v128, d3: v128, out: usize, step: usize): void {
    const even = f32x4.mul(f32x4.splat(-1.5), d2);
    const odd = f32x4.mul(f32x4.splat(<f32>(-1.5 * Math.SQRT1_2)), d1);
    v128.store(out, simd.madd(f32x4.splat(-2), d2, d0));
    v128.store(out + step, f32x4.add(even, odd));
    v128.store(out + 2 * step, f32x4.sub(even, odd));
    v128.store(out + 5 * step, simd.madd(f32x4.splat(-0.5), d1, d3));
  }

  /** Rows of the output transforms. p, q: sum and difference of coefficients 1 and 2; r, t: of 3 and 4. */
  @inline
  static output0(m0: v128, p: v128, r: v128): v128 {
    return f32x4.add(f32x4.add(m0, p), r);
  }

  @inline
  static output1(q: v128, t: v128): v128 {
    return simd.madd(f32x4.splat(<f32>Math.SQRT1_2), q, f32x4.mul(f32x4.splat(<f32>Math.SQRT2), t));
  }

  @inline
  static output2(p: v128, r: v128): v128 {
    return simd.madd(f32x4.splat(0.5), p, f32x4.add(r, r));
  }

  @inline
  static output3(q: v128, t: v128, m5: v128): v128 {
    const low = simd.madd(f32x4.splat(<f32>(0.5 * Math.SQRT1_2)), q, m5);
    return simd.madd(f32x4.splat(<f32>(2 * Math.SQRT2)), t, low);
  }

  /** Second output of a tile of 2; the first is m0 + p. */
  @inline
  static outputLast2(q: v128, m5: v128): v128 {
    return simd.madd(f32x4.splat(<f32>Math.SQRT1_2), q, m5);
  }
}
