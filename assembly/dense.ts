import { simd } from './simd';

@unmanaged
class DenseArgs {
  x: usize;
  w: usize;
  b: usize;
  y: usize;
  inputs: i32;
  outputs: i32;
  relu: i32;
  /** Outputs that a task computes: few enough for their sums to stay in the L1 cache, but long pieces of rows stream faster. */
  columns: i32;
}

/**
 * y (outputs) = x (inputs) w (inputs, outputs) + b (outputs; 0: none), and ReLU. y is overwritten. Task = range of outputs.
 *
 * Bound by the memory that w is read from, so rows of w whose x is zero (most of them behind a ReLU) are not read at all:
 * adding zero times a finite weight changes nothing. Four rows at a time save three of four passes over the sums (eight: 5% more).
 */
export function dense(args: DenseArgs, task: i32, _scratch: usize): void {
  const first = task * args.columns;
  const columns = min(args.columns, args.outputs - first);
  const y = args.y + 4 * <usize>first;
  const w = args.w + 4 * <usize>first;
  if (args.b) memory.copy(y, args.b + 4 * <usize>first, 4 * columns);
  else memory.fill(y, 0, 4 * columns);

  const step: usize = 4 * args.outputs;
  let i = nextNonZero(args.x, 0, args.inputs);
  while (i < args.inputs) {
    const i1 = nextNonZero(args.x, i + 1, args.inputs);
    const i2 = nextNonZero(args.x, i1 + 1, args.inputs);
    const i3 = nextNonZero(args.x, i2 + 1, args.inputs);
    if (i3 < args.inputs) {
      addFourRows(args.x, i, i1, i2, i3, w, step, y, columns);
      i = nextNonZero(args.x, i3 + 1, args.inputs);
    } else {
      addRow(load<f32>(args.x + 4 * <usize>i), w + step * i, y, columns);
      i = i1;
    }
  }
  if (args.relu) relu(y, columns);
}

/** The first index from i on whose x is not zero (NaN is not), or inputs. */
function nextNonZero(x: usize, i: i32, inputs: i32): i32 {
  while (i < inputs && load<f32>(x + 4 * <usize>i) === 0) i++;
  return i;
}

/** y += x[i0] w[i0] + x[i1] w[i1] + x[i2] w[i2] + x[i3] w[i3], added in this order. */
function addFourRows(
  x: usize,
  i0: i32,
  i1: i32,
  i2: i32,
  i3: i32,
  w: usize,
  step: usize,
  y: usize,
  columns: i32,
): void {
  const x0 = v128.load32_splat(x + 4 * <usize>i0);
  const x1 = v128.load32_splat(x + 4 * <usize>i1);
  const x2 = v128.load32_splat(x + 4 * <usize>i2);
  const x3 = v128.load32_splat(x + 4 * <usize>i3);
  let w0 = w + step * i0;
  let w1 = w + step * i1;
  let w2 = w + step * i2;
  let w3 = w + step * i3;
  let left = columns;
  for (; left >= 4; left -= 4) {
    let sum = simd.madd(x0, v128.load(w0), v128.load(y));
    sum = simd.madd(x1, v128.load(w1), sum);
    sum = simd.madd(x2, v128.load(w2), sum);
    v128.store(y, simd.madd(x3, v128.load(w3), sum));
    w0 += 16;
    w1 += 16;
    w2 += 16;
    w3 += 16;
    y += 16;
  }
  if (left === 0) return;
  let sum = simd.madd(x0, simd.loadLanes(w0, left), simd.loadLanes(y, left));
  sum = simd.madd(x1, simd.loadLanes(w1, left), sum);
  sum = simd.madd(x2, simd.loadLanes(w2, left), sum);
  simd.storeLanes(y, simd.madd(x3, simd.loadLanes(w3, left), sum), left);
}

/** y += x w */
function addRow(x: f32, w: usize, y: usize, n: i32): void {
  const xs = f32x4.splat(x);
  let left = n;
  for (; left >= 4; left -= 4) {
    v128.store(y, simd.madd(xs, v128.load(w), v128.load(y)));
    w += 16;
    y += 16;
  }
  if (left > 0) simd.storeLanes(y, simd.madd(xs, simd.loadLanes(w, left), simd.loadLanes(y, left)), left);
}

/** y = max(y, 0) */
function relu(y: usize, n: i32): void {
  for (let left = n; left > 0; left -= 4) {
    simd.storeLanes(y, simd.relu(simd.loadLanes(y, left)), left);
    y += 16;
  }
}

@unmanaged
class DenseInputGradientArgs {
  dy: usize;
  w: usize;
  /** Output of the ReLU that made the layer's input; 0: none. */
  mask: usize;
  dx: usize;
  inputs: i32;
  outputs: i32;
  /** Inputs that a task computes. */
  rows: i32;
}

/**
 * dx (inputs) = w (inputs, outputs) dy (outputs), and backwards through a ReLU: zero where mask (inputs) is not positive, and there
 * w is not even read. dx is overwritten. Task = range of inputs.
 */
export function denseInputGradient(args: DenseInputGradientArgs, task: i32, _scratch: usize): void {
  const last = min(args.inputs, (task + 1) * args.rows);
  for (let i = task * args.rows; i < last; i++) {
    const open = args.mask === 0 || load<f32>(args.mask + 4 * <usize>i) > 0;
    const sum = open ? dot(args.w + 4 * <usize>i * <usize>args.outputs, args.dy, args.outputs) : 0;
    store<f32>(args.dx + 4 * <usize>i, sum);
  }
}

/** a (n) . b (n) */
function dot(a: usize, b: usize, n: i32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let left = n;
  for (; left >= 16; left -= 16) {
    s0 = simd.madd(v128.load(a), v128.load(b), s0);
    s1 = simd.madd(v128.load(a, 16), v128.load(b, 16), s1);
    s2 = simd.madd(v128.load(a, 32), v128.load(b, 32), s2);
    s3 = simd.madd(v128.load(a, 48), v128.load(b, 48), s3);
    a += 64;
    b += 64;
  }
  for (; left > 0; left -= 4) {
    s0 = simd.madd(simd.loadLanes(a, left), simd.loadLanes(b, left), s0);
    a += 16;
    b += 16;
  }
  return simd.sum(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
}
