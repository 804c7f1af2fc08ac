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
  let most: f32 = load<f32>(x);
  for (let i = 1; i < n; i++) most = max(most, load<f32>(x + 4 * <usize>i));
  let sum: f64 = 0;
  for (let i = 0; i < n; i++) sum += exp(<f64>load<f32>(x + 4 * <usize>i) - <f64>most);
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
