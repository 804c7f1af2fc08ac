import { simd } from './simd';

/**
 * The one-dimensional transforms of F(6,3) on the points {0, +-1, +-2, +-1/2, infinity}, and of the edges of its sides, which share its
 * transformed weights: F(4,3) on {0, +-2, +-1/2, infinity}, coefficients 0 and 3 to 7, and F(2,3) on {0, +-1, infinity}, coefficients
 * 0, 1, 2 and 7. As in winograd-transform.ts, what their filter transforms differ by is folded into their data transforms. Rows are scaled
 * by powers of two, which costs no bits, so that coefficients share factors.
 *
 *     F(6,3) data     1   0 -21/4    0  21/4    0  -1   0      output  1   1   1   1   1  32  32   0
 *                     0   1     1 -17/4 -17/4   1   1   0              0   1  -1   2  -2  16 -16   0
 *                     0  -1     1  17/4 -17/4  -1   1   0              0   1   1   4   4   8   8   0
 *                     0 1/2   1/4 -5/2  -5/4    2   1   0              0   1  -1   8  -8   4  -4   0
 *                     0 -1/2  1/4  5/2  -5/4   -2   1   0              0   1   1  16  16   2   2   0
 *                     0 1/2     1 -5/8  -5/4  1/8 1/4   0              0   1  -1  32 -32   1  -1   1
 *                     0 -1/2    1  5/8  -5/4 -1/8 1/4   0
 *                     0  -1     0 21/4     0 -21/4  0   1
 *
 *     F(4,3) data     1     0 -17/4     0     1   0            output: rows 0 to 3 of columns 0, 3 to 6, and 7
 *                     0  -3/2  -3/4     6     3   0
 *                     0   3/2  -3/4    -6     3   0
 *                     0   3/8   3/4 -3/32 -3/16   0
 *                     0  -3/8   3/4  3/32 -3/16   0
 *                     0     1     0 -17/4     0   1
 *
 *     F(2,3) data     1    0   -1  0                           output: rows 0 and 1 of columns 0 to 2, and 7
 *                     0 -9/4 -9/4  0
 *                     0  9/4 -9/4  0
 *                     0   -1    0  1
 */
export class wide {
  /** Data of a tile of 6: coefficient i to `v<i>`. */
  @inline
  static data6(
    d0: v128,
    d1: v128,
    d2: v128,
    d3: v128,
    d4: v128,
    d5: v128,
    d6: v128,
    d7: v128,
    v0: usize,
    v1: usize,
    v2: usize,
    v3: usize,
    v4: usize,
    v5: usize,
    v6: usize,
    v7: usize,
  ): void {
    const outer = f32x4.splat(5.25);
    const inner = f32x4.splat(-4.25);
    const quarter = f32x4.splat(0.25);
    const middle = f32x4.splat(-1.25);
    v128.store(v0, simd.madd(outer, f32x4.sub(d4, d2), f32x4.sub(d0, d6)));
    v128.store(v7, simd.madd(outer, f32x4.sub(d3, d5), f32x4.sub(d7, d1)));
    const even1 = simd.madd(inner, d4, f32x4.add(d2, d6));
    const odd1 = simd.madd(inner, d3, f32x4.add(d1, d5));
    v128.store(v1, f32x4.add(even1, odd1));
    v128.store(v2, f32x4.sub(even1, odd1));
    const even2 = simd.madd(middle, d4, simd.madd(quarter, d2, d6));
    const odd2 = simd.madd(middle, d3, simd.madd(quarter, d1, d5));
    v128.store(v3, simd.madd(f32x4.splat(2), odd2, even2));
    v128.store(v4, simd.madd(f32x4.splat(-2), odd2, even2));
    const even3 = simd.madd(middle, d4, simd.madd(quarter, d6, d2));
    const odd3 = simd.madd(middle, d3, simd.madd(quarter, d5, d1));
    v128.store(v5, simd.madd(f32x4.splat(0.5), odd3, even3));
    v128.store(v6, simd.madd(f32x4.splat(-0.5), odd3, even3));
  }

  /** Data of an edge of 4: coefficients to `v + next * i`. */
  @inline
  static data4(d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128, v: usize, next: usize): void {
    const inner = f32x4.splat(-4.25);
    v128.store(v, simd.madd(inner, d2, f32x4.add(d0, d4)));
    v128.store(v + 7 * next, simd.madd(inner, d3, f32x4.add(d1, d5)));
    const even2 = simd.madd(f32x4.splat(-0.75), d2, f32x4.mul(f32x4.splat(3), d4));
    const odd2 = simd.madd(f32x4.splat(-1.5), d1, f32x4.mul(f32x4.splat(6), d3));
    v128.store(v + 3 * next, f32x4.add(even2, odd2));
    v128.store(v + 4 * next, f32x4.sub(even2, odd2));
    const even3 = simd.madd(f32x4.splat(0.75), d2, f32x4.mul(f32x4.splat(-0.1875), d4));
    const odd3 = simd.madd(f32x4.splat(0.375), d1, f32x4.mul(f32x4.splat(-0.09375), d3));
    v128.store(v + 5 * next, f32x4.add(even3, odd3));
    v128.store(v + 6 * next, f32x4.sub(even3, odd3));
  }

  /** Data of an edge of 2. */
  @inline
  static data2(d0: v128, d1: v128, d2: v128, d3: v128, v: usize, next: usize): void {
    const even = f32x4.mul(f32x4.splat(-2.25), d2);
    const odd = f32x4.mul(f32x4.splat(-2.25), d1);
    v128.store(v, f32x4.sub(d0, d2));
    v128.store(v + next, f32x4.add(even, odd));
    v128.store(v + 2 * next, f32x4.sub(even, odd));
    v128.store(v + 7 * next, f32x4.sub(d3, d1));
  }

  /** a + kb b + kc c: an output, of the sums (even ones) or differences of coefficients 1 and 2, 3 and 4, 5 and 6. */
  @inline
  static output(a: v128, kb: f32, b: v128, kc: f32, c: v128): v128 {
    return simd.madd(f32x4.splat(kc), c, simd.madd(f32x4.splat(kb), b, a));
  }
}
