import { simd } from './simd';
import { ceilDiv } from './tile';

/**
 * Batch normalization with ReLU of a batch of maps. A batch is one tall map: picture after picture, each followed by a gap of zero
 * rows that convolutions read as padding. Channels are a multiple of 4.
 *
 * Two tables go with a layer. `affine` (6, c): scale, shift, mean, 1 / deviation, and the two numbers of the gradient, so that
 * y = relu(scale z + shift). `moments` [task](2, c): what each task found, combined in the order of tasks, so that the number of
 * threads changes no bit.
 */
@unmanaged
class BatchArgs {
  /** The convolution's output (pictures, h + gap, w, c). */
  z: usize;
  /** The other map of the same shape: y or dy. */
  y: usize;
  affine: usize;
  moments: usize;
  pictures: i32;
  h: i32;
  w: i32;
  c: i32;
  /** Rows behind each picture. */
  gap: i32;
  /** Rows of a task, all of one picture. */
  rows: i32;
}

/** Sizes in bytes and the rows of a task. */
@unmanaged
class Piece {
  /** Offset of the first pixel. */
  start: usize;
  pixels: i32;
  /** Whether the piece ends its picture, so that the gap lies behind it. */
  last: i32;
}

function locate(args: BatchArgs, task: i32, piece: Piece): void {
  const each = ceilDiv(args.h, args.rows);
  const picture = task / each;
  const row = (task % each) * args.rows;
  const rows = min(args.rows, args.h - row);
  const rowBytes: usize = 4 * <usize>(args.w * args.c);
  piece.start = <usize>(picture * (args.h + args.gap) + row) * rowBytes;
  piece.pixels = rows * args.w;
  piece.last = row + rows === args.h ? 1 : 0;
}

/** moments[task] = mean and sum of squared distances from it of z, by channel. Task = rows of a picture. */
export function batchMoments(args: BatchArgs, task: i32, scratch: usize): void {
  const piece = changetype<Piece>(scratch);
  locate(args, task, piece);
  const pix: usize = 4 * <usize>args.c;
  const out = args.moments + 2 * pix * <usize>task;
  const n = f32x4.splat(<f32>piece.pixels);
  for (let k: usize = 0; k < pix; k += 16) {
    let z = args.z + piece.start + k;
    const centre = v128.load(z); // any number near the mean keeps the difference of squares from cancelling
    let sum = f32x4.splat(0);
    let squares = f32x4.splat(0);
    for (let i = piece.pixels; i > 0; i--) {
      const d = f32x4.sub(v128.load(z), centre);
      sum = f32x4.add(sum, d);
      squares = simd.madd(d, d, squares);
      z += pix;
    }
    const mean = f32x4.div(sum, n);
    v128.store(out + k, f32x4.add(centre, mean));
    v128.store(out + pix + k, f32x4.max(f32x4.sub(squares, f32x4.mul(sum, mean)), f32x4.splat(0)));
  }
}

@unmanaged
class FinishArgs {
  moments: usize;
  affine: usize;
  gamma: usize;
  beta: usize;
  /** Running mean and variance (2, c); read where there are no moments, else moved towards the batch's. */
  running: usize;
  dgamma: usize;
  dbeta: usize;
  c: i32;
  tasks: i32;
  /** Pixels of a task, and of the last task of each picture; tasks of a picture. */
  pixels: i32;
  lastPixels: i32;
  each: i32;
  momentum: f32;
  epsilon: f32;
  /** Whether the statistics are the batch's, so that the gradient passes through them. */
  training: i32;
}

/**
 * Scale, shift, mean and 1 / deviation of a layer: from the moments of `training`, else from the running statistics. Task = channel.
 */
export function batchNormalizer(args: FinishArgs, task: i32, _scratch: usize): void {
  const c: usize = 4 * <usize>args.c;
  const k: usize = 4 * <usize>task;
  let mean: f64 = load<f32>(args.running + k);
  let variance: f64 = load<f32>(args.running + c + k);
  if (args.training) {
    let count: f64 = 0;
    let squares: f64 = 0;
    mean = 0;
    for (let i = 0; i < args.tasks; i++) {
      const moments = args.moments + 2 * c * <usize>i + k;
      const n = <f64>(i % args.each === args.each - 1 ? args.lastPixels : args.pixels);
      const distance = <f64>load<f32>(moments) - mean;
      count += n;
      mean += (distance * n) / count;
      squares += <f64>load<f32>(moments + c) + (distance * distance * n * (count - n)) / count;
    }
    variance = squares / count;
    const old = args.running + k;
    const m = <f64>args.momentum;
    store<f32>(old, <f32>(<f64>load<f32>(old) + m * (mean - <f64>load<f32>(old))));
    const unbiased = squares / max(count - 1, 1);
    store<f32>(old + c, <f32>(<f64>load<f32>(old + c) + m * (unbiased - <f64>load<f32>(old + c))));
  }
  const inverse = 1 / sqrt(variance + <f64>args.epsilon);
  const scale = <f64>load<f32>(args.gamma + k) * inverse;
  const affine = args.affine + k;
  store<f32>(affine, <f32>scale);
  store<f32>(affine + c, <f32>(<f64>load<f32>(args.beta + k) - mean * scale));
  store<f32>(affine + 2 * c, <f32>mean);
  store<f32>(affine + 3 * c, <f32>inverse);
}

/** y = relu(scale z + shift), zeros in the gap behind each picture. Task = rows of a picture. */
export function batchRelu(args: BatchArgs, task: i32, scratch: usize): void {
  const piece = changetype<Piece>(scratch);
  locate(args, task, piece);
  const pix: usize = 4 * <usize>args.c;
  for (let k: usize = 0; k < pix; k += 16) {
    const scale = v128.load(args.affine + k);
    const shift = v128.load(args.affine + pix + k);
    let z = args.z + piece.start + k;
    let y = args.y + piece.start + k;
    for (let i = piece.pixels; i > 0; i--) {
      v128.store(y, simd.relu(simd.madd(v128.load(z), scale, shift)));
      z += pix;
      y += pix;
    }
  }
  if (piece.last) clearGap(args, piece);
}

/** Zeros behind a piece. */
function clearGap(args: BatchArgs, piece: Piece): void {
  const pix: usize = 4 * <usize>args.c;
  memory.fill(args.y + piece.start + pix * <usize>piece.pixels, 0, pix * <usize>(args.w * args.gap));
}

/** moments[task] = the sums of dy and of dy (z - mean) where the ReLU let z through. Task = rows of a picture. */
export function batchGradientSums(args: BatchArgs, task: i32, scratch: usize): void {
  const piece = changetype<Piece>(scratch);
  locate(args, task, piece);
  const pix: usize = 4 * <usize>args.c;
  const out = args.moments + 2 * pix * <usize>task;
  const zero = f32x4.splat(0);
  for (let k: usize = 0; k < pix; k += 16) {
    const scale = v128.load(args.affine + k);
    const shift = v128.load(args.affine + pix + k);
    const mean = v128.load(args.affine + 2 * pix + k);
    let z = args.z + piece.start + k;
    let dy = args.y + piece.start + k;
    let sum = f32x4.splat(0);
    let product = f32x4.splat(0);
    for (let i = piece.pixels; i > 0; i--) {
      const value = v128.load(z);
      const d = v128.and(v128.load(dy), f32x4.gt(simd.madd(value, scale, shift), zero));
      sum = f32x4.add(sum, d);
      product = simd.madd(d, f32x4.sub(value, mean), product);
      z += pix;
      dy += pix;
    }
    v128.store(out + k, sum);
    v128.store(out + pix + k, product);
  }
}

/** dgamma, dbeta, and rows 4 and 5 of `affine`: dz = scale dy + affine[4] z + affine[5]. Task = channel. */
export function batchGradientFinish(args: FinishArgs, task: i32, _scratch: usize): void {
  const c: usize = 4 * <usize>args.c;
  const k: usize = 4 * <usize>task;
  let sum: f64 = 0;
  let product: f64 = 0;
  let count: f64 = 0;
  for (let i = 0; i < args.tasks; i++) {
    const moments = args.moments + 2 * c * <usize>i + k;
    sum += <f64>load<f32>(moments);
    product += <f64>load<f32>(moments + c);
    count += <f64>(i % args.each === args.each - 1 ? args.lastPixels : args.pixels);
  }
  const affine = args.affine + k;
  const mean = <f64>load<f32>(affine + 2 * c);
  const inverse = <f64>load<f32>(affine + 3 * c);
  store<f32>(args.dgamma + k, <f32>(product * inverse));
  store<f32>(args.dbeta + k, <f32>sum);
  const scale = args.training ? <f64>load<f32>(affine) : 0; // fixed statistics take no part in the gradient
  const slope = (-scale * inverse * inverse * product) / count;
  store<f32>(affine + 4 * c, <f32>slope);
  store<f32>(affine + 5 * c, <f32>((-scale * sum) / count - slope * mean));
}

/** dy becomes dz, the gradient at the convolution's output; zeros in the gap behind each picture. Task = rows of a picture. */
export function batchGradient(args: BatchArgs, task: i32, scratch: usize): void {
  const piece = changetype<Piece>(scratch);
  locate(args, task, piece);
  const pix: usize = 4 * <usize>args.c;
  const zero = f32x4.splat(0);
  for (let k: usize = 0; k < pix; k += 16) {
    const scale = v128.load(args.affine + k);
    const shift = v128.load(args.affine + pix + k);
    const slope = v128.load(args.affine + 4 * pix + k);
    const offset = v128.load(args.affine + 5 * pix + k);
    let z = args.z + piece.start + k;
    let dy = args.y + piece.start + k;
    for (let i = piece.pixels; i > 0; i--) {
      const value = v128.load(z);
      const d = v128.and(v128.load(dy), f32x4.gt(simd.madd(value, scale, shift), zero));
      v128.store(dy, simd.madd(d, scale, simd.madd(value, slope, offset)));
      z += pix;
      dy += pix;
    }
  }
  if (piece.last) clearGap(args, piece);
}
