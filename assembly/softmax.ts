@unmanaged
class SoftmaxArgs {
  x: usize;
  y: usize;
  columns: i32;
}

/** y (rows, columns) = exp(x - max x) / sum, row by row, summed in float64. y is overwritten and may be x. Task = row. */
export function softmax(args: SoftmaxArgs, task: i32, _scratch: usize): void {
  const n = args.columns;
  const x = args.x + 4 * <usize>(task * n);
  const y = args.y + 4 * <usize>(task * n);
  const most = largest(x, n);
  const sum = sumOfExp(x, n, most);
  for (let i = 0; i < n; i++) {
    const p = exp(<f64>load<f32>(x + 4 * <usize>i) - <f64>most) / sum;
    store<f32>(y + 4 * <usize>i, <f32>p);
  }
}

@unmanaged
class SoftmaxBackwardArgs {
  y: usize;
  dy: usize;
  dx: usize;
  columns: i32;
}

/** dx (rows, columns) = y (dy - sum_j y_j dy_j), y being softmax's output. dx is overwritten and may be dy. Task = row. */
export function softmaxBackward(args: SoftmaxBackwardArgs, task: i32, _scratch: usize): void {
  const n = args.columns;
  const row: usize = 4 * task * n;
  let sum: f64 = 0;
  for (let i = 0; i < n; i++) {
    const at: usize = row + 4 * i;
    sum += <f64>load<f32>(args.y + at) * <f64>load<f32>(args.dy + at);
  }
  for (let i = 0; i < n; i++) {
    const at: usize = row + 4 * i;
    store<f32>(args.dx + at, <f32>(<f64>load<f32>(args.y + at) * (<f64>load<f32>(args.dy + at) - sum)));
  }
}

@unmanaged
class CrossEntropyArgs {
  x: usize;
  targets: usize;
  loss: usize;
  columns: i32;
}

/**
 * loss (rows) = sum_j t_j (log sum_i e^x_i - x_j): the cross-entropy of softmax(x) with the targets t, without overflow, in float64.
 * x, targets (rows, columns). A target of zero asks nothing of its logit, not even to be finite. Task = row.
 */
export function softmaxCrossEntropy(args: CrossEntropyArgs, task: i32, _scratch: usize): void {
  const n = args.columns;
  const x = args.x + 4 * <usize>(task * n);
  const targets = args.targets + 4 * <usize>(task * n);
  const most = largest(x, n);
  const logarithm = log(sumOfExp(x, n, most));
  let loss: f64 = 0;
  for (let i = 0; i < n; i++) {
    const t = <f64>load<f32>(targets + 4 * <usize>i);
    if (t !== 0) loss += t * (logarithm - (<f64>load<f32>(x + 4 * <usize>i) - <f64>most));
  }
  store<f32>(args.loss + 4 * <usize>task, <f32>loss);
}

@unmanaged
class CrossEntropyBackwardArgs {
  x: usize;
  targets: usize;
  /** (rows); 0: all one. */
  dy: usize;
  dx: usize;
  columns: i32;
}

/**
 * dx (rows, columns) = dy (softmax(x) sum_j t_j - t), dy (rows) being the gradient at softmaxCrossEntropy's losses. dx is overwritten
 * and may be x or the targets. Task = row.
 */
export function softmaxCrossEntropyBackward(args: CrossEntropyBackwardArgs, task: i32, _scratch: usize): void {
  const n = args.columns;
  const row: usize = 4 * task * n;
  const x = args.x + row;
  const targets = args.targets + row;
  const most = largest(x, n);
  const sum = sumOfExp(x, n, most);
  const dy: f64 = args.dy ? <f64>load<f32>(args.dy + 4 * <usize>task) : 1;
  let whole: f64 = 0;
  for (let i = 0; i < n; i++) whole += <f64>load<f32>(targets + 4 * <usize>i);
  for (let i = 0; i < n; i++) {
    const at: usize = 4 * i;
    const p = exp(<f64>load<f32>(x + at) - <f64>most) / sum;
    store<f32>(args.dx + row + at, <f32>(dy * (p * whole - <f64>load<f32>(targets + at))));
  }
}

/** The largest of n numbers; NaN where there is one. */
function largest(x: usize, n: i32): f32 {
  let most: f32 = load<f32>(x);
  for (let i = 1; i < n; i++) most = max(most, load<f32>(x + 4 * <usize>i));
  return most;
}

/** Sum of e^(x - most), at least one. */
function sumOfExp(x: usize, n: i32, most: f32): f64 {
  let sum: f64 = 0;
  for (let i = 0; i < n; i++) sum += exp(<f64>load<f32>(x + 4 * <usize>i) - <f64>most);
  return sum;
}

/**
 * e^x for x <= 0 (fdlibm's e_exp.c: x = k ln 2 + r, rational approximation on |r| <= ln 2 / 2; error below one unit in the last
 * place). Our own, because AssemblyScript's reads a table, and a module that threads share must have no static data, and because
 * engines' Math.exp differ in the last bit.
 */
function exp(x: f64): f64 {
  if (x < -700) return 0; // below every float32, and spares 2^k the subnormals
  if (x !== x) return x;
  const k = nearest(x * Math.LOG2E);
  const high = x - k * 6.9314718036912381649e-1;
  const low = k * 1.90821492927058770002e-10;
  const r = high - low;
  const t = r * r;
  const p =
    r -
    t *
      (1.66666666666666019037e-1 +
        t *
          (-2.77777777770155933842e-3 +
            t * (6.61375632143793436117e-5 + t * (-1.6533902205465251539e-6 + t * 4.13813679705723846039e-8))));
  const y = 1 + ((r * p) / (2 - p) - low + high);
  return y * reinterpret<f64>((<i64>k + 1023) << 52);
}

/** Natural logarithm of x >= 1 (fdlibm's e_log.c; error below one unit in the last place). Our own for the same reasons. */
function log(x: f64): f64 {
  if (!(x < Infinity)) return x;
  const bits = reinterpret<i64>(x) + (0x3ff0000000000000 - 0x3fe6a09e00000000);
  const k = <f64>((bits >> 52) - 1023);
  const f = reinterpret<f64>((bits & 0x000fffffffffffff) + 0x3fe6a09e00000000) - 1; // sqrt(1/2) <= 1 + f < sqrt(2)
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const even = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1));
  const odd =
    z *
    (6.66666666666673513e-1 +
      w * (2.857142874366239149e-1 + w * (1.818357216161805012e-1 + w * 1.479819860511658591e-1)));
  const half = 0.5 * f * f;
  return s * (half + odd + even) + k * 1.90821492927058770002e-10 - half + f + k * 6.9314718036912381649e-1;
}
