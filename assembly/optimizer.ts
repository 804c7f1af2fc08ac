import { simd } from './simd';

/** One step of an optimiser on n parameters, a multiple of 4. */
@unmanaged
class OptimizerArgs {
  w: usize;
  /** The gradient. */
  g: usize;
  /** Mean of the gradients so far, and (AdamW) of their squares. */
  m: usize;
  v: usize;
  n: i32;
  /** Parameters of a task, a multiple of 4. */
  each: i32;
  rate: f32;
  /** 1 - rate * weight decay: decay that does not pass through the gradient. */
  keep: f32;
  momentum: f32;
  /** AdamW: decay of v, and the corrections of both means' beginning at zero. */
  beta2: f32;
  correct1: f32;
  correct2: f32;
  epsilon: f32;
}

/** SGD with momentum: m = momentum m + g, w = keep w - rate m. Task = range of parameters. */
export function sgdStep(args: OptimizerArgs, task: i32, _scratch: usize): void {
  const last: usize = 4 * <usize>min(args.n, (task + 1) * args.each);
  const rate = f32x4.splat(args.rate);
  const keep = f32x4.splat(args.keep);
  const momentum = f32x4.splat(args.momentum);
  for (let i: usize = 4 * <usize>(task * args.each); i < last; i += 16) {
    const m = simd.madd(v128.load(args.m + i), momentum, v128.load(args.g + i));
    v128.store(args.m + i, m);
    v128.store(args.w + i, f32x4.sub(f32x4.mul(v128.load(args.w + i), keep), f32x4.mul(m, rate)));
  }
}

/**
 * AdamW (Loshchilov and Hutter 2019): m and v are running means of g and g^2,
 * w = keep w - rate (m / correct1) / (sqrt(v / correct2) + epsilon). Task = range of parameters.
 */
export function adamStep(args: OptimizerArgs, task: i32, _scratch: usize): void {
  const last: usize = 4 * <usize>min(args.n, (task + 1) * args.each);
  const keep = f32x4.splat(args.keep);
  const beta1 = f32x4.splat(args.momentum);
  const beta2 = f32x4.splat(args.beta2);
  const rest1 = f32x4.splat(1 - args.momentum);
  const rest2 = f32x4.splat(1 - args.beta2);
  const rate = f32x4.splat(args.rate / args.correct1);
  const correct2 = f32x4.splat(1 / args.correct2);
  const epsilon = f32x4.splat(args.epsilon);
  for (let i: usize = 4 * <usize>(task * args.each); i < last; i += 16) {
    const g = v128.load(args.g + i);
    const m = f32x4.add(f32x4.mul(v128.load(args.m + i), beta1), f32x4.mul(g, rest1));
    const v = f32x4.add(f32x4.mul(v128.load(args.v + i), beta2), f32x4.mul(f32x4.mul(g, g), rest2));
    v128.store(args.m + i, m);
    v128.store(args.v + i, v);
    const step = f32x4.div(f32x4.mul(m, rate), f32x4.add(f32x4.sqrt(f32x4.mul(v, correct2)), epsilon));
    v128.store(args.w + i, f32x4.sub(f32x4.mul(v128.load(args.w + i), keep), step));
  }
}

@unmanaged
class DropoutArgs {
  x: usize;
  n: i32;
  seed: i32;
  /** A number is dropped where its 32 random bits, unsigned, are below this. */
  threshold: i32;
  scale: f32;
  each: i32;
}

/**
 * x = x scale, or 0 where the generator of (seed, index) says so: the same for the gradient, which needs no stored mask.
 * Task = range.
 */
export function dropout(args: DropoutArgs, task: i32, _scratch: usize): void {
  const last = min(args.n, (task + 1) * args.each);
  for (let i = task * args.each; i < last; i++) {
    const x = args.x + 4 * <usize>i;
    store<f32>(x, random(<u32>args.seed, <u32>i) < <u32>args.threshold ? 0 : load<f32>(x) * args.scale);
  }
}

/** 32 random bits of (seed, i): the finalizer of MurmurHash3 over both. */
function random(seed: u32, i: u32): u32 {
  let h = seed ^ (i * 0x9e3779b1);
  h = (h ^ (h >> 16)) * 0x85ebca6b;
  h = (h ^ (h >> 13)) * 0xc2b2ae35;
  h = (h ^ (h >> 16)) + seed;
  h = (h ^ (h >> 15)) * 0x2c1b3c6d;
  return h ^ (h >> 12);
}
