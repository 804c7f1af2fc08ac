@unmanaged
class ExpandFloat16Args {
  /** n float16. */
  from: usize;
  /** n float32. */
  to: usize;
  n: i32;
  /** Elements that a task converts. */
  chunk: i32;
}

/**
 * to (n) = from (n), float16 to float32, exact for every finite value. Task = range of elements. `from` may be the upper half
 * of `to` where tasks do not overlap (src/wasm/ops/float16.ts): no element is overwritten before it is read.
 */
export function expandFloat16(args: ExpandFloat16Args, task: i32, _scratch: usize): void {
  const first = task * args.chunk;
  const last = min(args.n, first + args.chunk);
  let from = args.from + 2 * <usize>first;
  let to = args.to + 4 * <usize>first;
  let left = last - first;
  for (; left >= 4; left -= 4) {
    v128.store(to, half.expand(v128.load16x4_s(from)));
    from += 8;
    to += 16;
  }
  for (; left > 0; left--) {
    v128.store32_lane(to, half.expand(i32x4.splat(load<i16>(from))), 0);
    from += 2;
    to += 4;
  }
}

class half {
  /**
   * float32 of four float16 whose bits are sign-extended. The exponent is moved from bias 15 to 127 as an integer; below 2^-14,
   * where float16 has no implicit one, that gives a = 2^-15 + v / 2 for the magnitude v, and 2a - 2^-14 is v; above, it is more
   * than a. No subnormal float32 occurs on the way: processors may need a hundred cycles for those.
   */
  @inline
  static expand(bits: v128): v128 {
    const shifted = i32x4.shl(bits, 13);
    const a = i32x4.add(v128.and(shifted, i32x4.splat(0x0fffffff)), i32x4.splat(0x38000000));
    const b = f32x4.sub(f32x4.add(a, a), f32x4.splat(0.00006103515625));
    return v128.or(f32x4.pmin(a, b), v128.and(shifted, i32x4.splat(0x80000000)));
  }
}
