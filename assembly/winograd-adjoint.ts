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

/**
 * Transformed weights of the convolution that is the input's gradient, from transformed ones. Turning the taps permutes the rows of
 * the filter transform G on the points {0, +-sqrt(1/2), +-sqrt(2), infinity}, with factors that are powers of two: a row
 * (1, p, p^2) / N read backwards is p^2 (1, 1/p, 1/p^2) / N, and 1/p is a point too. So nothing is rounded: to(i, j) =
 * factor_i factor_j from(row_i, row_j)', bit for bit what winogradWeights makes of the turned kernel. Task = strip of 8 output
 * channels of `to`, that is input channels of `from`.
 */
export function adjointWinograd(args: AdjointWinogradArgs, task: i32, _scratch: usize): void {
  for (let i = 0; i < 6; i++) {
    for (let j = 0; j < 6; j++) {
      const factor = turned.factor(i) * turned.factor(j);
      const from = args.from + <usize>(6 * turned.row(i) + turned.row(j)) * args.fromStride;
      transposeStrip(args, task, from, args.to + <usize>(6 * i + j) * args.toStride, factor);
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

/** One strip of one coefficient, in blocks of 8 x 8 that lie side by side in both; zeros behind the last channel of cin. */
function transposeStrip(args: AdjointWinogradArgs, strip: i32, from: usize, to: usize, factor: f32): void {
  const first = 8 * strip;
  const lanes = min(8, args.cin - first);
  from += 32 * <usize>first;
  to += 32 * <usize>(strip * args.cout);
  for (let k = 0; k < args.cout; k++) {
    let source = from + 32 * <usize>args.cin * <usize>(k / 8) + 4 * <usize>(k % 8);
    for (let lane = 0; lane < 8; lane++) {
      store<f32>(to, lane < lanes ? factor * load<f32>(source) : 0);
      source += 32;
      to += 4;
    }
  }
}
