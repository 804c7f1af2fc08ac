import { simd } from './simd';

/** Rows of c: floats of a step of a. Columns of c are `COLUMNS` of tile.ts. */
export const QUAD: i32 = 4;

/**
 * c (4, 8) = the sum over p of a(p)' b(p), with a (p, 4) and b (p, 8): the product of a gradient, whose depth is the pixels. p runs
 * over `rows` rows of `n` steps; between rows, `skip` bytes of a are left out. b is dense; c's rows lie `ldc` bytes apart.
 * `add` adds to c what the registers summed from zero, so that long sums are sums of blocks and round less.
 *
 * A step needs 4 + 2 + 8 registers and one for products, as in winograd-gemm.ts, and is not unrolled for the reason given there.
 */
export function outerProduct(
  a: usize,
  skip: usize,
  rows: i32,
  n: i32,
  b: usize,
  c: usize,
  ldc: usize,
  add: bool,
): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  for (; rows > 0; rows--) {
    const end = a + 16 * <usize>n;
    do {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      const a0 = v128.load32_splat(a);
      c00 = simd.madd(a0, b0, c00);
      c01 = simd.madd(a0, b1, c01);
      const a1 = v128.load32_splat(a, 4);
      c10 = simd.madd(a1, b0, c10);
      c11 = simd.madd(a1, b1, c11);
      const a2 = v128.load32_splat(a, 8);
      c20 = simd.madd(a2, b0, c20);
      c21 = simd.madd(a2, b1, c21);
      const a3 = v128.load32_splat(a, 12);
      c30 = simd.madd(a3, b0, c30);
      c31 = simd.madd(a3, b1, c31);
      a += 16;
      b += 32;
    } while (a < end);
    a += skip;
  }
  row.write(c, c00, c01, add);
  row.write(c + ldc, c10, c11, add);
  row.write(c + 2 * ldc, c20, c21, add);
  row.write(c + 3 * ldc, c30, c31, add);
}

class row {
  @inline
  static write(c: usize, low: v128, high: v128, add: bool): void {
    v128.store(c, add ? f32x4.add(v128.load(c), low) : low);
    v128.store(c, add ? f32x4.add(v128.load(c, 16), high) : high, 16);
  }
}
