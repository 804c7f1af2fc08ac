import type { Pause } from './field.js';

/** Steps of the power iteration at most: enough for a second eigenvalue of 0.998 times the first. */
const STEPS = 10_000;

/** The eigenvector of the largest eigenvalue of a symmetric (n, n) matrix, by power iteration; zeros of a zero matrix. */
export async function leadingEigenvector(m: Float64Array, n: number, pause: Pause): Promise<Float64Array> {
  let largest = 0;
  for (let k = 1; k < n; k++) if (m[k * n + k] > m[largest * n + largest]) largest = k;
  let v = unit(m.slice(largest * n, (largest + 1) * n)); // M e_k with the largest spread: never orthogonal to a dominant v
  for (let step = 0; step < STEPS; step++) {
    const next = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += m[i * n + k] * v[k];
      next[i] = sum;
    }
    unit(next);
    const moved = next.reduce((most, value, k) => Math.max(most, Math.abs(value - v[k])), 0);
    v = next;
    if (moved < 1e-12) break;
    await pause();
  }
  const sum = v.reduce((a, b) => a + b, 0);
  return sum < 0 ? v.map((value) => -value) : v;
}

/** Scales to length 1, in place; zeros stay. */
function unit(v: Float64Array): Float64Array {
  const length = Math.sqrt(v.reduce((sum, value) => sum + value * value, 0));
  if (length > 0) for (let k = 0; k < v.length; k++) v[k] /= length;
  return v;
}
