import { simd } from './simd';

/** Bytes of an `Exp`, and of the four vectors behind it. */
export const EXP_BYTES: i32 = 16 * 29;

/**
 * The exponential function and its relatives for four numbers at a time, always inlined. Relative errors are below 3e-7
 * unless said otherwise, NaN stays NaN, and each lane depends on itself alone. The polynomials are minimax fits
 * (Remez), from the highest power down.
 *
 * The numbers that they need are fields: a task fills them into its scratch once. Engines make a vector constant anew
 * wherever a loop uses one, which takes longer than loading it (measured, Zen 3, Node 20: 1.4 to 1.7 times for all of a
 * sigmoid).
 */
@unmanaged
export class Exp {
  /** Bounds of the argument: below the lower one e^x is 0, above the upper one Infinity. */
  low: v128;
  high: v128;
  /** 1 / ln 2, and ln 2 in two parts of which n times the first is exact; both negative. */
  log2e: v128;
  ln2: v128;
  ln2Rest: v128;
  /**
   * 1.5 * 2^23 and the bias of exponents: a sum with it has room for whole numbers only, which are then its lowest
   * bits.
   */
  shift: v128;
  /** (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2 */
  e4: v128;
  e3: v128;
  e2: v128;
  e1: v128;
  e0: v128;
  /** (atanh(s) / s - 1) / s^2 for s^2 <= 1 / 9 */
  l3: v128;
  l2: v128;
  l1: v128;
  l0: v128;
  /** The normal distribution's tail over its bell, over t = 1 / (1 + |x| / 4). */
  n9: v128;
  n8: v128;
  n7: v128;
  n6: v128;
  n5: v128;
  n4: v128;
  n3: v128;
  n2: v128;
  n1: v128;
  n0: v128;

  /** Address of four vectors of which a task may make what it likes. */
  @inline
  get spare(): usize {
    return changetype<usize>(this) + offsetof<Exp>();
  }

  /** To be called before anything else. */
  fill(): void {
    this.low = f32x4.splat(-88);
    this.high = f32x4.splat(89);
    this.log2e = f32x4.splat(<f32>Math.LOG2E);
    this.ln2 = f32x4.splat(-0.693359375);
    this.ln2Rest = f32x4.splat(2.1219444e-4);
    this.shift = f32x4.splat(12582912 + 127);
    this.e4 = f32x4.splat(0.001394656374);
    this.e3 = f32x4.splat(0.00836664398);
    this.e2 = f32x4.splat(0.04166628047);
    this.e1 = f32x4.splat(0.1666654255);
    this.e0 = f32x4.splat(0.5000000062);
    this.l3 = f32x4.splat(0.1401222655);
    this.l2 = f32x4.splat(0.1399957117);
    this.l1 = f32x4.splat(0.2001084949);
    this.l0 = f32x4.splat(0.3333320657);
    this.n9 = f32x4.splat(0.01657946473);
    this.n8 = f32x4.splat(-0.06279117975);
    this.n7 = f32x4.splat(0.05165009311);
    this.n6 = f32x4.splat(0.02843880863);
    this.n5 = f32x4.splat(0.01270937288);
    this.n4 = f32x4.splat(0.08665822265);
    this.n3 = f32x4.splat(0.07199895204);
    this.n2 = f32x4.splat(0.09551582165);
    this.n1 = f32x4.splat(0.09949254392);
    this.n0 = f32x4.splat(0.09974790421);
  }

  /** e^x: 0 below 2^-126.5, where numbers lose digits and processors their speed; Infinity from 88.4 on. */
  @inline
  of(x: v128): v128 {
    const held = f32x4.pmin(f32x4.pmax(x, this.low), this.high);
    const t = simd.madd(held, this.log2e, this.shift);
    return f32x4.mul(f32x4.add(f32x4.splat(1), this.rest(held, t)), i32x4.shl(t, 23));
  }

  /** e^x - 1 for x <= 0, as exact near 0 as elsewhere: 2^n (e^r - 1) + (2^n - 1). */
  @inline
  minusOne(x: v128): v128 {
    const held = f32x4.pmax(x, this.low);
    const t = simd.madd(held, this.log2e, this.shift);
    const power = i32x4.shl(t, 23);
    return simd.madd(power, this.rest(held, t), f32x4.sub(power, f32x4.splat(1)));
  }

  /**
   * e^r - 1 for x = n ln 2 + r. t = shift + n: its lowest bits, moved to the exponent's place, are 2^n, or 0 for n =
   * -127.
   */
  @inline
  private rest(x: v128, t: v128): v128 {
    const n = f32x4.sub(t, this.shift);
    const r = simd.madd(n, this.ln2Rest, simd.madd(n, this.ln2, x));
    let p = this.e4;
    p = simd.madd(p, r, this.e3);
    p = simd.madd(p, r, this.e2);
    p = simd.madd(p, r, this.e1);
    p = simd.madd(p, r, this.e0);
    return simd.madd(f32x4.mul(r, r), p, r);
  }

  /** 1 / (1 + e^-x) */
  @inline
  sigmoid(x: v128): v128 {
    return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), this.of(f32x4.neg(x))));
  }

  /** The derivative of the sigmoid, which is even. */
  @inline
  sigmoidSlope(x: v128): v128 {
    const e = this.of(f32x4.neg(f32x4.abs(x)));
    const share = f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), e));
    return f32x4.mul(f32x4.mul(e, share), share);
  }

  /** The sigmoid plus `factor` times its derivative: with factor x u', the derivative of x sigmoid(u). */
  @inline
  sigmoidProduct(u: v128, factor: v128): v128 {
    const e = this.of(f32x4.neg(f32x4.abs(u)));
    const share = f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), e));
    const other = f32x4.mul(e, share);
    const sigmoid = v128.bitselect(other, share, f32x4.lt(u, f32x4.splat(0)));
    return simd.madd(f32x4.mul(other, share), factor, sigmoid);
  }

  /** tanh(x) = -u / (2 + u) with u = e^-2|x| - 1, and the sign of x. */
  @inline
  tanh(x: v128): v128 {
    const u = this.minusOne(f32x4.mul(f32x4.abs(x), f32x4.splat(-2)));
    const negative = f32x4.div(u, f32x4.add(f32x4.splat(2), u));
    return v128.bitselect(x, negative, i32x4.splat(i32.MIN_VALUE));
  }

  /** log(1 + e^x) = max(x, 0) + log(1 + u) with u = e^-|x|, and log(1 + u) = 2 atanh(s) with s = u / (2 + u). */
  @inline
  softplus(x: v128): v128 {
    const u = this.of(f32x4.neg(f32x4.abs(x)));
    const s = f32x4.div(u, f32x4.add(f32x4.splat(2), u));
    const z = f32x4.mul(s, s);
    let p = this.l3;
    p = simd.madd(p, z, this.l2);
    p = simd.madd(p, z, this.l1);
    p = simd.madd(p, z, this.l0);
    const twice = f32x4.add(s, s);
    return f32x4.add(f32x4.pmax(x, f32x4.splat(0)), simd.madd(f32x4.mul(z, p), twice, twice));
  }

  /** e^(-x^2 / 2): the density of the normal distribution, not yet over sqrt(2 pi). */
  @inline
  bell(x: v128): v128 {
    return this.of(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5)));
  }

  /** The normal distribution function (1 + erf(x / sqrt 2)) / 2 of x, from its `bell`; absolute error below 1.5e-7. */
  @inline
  normal(x: v128, bell: v128): v128 {
    const one = f32x4.splat(1);
    const t = f32x4.div(one, simd.madd(f32x4.abs(x), f32x4.splat(0.25), one));
    let p = this.n9;
    p = simd.madd(p, t, this.n8);
    p = simd.madd(p, t, this.n7);
    p = simd.madd(p, t, this.n6);
    p = simd.madd(p, t, this.n5);
    p = simd.madd(p, t, this.n4);
    p = simd.madd(p, t, this.n3);
    p = simd.madd(p, t, this.n2);
    p = simd.madd(p, t, this.n1);
    p = simd.madd(p, t, this.n0);
    const tail = f32x4.mul(f32x4.mul(p, t), bell);
    return v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(x, f32x4.splat(0)));
  }
}
