import { Exp } from './exp';
import { simd } from './simd';

/** Activations by number. What a and b are stands beside. */
export const RELU: i32 = 0;
/** min(max(x, a), b) */
export const CLIP: i32 = 1;
/** a x where x is negative. PRELU: a by channel. */
export const LEAKY_RELU: i32 = 2;
export const PRELU: i32 = 3;
/** b x where x is positive, else a (e^x - 1). SELU is one. */
export const ELU: i32 = 4;
export const SIGMOID: i32 = 5;
export const TANH: i32 = 6;
/** x sigmoid(x) */
export const SILU: i32 = 7;
/** a x + b, held between 0 and 1. */
export const HARD_SIGMOID: i32 = 8;
/** x (x / 6 + 1 / 2, held between 0 and 1) */
export const HARD_SWISH: i32 = 9;
/** x times the normal distribution function. */
export const GELU: i32 = 10;
/** x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)) */
export const GELU_TANH: i32 = 11;
/** log(1 + e^x) */
export const SOFTPLUS: i32 = 12;

/**
 * Each activation of four numbers, and the way back, always inlined: where `kind` is a constant, one of them remains.
 * NaN stays NaN, and infinities give their limits: functions of the form x f(x) are held where f has reached 0.
 */
export class functions {
  @inline
  static apply(kind: i32, exp: Exp, x: v128, a: v128, b: v128): v128 {
    const zero = f32x4.splat(0);
    if (kind === RELU) return simd.relu(x);
    if (kind === CLIP) return simd.clip(x, a, b);
    if (kind === LEAKY_RELU) return v128.bitselect(f32x4.mul(x, a), x, f32x4.lt(x, zero));
    if (kind === ELU) {
      const below = f32x4.mul(a, exp.minusOne(f32x4.pmin(x, zero)));
      return v128.bitselect(f32x4.mul(x, b), below, f32x4.gt(x, zero));
    }
    if (kind === SIGMOID) return exp.sigmoid(x);
    if (kind === TANH) return exp.tanh(x);
    if (kind === SILU) {
      const held = f32x4.pmax(x, f32x4.splat(-100));
      return f32x4.div(held, f32x4.add(f32x4.splat(1), exp.of(f32x4.neg(held))));
    }
    if (kind === HARD_SIGMOID) return simd.clip(simd.madd(x, a, b), zero, f32x4.splat(1));
    if (kind === HARD_SWISH) {
      const held = f32x4.pmax(x, f32x4.splat(-3));
      const share = f32x4.pmin(f32x4.add(held, f32x4.splat(3)), f32x4.splat(6));
      return f32x4.mul(held, f32x4.mul(share, f32x4.splat(1 / 6)));
    }
    if (kind === GELU) {
      const held = f32x4.pmax(x, f32x4.splat(-20));
      return f32x4.mul(held, exp.normal(held, exp.bell(held)));
    }
    if (kind === GELU_TANH) {
      const held = f32x4.pmax(x, f32x4.splat(-20));
      return f32x4.div(held, f32x4.add(f32x4.splat(1), exp.of(f32x4.neg(functions.cubic(held)))));
    }
    return exp.softplus(x);
  }

  /**
   * dy times the derivative at x. At a kink the flat side counts: nothing passes at x = 0 of a ReLU and at both ends of
   * a clip. Closed functions let nothing through, not even an infinite or undefined dy.
   */
  @inline
  static back(kind: i32, exp: Exp, x: v128, dy: v128, a: v128, b: v128): v128 {
    const zero = f32x4.splat(0);
    const one = f32x4.splat(1);
    if (kind === RELU) return v128.and(dy, f32x4.gt(x, zero));
    if (kind === CLIP) return v128.and(dy, v128.and(f32x4.gt(x, a), f32x4.lt(x, b)));
    if (kind === LEAKY_RELU) return v128.bitselect(dy, f32x4.mul(dy, a), f32x4.gt(x, zero));
    if (kind === ELU) {
      const below = f32x4.mul(a, exp.of(f32x4.pmin(x, zero)));
      return f32x4.mul(dy, v128.bitselect(b, below, f32x4.gt(x, zero)));
    }
    if (kind === SIGMOID) return f32x4.mul(dy, exp.sigmoidSlope(x));
    if (kind === TANH) return f32x4.mul(f32x4.mul(dy, f32x4.splat(4)), exp.sigmoidSlope(f32x4.add(x, x)));
    if (kind === SILU) {
      const held = simd.clip(x, f32x4.splat(-100), f32x4.splat(100));
      return f32x4.mul(dy, exp.sigmoidProduct(held, held));
    }
    if (kind === HARD_SIGMOID) {
      const line = simd.madd(x, a, b);
      return v128.and(f32x4.mul(dy, a), v128.and(f32x4.gt(line, zero), f32x4.lt(line, one)));
    }
    if (kind === HARD_SWISH) {
      const bent = f32x4.mul(dy, simd.madd(x, f32x4.splat(1 / 3), f32x4.splat(0.5)));
      const inner = v128.bitselect(bent, dy, f32x4.lt(x, f32x4.splat(3)));
      return v128.and(inner, f32x4.gt(x, f32x4.splat(-3)));
    }
    if (kind === GELU) {
      const held = simd.clip(x, f32x4.splat(-20), f32x4.splat(20));
      const bell = exp.bell(held);
      const density = f32x4.mul(bell, f32x4.splat(0.3989422804));
      return f32x4.mul(dy, simd.madd(held, density, exp.normal(held, bell)));
    }
    if (kind === GELU_TANH) {
      const held = simd.clip(x, f32x4.splat(-20), f32x4.splat(20));
      const du = simd.madd(f32x4.mul(held, held), f32x4.splat(3 * CUBE), f32x4.splat(LINE));
      return f32x4.mul(dy, exp.sigmoidProduct(functions.cubic(held), f32x4.mul(held, du)));
    }
    return f32x4.mul(dy, exp.sigmoid(x)); // SOFTPLUS
  }

  /** 2 sqrt(2 / pi) (x + 0.044715 x^3) */
  @inline
  private static cubic(x: v128): v128 {
    return f32x4.mul(x, simd.madd(f32x4.mul(x, x), f32x4.splat(CUBE), f32x4.splat(LINE)));
  }
}

/** 2 sqrt(2 / pi), and 0.044715 times it. */
const LINE: f32 = 1.5957691216;
const CUBE: f32 = 0.0713548162726;
