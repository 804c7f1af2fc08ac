import { simd } from './simd';
import { COLUMNS, ceilDiv } from './tile';

@unmanaged
class PackConvArgs {
  weights: usize;
  packed: usize;
  /** Rows times columns of the window. */
  taps: i32;
  cin: i32;
  cout: i32;
}

/**
 * Packs the weights of a convolution in the order in which `conv` reads them; task = strip of 8 output channels.
 * weights (rows, columns, cin, cout). packed: bias [strips][8] | weights [strips][rows][columns][cin][8], with strips = ceil(cout / 8).
 * Overwrites the weights and, behind cout, the zeros that fill the last strip; the cout biases themselves are the caller's to write.
 */
export function packConv(args: PackConvArgs, task: i32, _scratch: usize): void {
  const first = task * COLUMNS;
  const lanes = min(COLUMNS, args.cout - first);
  for (let k = first + lanes; k < first + COLUMNS; k++) store<f32>(args.packed + 4 * <usize>k, 0);
  let to = firstStrip(args.packed, args.cout) + <usize>task * stripBytes(args.taps, args.cin);
  let from = args.weights + 4 * <usize>first;
  for (let k = args.taps * args.cin; k > 0; k--) {
    v128.store(to, simd.loadLanes(from, lanes));
    v128.store(to, lanes > 4 ? simd.loadLanes(from + 16, lanes - 4) : f32x4.splat(0), 16);
    to += 4 * COLUMNS;
    from += 4 * <usize>args.cout;
  }
}

/** weights (rows, columns, cin, cout) from packed ones: packConv backwards. Task = strip of 8 output channels. */
export function unpackConv(args: PackConvArgs, task: i32, _scratch: usize): void {
  const first = task * COLUMNS;
  const lanes = min(COLUMNS, args.cout - first);
  let from = firstStrip(args.packed, args.cout) + <usize>task * stripBytes(args.taps, args.cin);
  let to = args.weights + 4 * <usize>first;
  for (let k = args.taps * args.cin; k > 0; k--) {
    simd.storeLanes(to, v128.load(from), lanes);
    if (lanes > 4) simd.storeLanes(to + 16, v128.load(from, 16), lanes - 4);
    from += 4 * COLUMNS;
    to += 4 * <usize>args.cout;
  }
}

/** Where the weights of packed begin, behind the biases. */
export function firstStrip(packed: usize, cout: i32): usize {
  return packed + 4 * <usize>(ceilDiv(cout, COLUMNS) * COLUMNS);
}

/** Bytes of the weights of 8 output channels. */
export function stripBytes(taps: i32, cin: i32): usize {
  return 4 * COLUMNS * <usize>taps * <usize>cin;
}

@unmanaged
class AdjointConvArgs {
  from: usize;
  to: usize;
  /** Rows times columns of the window. */
  taps: i32;
  /** Channels of the kernel at `from`. */
  cin: i32;
  cout: i32;
}

/**
 * The kernel whose convolution is the input's gradient, from packed to packed: to(a, e, k, c) = from(rows - 1 - a, columns - 1 - e, c, k),
 * bias zero. Task = strip of 8 output channels of `to`, that is input channels of `from`.
 */
export function adjointConv(args: AdjointConvArgs, task: i32, _scratch: usize): void {
  const first = task * COLUMNS;
  const lanes = min(COLUMNS, args.cin - first);
  const strip = stripBytes(args.taps, args.cin);
  memory.fill(args.to + 4 * <usize>first, 0, 4 * COLUMNS);
  let to = firstStrip(args.to, args.cin) + <usize>task * stripBytes(args.taps, args.cout);
  for (let tap = args.taps - 1; tap >= 0; tap--) {
    const under = firstStrip(args.from, args.cout) + 4 * COLUMNS * <usize>(tap * args.cin + first);
    for (let k = 0; k < args.cout; k++) {
      let from = under + <usize>(k / COLUMNS) * strip + 4 * <usize>(k % COLUMNS);
      for (let lane = 0; lane < COLUMNS; lane++) {
        store<f32>(to, lane < lanes ? load<f32>(from) : 0);
        from += 4 * COLUMNS;
        to += 4;
      }
    }
  }
}
