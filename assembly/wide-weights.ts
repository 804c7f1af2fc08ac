/** Fields of a `winogradWiden` job. */
@unmanaged
export class WinogradWidenArgs {
  /** u (36, strips, cin, 8) of F(4x4,3x3), and bytes from one coefficient to the next. */
  from!: usize;
  fromStride!: usize;
  /** u (64, strips, cin, 8) of F(6x6,3x3), overwritten. */
  to!: usize;
  toStride!: usize;
  cin!: usize;
}

/** The three taps of a column of F(4,3)'s six coefficients: the middle one from both differences that hold it. */
function narrow(u: usize, step: usize, out: usize, next: usize): void {
  const q = f32x4.splat(<f32>(0.75 / Math.SQRT2));
  const p = f32x4.sub(v128.load(u + 2 * step), v128.load(u + step));
  const r = f32x4.sub(v128.load(u + 3 * step), v128.load(u + 4 * step));
  v128.store(out, v128.load(u));
  v128.store(out + next, f32x4.mul(q, f32x4.add(p, f32x4.add(r, r))));
  v128.store(out + 2 * next, v128.load(u + 5 * step));
}

/** F(6,3)'s eight coefficients of a column of three taps. */
function widen(g: usize, step: usize, out: usize, next: usize): void {
  const g0 = v128.load(g);
  const g1 = v128.load(g + step);
  const g2 = v128.load(g + 2 * step);
  const four = f32x4.splat(4);
  const first = f32x4.splat(<f32>(-2.0 / 9.0));
  const second = f32x4.splat(<f32>(1.0 / 90.0));
  const third = f32x4.splat(<f32>(1.0 / 45.0));
  const twice = f32x4.add(g1, g1);
  const sum = f32x4.add(g0, g2);
  const low = f32x4.add(f32x4.mul(four, g2), g0);
  const high = f32x4.add(f32x4.mul(four, g0), g2);
  v128.store(out, g0);
  v128.store(out + next, f32x4.mul(first, f32x4.add(sum, g1)));
  v128.store(out + 2 * next, f32x4.mul(first, f32x4.sub(sum, g1)));
  v128.store(out + 3 * next, f32x4.mul(second, f32x4.add(low, twice)));
  v128.store(out + 4 * next, f32x4.mul(second, f32x4.sub(low, twice)));
  v128.store(out + 5 * next, f32x4.mul(third, f32x4.add(high, twice)));
  v128.store(out + 6 * next, f32x4.mul(third, f32x4.sub(high, twice)));
  v128.store(out + 7 * next, g2);
}

/** Bytes of scratch of `winogradWiden`: 18 + 9 + 24 vectors. */
export const WIDEN_SCRATCH: usize = 816;

/**
 * The transformed weights of F(6x6,3x3) from those of F(4x4,3x3), which hold the taps to float32's precision. A task is a strip of 8 output
 * channels.
 */
export function winogradWiden(args: WinogradWidenArgs, task: i32, scratch: usize): void {
  const taps = scratch + 288;
  const half = scratch + 432;
  const strip = args.cin * 32;
  let u = args.from + <usize>task * strip;
  let to = args.to + <usize>task * strip;
  for (const end = u + strip; u < end; u += 16) {
    for (let j: usize = 0; j < 6; j++) narrow(u + j * args.fromStride, 6 * args.fromStride, scratch + 16 * j, 96);
    for (let i: usize = 0; i < 3; i++) narrow(scratch + 96 * i, 16, taps + 48 * i, 16);
    for (let j: usize = 0; j < 3; j++) widen(taps + 16 * j, 48, half + 16 * j, 48);
    for (let i: usize = 0; i < 8; i++) widen(half + 48 * i, 16, to + 8 * i * args.toStride, args.toStride);
    to += 16;
  }
}
