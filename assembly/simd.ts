/** Small vector helpers, always inlined. (A class, because decorators are allowed on methods only.) */
export class simd {
  /** sum + x * w, rounded once where the build has relaxed SIMD and the processor a fused multiply-add. */
  @inline
  static madd(x: v128, w: v128, sum: v128): v128 {
    return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(x, w, sum) : f32x4.add(sum, f32x4.mul(x, w));
  }

  /** max(v, 0) that keeps NaN: pmax(a, b) is a < b ? b : a, so the order of its operands matters. One instruction on x86. */
  @inline
  static relu(v: v128): v128 {
    return f32x4.pmax(v, f32x4.splat(0));
  }

  /** min(max(v, low), high) that keeps NaN, by the same order of operands. */
  @inline
  static clip(v: v128, low: v128, high: v128): v128 {
    return f32x4.pmin(f32x4.pmax(v, low), high);
  }

  /** The first n (1 to 4) of four float32 at ptr, then zeros; reads no more than n. */
  @inline
  static loadLanes(ptr: usize, n: i32): v128 {
    if (n >= 4) return v128.load(ptr);
    if (n === 3) return v128.load32_lane(ptr, v128.load64_zero(ptr), 2, 8);
    if (n === 2) return v128.load64_zero(ptr);
    return v128.load32_zero(ptr);
  }

  /** Stores the first n (1 to 4) lanes and nothing behind them. */
  @inline
  static storeLanes(ptr: usize, v: v128, n: i32): void {
    if (n >= 4) {
      v128.store(ptr, v);
    } else {
      if (n >= 2) v128.store64_lane(ptr, v, 0);
      if (n === 3) v128.store32_lane(ptr, v, 2, 8);
      if (n === 1) v128.store32_lane(ptr, v, 0);
    }
  }

  /** (x2, x3, x2, x3) */
  @inline
  static upper(v: v128): v128 {
    return v128.shuffle<i64>(v, v, 1, 1);
  }

  /** x0 + x1 + x2 + x3, as (x0 + x2) + (x1 + x3). */
  @inline
  static sum(v: v128): f32 {
    const pairs = f32x4.add(v, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
  }
}
