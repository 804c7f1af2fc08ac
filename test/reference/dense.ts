/** c (m, n) = a (m, k) b (k, n) + bias (n), all dense, in float64. */
export function multiply(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  m: number,
  k: number,
  n: number,
  bias: ArrayLike<number> = new Float64Array(n),
): Float64Array {
  const [left, right, start] = [new Float64Array(a), new Float64Array(b), new Float64Array(bias)]; // one type, whoever calls
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = start[j];
      for (let p = 0; p < k; p++) sum += left[i * k + p] * right[p * n + j];
      c[i * n + j] = sum;
    }
  return c;
}

/** The transpose (cols, rows) of a dense (rows, cols) matrix. */
export function transposed(a: ArrayLike<number>, rows: number, cols: number): Float64Array {
  const t = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) t[j * rows + i] = a[i * cols + j];
  return t;
}

/** softmax of each row of x (rows, cols), in float64. */
export function softmax(x: ArrayLike<number>, rows: number, cols: number): Float64Array {
  const y = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    const row = Array.from({ length: cols }, (_, j) => x[i * cols + j]);
    const most = Math.max(...row);
    const sum = row.reduce((total, value) => total + Math.exp(value - most), 0);
    for (let j = 0; j < cols; j++) y[i * cols + j] = Math.exp(row[j] - most) / sum;
  }
  return y;
}

/** Gradient of softmax at its input: the product of dy with the Jacobian diag(y) - y y', row by row. */
export function softmaxBackward(y: ArrayLike<number>, dy: ArrayLike<number>, rows: number, cols: number): Float64Array {
  const dx = new Float64Array(rows * cols);
  for (let r = 0; r < rows * cols; r += cols)
    for (let i = 0; i < cols; i++)
      for (let j = 0; j < cols; j++) dx[r + i] += dy[r + j] * y[r + j] * ((i === j ? 1 : 0) - y[r + i]);
  return dx;
}

/**
 * Cross-entropy of softmax(x) with targets t, both (rows, cols): loss (rows) = -sum_j t_j log softmax(x)_j; and dx, its gradient at x
 * for dy (rows). In float64.
 */
export function crossEntropy(
  x: ArrayLike<number>,
  targets: ArrayLike<number>,
  dy: ArrayLike<number>,
  rows: number,
  cols: number,
): { loss: Float64Array; dx: Float64Array } {
  const loss = new Float64Array(rows);
  const dx = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    const row = Array.from({ length: cols }, (_, j) => x[r * cols + j]);
    const most = Math.max(...row);
    const logSum = most + Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0));
    const probabilities = row.map((value) => Math.exp(value - logSum));
    for (let j = 0; j < cols; j++) {
      const t = targets[r * cols + j];
      loss[r] += t * (logSum - row[j]);
      for (let i = 0; i < cols; i++) dx[r * cols + i] += dy[r] * t * (probabilities[i] - (i === j ? 1 : 0));
    }
  }
  return { loss, dx };
}
