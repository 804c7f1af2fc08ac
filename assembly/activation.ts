import { Exp } from './exp';
import {
  CLIP,
  ELU,
  functions,
  GELU,
  GELU_TANH,
  HARD_SIGMOID,
  HARD_SWISH,
  LEAKY_RELU,
  PRELU,
  RELU,
  SIGMOID,
  SILU,
  SOFTPLUS,
  TANH,
} from './functions';
import { simd } from './simd';

/** Strides are in floats. */
@unmanaged
class ActivationArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  y: usize;
  yRow: i32;
  yPix: i32;
  h: i32;
  w: i32;
  c: i32;
  /** One of functions.ts, and its numbers. */
  kind: i32;
  a: f32;
  b: f32;
  /** (c), of PRELU. */
  slope: usize;
  /** Rows that a task computes. */
  rows: i32;
}

/** y (h, w, c) = an activation of x, views of one size; y is overwritten and may be x. Task = range of rows. */
export function activation(args: ActivationArgs, task: i32, scratch: usize): void {
  const exp = changetype<Exp>(scratch);
  exp.fill();
  const last = min(args.h, (task + 1) * args.rows);
  const dense = args.xPix === args.c && args.yPix === args.c && args.kind !== PRELU; // a row is then one run of numbers
  const n = dense ? args.w * args.c : args.c;
  for (let i = task * args.rows; i < last; i++) {
    let x = args.x + 4 * <usize>(i * args.xRow);
    let y = args.y + 4 * <usize>(i * args.yRow);
    for (let j = dense ? 1 : args.w; j > 0; j--) {
      applyRun(args, exp, x, y, n);
      x += 4 * <usize>args.xPix;
      y += 4 * <usize>args.yPix;
    }
  }
}

/** n numbers; of PRELU the channels of a pixel. */
function applyRun(args: ActivationArgs, exp: Exp, x: usize, y: usize, n: i32): void {
  const a = f32x4.splat(args.a);
  const b = f32x4.splat(args.b);
  const kind = args.kind;
  if (kind === RELU) run.apply(RELU, exp, x, y, n, a, b);
  else if (kind === CLIP) run.apply(CLIP, exp, x, y, n, a, b);
  else if (kind === LEAKY_RELU) run.apply(LEAKY_RELU, exp, x, y, n, a, b);
  else if (kind === PRELU) run.applySlopes(exp, x, y, n, args.slope);
  else if (kind === ELU) run.apply(ELU, exp, x, y, n, a, b);
  else if (kind === SIGMOID) run.apply(SIGMOID, exp, x, y, n, a, b);
  else if (kind === TANH) run.apply(TANH, exp, x, y, n, a, b);
  else if (kind === SILU) run.apply(SILU, exp, x, y, n, a, b);
  else if (kind === HARD_SIGMOID) run.apply(HARD_SIGMOID, exp, x, y, n, a, b);
  else if (kind === HARD_SWISH) run.apply(HARD_SWISH, exp, x, y, n, a, b);
  else if (kind === GELU) run.apply(GELU, exp, x, y, n, a, b);
  else if (kind === GELU_TANH) run.apply(GELU_TANH, exp, x, y, n, a, b);
  else if (kind === SOFTPLUS) run.apply(SOFTPLUS, exp, x, y, n, a, b);
}

@unmanaged
class ActivationBackwardArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  dy: usize;
  dyRow: i32;
  dyPix: i32;
  dx: usize;
  dxRow: i32;
  dxPix: i32;
  h: i32;
  w: i32;
  c: i32;
  kind: i32;
  a: f32;
  b: f32;
  slope: usize;
  /** Whether only positive dy count (guided backpropagation, Springenberg et al. 2015; NaN stays). */
  guided: i32;
  /** 0: dx is overwritten. */
  accumulate: i32;
  rows: i32;
}

/**
 * dx (h, w, c) = or += dy times the derivative of an activation at x, its input. All are views of one size; dx may be dy, or x. Task = range
 * of rows.
 */
export function activationBackward(args: ActivationBackwardArgs, task: i32, scratch: usize): void {
  const exp = changetype<Exp>(scratch);
  exp.fill();
  const last = min(args.h, (task + 1) * args.rows);
  const side = args.xPix === args.c && args.dyPix === args.c && args.dxPix === args.c;
  const dense = side && args.kind !== PRELU;
  const n = dense ? args.w * args.c : args.c;
  for (let i = task * args.rows; i < last; i++) {
    let x = args.x + 4 * <usize>(i * args.xRow);
    let dy = args.dy + 4 * <usize>(i * args.dyRow);
    let dx = args.dx + 4 * <usize>(i * args.dxRow);
    for (let j = dense ? 1 : args.w; j > 0; j--) {
      backRun(args, exp, x, dy, dx, n);
      x += 4 * <usize>args.xPix;
      dy += 4 * <usize>args.dyPix;
      dx += 4 * <usize>args.dxPix;
    }
  }
}

/** n numbers; of PRELU the channels of a pixel. */
function backRun(args: ActivationBackwardArgs, exp: Exp, x: usize, dy: usize, dx: usize, n: i32): void {
  const kind = args.kind;
  if (kind === RELU) run.back(RELU, exp, args, x, dy, dx, n);
  else if (kind === CLIP) run.back(CLIP, exp, args, x, dy, dx, n);
  else if (kind === LEAKY_RELU) run.back(LEAKY_RELU, exp, args, x, dy, dx, n);
  else if (kind === PRELU) run.backSlopes(exp, args, x, dy, dx, n);
  else if (kind === ELU) run.back(ELU, exp, args, x, dy, dx, n);
  else if (kind === SIGMOID) run.back(SIGMOID, exp, args, x, dy, dx, n);
  else if (kind === TANH) run.back(TANH, exp, args, x, dy, dx, n);
  else if (kind === SILU) run.back(SILU, exp, args, x, dy, dx, n);
  else if (kind === HARD_SIGMOID) run.back(HARD_SIGMOID, exp, args, x, dy, dx, n);
  else if (kind === HARD_SWISH) run.back(HARD_SWISH, exp, args, x, dy, dx, n);
  else if (kind === GELU) run.back(GELU, exp, args, x, dy, dx, n);
  else if (kind === GELU_TANH) run.back(GELU_TANH, exp, args, x, dy, dx, n);
  else if (kind === SOFTPLUS) run.back(SOFTPLUS, exp, args, x, dy, dx, n);
}

/** Loops over n numbers that lie side by side, always inlined, so that `kind` is a constant in each. */
class run {
  @inline
  static apply(kind: i32, exp: Exp, x: usize, y: usize, n: i32, a: v128, b: v128): void {
    for (; n > 0; n -= 4) {
      simd.storeLanes(y, functions.apply(kind, exp, simd.loadLanes(x, n), a, b), n);
      x += 16;
      y += 16;
    }
  }

  /** PRELU: a slope for each number. */
  @inline
  static applySlopes(exp: Exp, x: usize, y: usize, n: i32, slope: usize): void {
    for (; n > 0; n -= 4) {
      const a = simd.loadLanes(slope, n);
      simd.storeLanes(y, functions.apply(LEAKY_RELU, exp, simd.loadLanes(x, n), a, a), n);
      x += 16;
      y += 16;
      slope += 16;
    }
  }

  @inline
  static back(kind: i32, exp: Exp, args: ActivationBackwardArgs, x: usize, dy: usize, dx: usize, n: i32): void {
    const a = f32x4.splat(args.a);
    const b = f32x4.splat(args.b);
    for (; n > 0; n -= 4) {
      const gradient = run.gradient(args, dy, n);
      run.write(args, dx, functions.back(kind, exp, simd.loadLanes(x, n), gradient, a, b), n);
      x += 16;
      dy += 16;
      dx += 16;
    }
  }

  @inline
  static backSlopes(exp: Exp, args: ActivationBackwardArgs, x: usize, dy: usize, dx: usize, n: i32): void {
    let slope = args.slope;
    for (; n > 0; n -= 4) {
      const a = simd.loadLanes(slope, n);
      const gradient = run.gradient(args, dy, n);
      run.write(args, dx, functions.back(LEAKY_RELU, exp, simd.loadLanes(x, n), gradient, a, a), n);
      x += 16;
      dy += 16;
      dx += 16;
      slope += 16;
    }
  }

  @inline
  private static gradient(args: ActivationBackwardArgs, dy: usize, n: i32): v128 {
    const gradient = simd.loadLanes(dy, n);
    return args.guided ? simd.relu(gradient) : gradient;
  }

  @inline
  private static write(args: ActivationBackwardArgs, dx: usize, v: v128, n: i32): void {
    simd.storeLanes(dx, args.accumulate ? f32x4.add(simd.loadLanes(dx, n), v) : v, n);
  }
}
