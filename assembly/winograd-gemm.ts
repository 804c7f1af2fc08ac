/** Rows (tiles) of a register tile and of a panel of V: 6 x 8 with fused multiply-add, 5 x 8 without, which needs one register for the product. */
export const MR: usize = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;

class simd {
  /** a * b + c, rounded once where the instruction set has it. */
  @inline
  static madd(a: v128, b: v128, c: v128): v128 {
    return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, c) : f32x4.add(c, f32x4.mul(a, b));
  }
}

/** Columns 0..7 of 5 rows: a walks from one panel's start to its end, b along the strip. */
function multiply5x8(a: usize, end: usize, b: usize, c: usize, ldc: usize): void {
  let s: v128;
  let b0: v128;
  let b1: v128;
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0);
  let c41 = f32x4.splat(0);
  while (a < end) {
    b0 = v128.load(b, 0);
    b1 = v128.load(b, 16);
    s = v128.load32_splat(a, 0);
    c00 = simd.madd(s, b0, c00);
    c01 = simd.madd(s, b1, c01);
    s = v128.load32_splat(a, 16);
    c10 = simd.madd(s, b0, c10);
    c11 = simd.madd(s, b1, c11);
    s = v128.load32_splat(a, 32);
    c20 = simd.madd(s, b0, c20);
    c21 = simd.madd(s, b1, c21);
    s = v128.load32_splat(a, 48);
    c30 = simd.madd(s, b0, c30);
    c31 = simd.madd(s, b1, c31);
    s = v128.load32_splat(a, 64);
    c40 = simd.madd(s, b0, c40);
    c41 = simd.madd(s, b1, c41);
    b0 = v128.load(b, 32);
    b1 = v128.load(b, 48);
    s = v128.load32_splat(a, 4);
    c00 = simd.madd(s, b0, c00);
    c01 = simd.madd(s, b1, c01);
    s = v128.load32_splat(a, 20);
    c10 = simd.madd(s, b0, c10);
    c11 = simd.madd(s, b1, c11);
    s = v128.load32_splat(a, 36);
    c20 = simd.madd(s, b0, c20);
    c21 = simd.madd(s, b1, c21);
    s = v128.load32_splat(a, 52);
    c30 = simd.madd(s, b0, c30);
    c31 = simd.madd(s, b1, c31);
    s = v128.load32_splat(a, 68);
    c40 = simd.madd(s, b0, c40);
    c41 = simd.madd(s, b1, c41);
    b0 = v128.load(b, 64);
    b1 = v128.load(b, 80);
    s = v128.load32_splat(a, 8);
    c00 = simd.madd(s, b0, c00);
    c01 = simd.madd(s, b1, c01);
    s = v128.load32_splat(a, 24);
    c10 = simd.madd(s, b0, c10);
    c11 = simd.madd(s, b1, c11);
    s = v128.load32_splat(a, 40);
    c20 = simd.madd(s, b0, c20);
    c21 = simd.madd(s, b1, c21);
    s = v128.load32_splat(a, 56);
    c30 = simd.madd(s, b0, c30);
    c31 = simd.madd(s, b1, c31);
    s = v128.load32_splat(a, 72);
    c40 = simd.madd(s, b0, c40);
    c41 = simd.madd(s, b1, c41);
    b0 = v128.load(b, 96);
    b1 = v128.load(b, 112);
    s = v128.load32_splat(a, 12);
    c00 = simd.madd(s, b0, c00);
    c01 = simd.madd(s, b1, c01);
    s = v128.load32_splat(a, 28);
    c10 = simd.madd(s, b0, c10);
    c11 = simd.madd(s, b1, c11);
    s = v128.load32_splat(a, 44);
    c20 = simd.madd(s, b0, c20);
    c21 = simd.madd(s, b1, c21);
    s = v128.load32_splat(a, 60);
    c30 = simd.madd(s, b0, c30);
    c31 = simd.madd(s, b1, c31);
    s = v128.load32_splat(a, 76);
    c40 = simd.madd(s, b0, c40);
    c41 = simd.madd(s, b1, c41);
    a += 80;
    b += 128;
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  c += ldc;
  v128.store(c, c10);
  v128.store(c, c11, 16);
  c += ldc;
  v128.store(c, c20);
  v128.store(c, c21, 16);
  c += ldc;
  v128.store(c, c30);
  v128.store(c, c31, 16);
  c += ldc;
  v128.store(c, c40);
  v128.store(c, c41, 16);
}

/** Columns 0..7 of 6 rows: a walks from one panel's start to its end, b along the strip. */
function multiply6x8(a: usize, end: usize, b: usize, c: usize, ldc: usize): void {
  let s: v128;
  let b0: v128;
  let b1: v128;
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0);
  let c41 = f32x4.splat(0);
  let c50 = f32x4.splat(0);
  let c51 = f32x4.splat(0);
  while (a < end) {
    b0 = v128.load(b, 0);
    b1 = v128.load(b, 16);
    s = v128.load32_splat(a, 0);
    c00 = simd.madd(s, b0, c00);
    c01 = simd.madd(s, b1, c01);
    s = v128.load32_splat(a, 16);
    c10 = simd.madd(s, b0, c10);
    c11 = simd.madd(s, b1, c11);
    s = v128.load32_splat(a, 32);
    c20 = simd.madd(s, b0, c20);
    c21 = simd.madd(s, b1, c21);
    s = v128.load32_splat(a, 48);
    c30 = simd.madd(s, b0, c30);
    c31 = simd.madd(s, b1, c31);
    s = v128.load32_splat(a, 64);
    c40 = simd.madd(s, b0, c40);
    c41 = simd.madd(s, b1, c41);
    s = v128.load32_splat(a, 80);
    c50 = simd.madd(s, b0, c50);
    c51 = simd.madd(s, b1, c51);
    b0 = v128.load(b, 32);
    b1 = v128.load(b, 48);
    s = v128.load32_splat(a, 4);
    c00 = simd.madd(s, b0, c00);
    c01 = simd.madd(s, b1, c01);
    s = v128.load32_splat(a, 20);
    c10 = simd.madd(s, b0, c10);
    c11 = simd.madd(s, b1, c11);
    s = v128.load32_splat(a, 36);
    c20 = simd.madd(s, b0, c20);
    c21 = simd.madd(s, b1, c21);
    s = v128.load32_splat(a, 52);
    c30 = simd.madd(s, b0, c30);
    c31 = simd.madd(s, b1, c31);
    s = v128.load32_splat(a, 68);
    c40 = simd.madd(s, b0, c40);
    c41 = simd.madd(s, b1, c41);
    s = v128.load32_splat(a, 84);
    c50 = simd.madd(s, b0, c50);
    c51 = simd.madd(s, b1, c51);
    b0 = v128.load(b, 64);
    b1 = v128.load(b, 80);
    s = v128.load32_splat(a, 8);
    c00 = simd.madd(s, b0, c00);
    c01 = simd.madd(s, b1, c01);
    s = v128.load32_splat(a, 24);
    c10 = simd.madd(s, b0, c10);
    c11 = simd.madd(s, b1, c11);
    s = v128.load32_splat(a, 40);
    c20 = simd.madd(s, b0, c20);
    c21 = simd.madd(s, b1, c21);
    s = v128.load32_splat(a, 56);
    c30 = simd.madd(s, b0, c30);
    c31 = simd.madd(s, b1, c31);
    s = v128.load32_splat(a, 72);
    c40 = simd.madd(s, b0, c40);
    c41 = simd.madd(s, b1, c41);
    s = v128.load32_splat(a, 88);
    c50 = simd.madd(s, b0, c50);
    c51 = simd.madd(s, b1, c51);
    b0 = v128.load(b, 96);
    b1 = v128.load(b, 112);
    s = v128.load32_splat(a, 12);
    c00 = simd.madd(s, b0, c00);
    c01 = simd.madd(s, b1, c01);
    s = v128.load32_splat(a, 28);
    c10 = simd.madd(s, b0, c10);
    c11 = simd.madd(s, b1, c11);
    s = v128.load32_splat(a, 44);
    c20 = simd.madd(s, b0, c20);
    c21 = simd.madd(s, b1, c21);
    s = v128.load32_splat(a, 60);
    c30 = simd.madd(s, b0, c30);
    c31 = simd.madd(s, b1, c31);
    s = v128.load32_splat(a, 76);
    c40 = simd.madd(s, b0, c40);
    c41 = simd.madd(s, b1, c41);
    s = v128.load32_splat(a, 92);
    c50 = simd.madd(s, b0, c50);
    c51 = simd.madd(s, b1, c51);
    a += 96;
    b += 128;
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  c += ldc;
  v128.store(c, c10);
  v128.store(c, c11, 16);
  c += ldc;
  v128.store(c, c20);
  v128.store(c, c21, 16);
  c += ldc;
  v128.store(c, c30);
  v128.store(c, c31, 16);
  c += ldc;
  v128.store(c, c40);
  v128.store(c, c41, 16);
  c += ldc;
  v128.store(c, c50);
  v128.store(c, c51, 16);
}

/**
 * C = A B for one strip of 8 columns.
 * a: panels of MR rows, each (k / 4, MR, 4); b: (k, 8); c: (MR * panels, ldc bytes a row), overwritten.
 */
export function multiplyStrip(a: usize, panels: usize, b: usize, c: usize, k: usize, ldc: usize): void {
  const panel = k * MR * 4;
  for (let i: usize = 0; i < panels; i++) {
    if (ASC_FEATURE_RELAXED_SIMD) multiply6x8(a, a + panel, b, c, ldc);
    else multiply5x8(a, a + panel, b, c, ldc);
    a += panel;
    c += MR * ldc;
  }
}
