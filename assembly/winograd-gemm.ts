import { simd } from './simd';

/** Rows (tiles) of a register tile and of a panel of v. */
export const PANEL: usize = 4;

/** Channels of a block of v: what the transforms take at a time. */
export const BLOCK: usize = 64;

/**
 * Four rows times eight columns. a: a panel (k / 64, 4, 64); b: (k, 8); c: 4 rows, `ldc` bytes apart, overwritten.
 *
 * V8 moves all loads of a step before its arithmetic, so a step needs 4 + 2 + 8 registers (and one for products) of the 15
 * that x64 has. 5x8 and 6x8 tiles spill, which puts a store and a load into every accumulator's chain: measured on Zen 3, Node
 * 20, k = 512: 4x8 43 GF/s with fused multiply-add and 31 without, 6x8 20, unrolled by four 33, 5x8 18-19. Unrolling by hand
 * does harm for the same reason; V8 unrolls the loop by itself. The two halves of a row are adjacent and alike, so that its
 * revectoriser makes AVX2 of them (Node 24 with --experimental-wasm-revectorize, without multiply-add: 29 -> 42).
 */
function multiply4x8(a: usize, b: usize, c: usize, k: usize, ldc: usize): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  for (let done: usize = 0; done < k; done += BLOCK) {
    const end = a + min(BLOCK, k - done) * 4;
    do {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      const a0 = v128.load32_splat(a);
      c00 = simd.madd(a0, b0, c00);
      c01 = simd.madd(a0, b1, c01);
      const a1 = v128.load32_splat(a, 256);
      c10 = simd.madd(a1, b0, c10);
      c11 = simd.madd(a1, b1, c11);
      const a2 = v128.load32_splat(a, 512);
      c20 = simd.madd(a2, b0, c20);
      c21 = simd.madd(a2, b1, c21);
      const a3 = v128.load32_splat(a, 768);
      c30 = simd.madd(a3, b0, c30);
      c31 = simd.madd(a3, b1, c31);
      a += 4;
      b += 32;
    } while (a < end);
    a += (PANEL - 1) * BLOCK * 4;
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
}

/** Byte offset of panel i. */
export function panelOffset(k: usize, i: usize): usize {
  if (k > BLOCK / 2) return i * ((k + BLOCK - 1) / BLOCK) * PANEL * BLOCK * 4;
  // Side by side: alone in its block, a panel of 8 channels would use an eighth of the cache's sets.
  const each: usize = 32 - clz<u32>(<u32>k - 1);
  const beside = BLOCK >> each;
  return (i / beside) * PANEL * BLOCK * 4 + (i % beside) * ((<usize>4) << each);
}

/** c = a b for one strip of eight columns: `panels` panels of a against the same b. */
export function multiplyStrip(a: usize, panels: usize, b: usize, c: usize, k: usize, ldc: usize): void {
  for (let i: usize = 0; i < panels; i++) {
    multiply4x8(a + panelOffset(k, i), b, c, k, ldc);
    c += PANEL * ldc;
  }
}
