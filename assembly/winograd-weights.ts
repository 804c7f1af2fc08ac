/** Fields of a `winogradWeights` job. */
@unmanaged
export class WinogradWeightsArgs {
  /** w (3, 3, cin, cout), HWIO. */
  w!: usize;
  /** u (36, cout / 8, cin, 8), overwritten; columns past cout are zero. */
  u!: usize;
  /** Bytes from one coefficient of u to the next. */
  uStride!: usize;
  cin!: usize;
  cout!: usize;
  /** 0, or 1 for the convolution that gives the input's gradient: kernels turned by 180 degrees, w read as (3, 3, cout, cin). */
  adjoint!: i32;
}

class filter {
  /** G g for one column: six float64 pairs to out, out + step, ... */
  @inline
  static column(g0: v128, g1: v128, g2: v128, out: usize, step: usize): void {
    const even1 = f64x2.mul(f64x2.splat(-1.0 / 3.0), f64x2.add(f64x2.add(g0, g0), g2));
    const odd1 = f64x2.mul(f64x2.splat(-Math.SQRT2 / 3.0), g1);
    const even2 = f64x2.mul(f64x2.splat(1.0 / 6.0), f64x2.add(g0, f64x2.add(g2, g2)));
    const odd2 = f64x2.mul(f64x2.splat(Math.SQRT2 / 6.0), g1);
    v128.store(out, g0);
    v128.store(out + step, f64x2.add(even1, odd1));
    v128.store(out + 2 * step, f64x2.sub(even1, odd1));
    v128.store(out + 3 * step, f64x2.add(even2, odd2));
    v128.store(out + 4 * step, f64x2.sub(even2, odd2));
    v128.store(out + 5 * step, g2);
  }
}

/**
 * U = G g G' of two adjacent columns in float64, rounded once.
 * w: tap (0, 0) of the first; tap, next: bytes from one tap and one column to the next (tap < 0 reads the taps backwards).
 */
function transformPair(w: usize, tap: isize, next: usize, u: usize, uStride: usize, scratch: usize): void {
  for (let q: usize = 0; q < 3; q++) {
    const p = w + q * tap;
    filter.column(loadPair(p, next), loadPair(p + 3 * tap, next), loadPair(p + 6 * tap, next), scratch + 16 * q, 48);
  }
  const row = scratch + 288;
  for (let i: usize = 0; i < 6; i++) {
    filter.column(v128.load(scratch), v128.load(scratch, 16), v128.load(scratch, 32), row, 16);
    for (let j: usize = 0; j < 6; j++) {
      v128.store64_lane(u, f32x4.demote_f64x2_zero(v128.load(row + 16 * j)), 0);
      u += uStride;
    }
    scratch += 48;
  }
}

/** Two float32, `next` bytes apart, as float64. */
function loadPair(p: usize, next: usize): v128 {
  return f64x2.replace_lane(f64x2.splat(<f64>load<f32>(p)), 1, <f64>load<f32>(p + next));
}

/**
 * Transforms the weights of a 3x3 convolution for the F(4,3) GEMM. A task is a strip of 8 output channels.
 * Scratch: 384 bytes.
 */
export function winogradWeights(args: WinogradWeightsArgs, task: i32, scratch: usize): void {
  const cin = args.cin;
  const cout = args.cout;
  const n0 = <usize>task * 8;
  const filled = min<usize>(8, cout - n0);
  const adjoint = args.adjoint !== 0;
  const tap = <isize>(cin * cout * 4);
  const next: usize = adjoint ? cin * 4 : 4;
  const down: usize = adjoint ? 4 : cout * 4;
  let w = args.w + n0 * next + (adjoint ? 8 * tap : 0);
  let u = args.u + n0 * cin * 4;
  for (let k: usize = 0; k < cin; k++) {
    for (let n: usize = 0; n < filled; n += 2)
      transformPair(w + n * next, adjoint ? -tap : tap, next, u + n * 4, args.uStride, scratch);
    for (let n = filled; n < 8; n += 2) for (let i: usize = 0; i < 36; i++) store<u64>(u + n * 4 + i * args.uStride, 0);
    w += down;
    u += 32;
  }
}
