@unmanaged
class AdjointWinogradArgs {
  /** u (36, strips of cout, cin, 8), and bytes from one coefficient to the next. */
  from: usize;
  fromStride: usize;
  /** u (36, strips of cin, cout, 8), overwritten. */
  to: usize;
  toStride: usize;
  cin: i32;
  cout: i32;
}

/** Strips of a task of adjointWinograd. */
export const ADJOINT_STRIPS: i32 = 4;

/**
 * Transformed weights of the convolution that is the input's gradient, from transformed ones. Turning the taps permutes the rows of
 * the filter transform G on the points {0, +-sqrt(1/2), +-sqrt(2), infinity}, with factors that are powers of two: a row
 * (1, p, p^2) / N read backwards is p^2 (1, 1/p, 1/p^2) / N, and 1/p is a point too. So nothing is rounded: to(i, j) =
 * factor_i factor_j from(row_i, row_j)', bit for bit what winogradWeights makes of the turned kernel. Task = 4 strips of 8
 * output channels of `to`, that is input channels of `from`: 1 KB of `from` at a time.
 */
export function adjointWinograd(args: AdjointWinogradArgs, task: i32, _scratch: usize): void {
  for (let i = 0; i < 6; i++) {
    for (let j = 0; j < 6; j++) {
      const factor = turned.factor(i) * turned.factor(j);
      const from = args.from + <usize>(6 * turned.row(i) + turned.row(j)) * args.fromStride;
      transposeStrips(args, ADJOINT_STRIPS * task, from, args.to + <usize>(6 * i + j) * args.toStride, factor);
    }
  }
}

class turned {
  /** The row of G that row i is, its taps read backwards, but for a factor. */
  @inline
  static row(i: i32): i32 {
    return i === 0 ? 5 : i === 5 ? 0 : i < 3 ? i + 2 : i - 2;
  }

  @inline
  static factor(i: i32): f32 {
    return i === 0 || i === 5 ? 1 : i < 3 ? -2 : -0.5;
  }
}

/** The strips of one coefficient; zeros behind the last channel of cin. Channels are multiples of 4, so blocks of 4 x 4 are whole. */
function transposeStrips(args: AdjointWinogradArgs, strip: i32, from: usize, to: usize, factor: f32): void {
  const last = min(strip + ADJOINT_STRIPS, (args.cin + 7) >> 3);
  const whole: usize = 32 * <usize>args.cin;
  const stride: usize = 32 * <usize>args.cout;
  for (let k = 0; k < args.cout; k += 4) {
    const row = from + <usize>(k / 8) * whole + 4 * <usize>(k % 8);
    for (let s = strip; s < last; s++) {
      const source = row + 256 * <usize>s;
      const target = to + <usize>s * stride + 32 * <usize>k;
      block.transpose(source, target, factor);
      block.transpose(source + 128, target + 16, args.cin - 8 * s > 4 ? factor : 0);
    }
  }
}

class block {
  /** Four rows of four floats, 32 bytes apart, transposed and times a factor; 0 reads nothing and stores zeros. */
  @inline
  static transpose(from: usize, to: usize, factor: f32): void {
    const scale = f32x4.splat(factor);
    const zero = f32x4.splat(0);
    const r0 = factor ? v128.load(from) : zero;
    const r1 = factor ? v128.load(from, 32) : zero;
    const r2 = factor ? v128.load(from, 64) : zero;
    const r3 = factor ? v128.load(from, 96) : zero;
    const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
    const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    v128.store(to, f32x4.mul(scale, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5)));
    v128.store(to, f32x4.mul(scale, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7)), 32);
    v128.store(to, f32x4.mul(scale, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5)), 64);
    v128.store(to, f32x4.mul(scale, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7)), 96);
  }
}
