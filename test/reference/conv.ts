import type { Map3 } from './map.js';

/** A 3x3 convolution with zero padding 'same', in float64, as plain as can be. w (3, 3, cin, cout), b (cout). */
export function conv3x3(
  x: Map3,
  w: ArrayLike<number>,
  b: ArrayLike<number>,
  cout: number,
  { dilation, relu }: { dilation: number; relu: boolean },
): Float64Array {
  const y = new Float64Array(x.h * x.w * cout);
  for (let i = 0; i < x.h; i++)
    for (let j = 0; j < x.w; j++)
      for (let k = 0; k < cout; k++) {
        let sum = b[k];
        for (let a = 0; a < 3; a++)
          for (let e = 0; e < 3; e++) {
            const r = i + dilation * (a - 1);
            const s = j + dilation * (e - 1);
            if (r < 0 || r >= x.h || s < 0 || s >= x.w) continue;
            for (let c = 0; c < x.c; c++)
              sum += x.data[(r * x.w + s) * x.c + c] * w[((a * 3 + e) * x.c + c) * cout + k];
          }
        y[(i * x.w + j) * cout + k] = relu ? Math.max(0, sum) : sum;
      }
  return y;
}

/** The gradients of `conv3x3` without its ReLU, in float64: dx (h, w, cin), dw (3, 3, cin, cout), db (cout). */
export function conv3x3Backward(
  x: Map3,
  w: ArrayLike<number>,
  dy: ArrayLike<number>,
  cout: number,
  dilation: number,
): { dx: Float64Array; dw: Float64Array; db: Float64Array } {
  const dx = new Float64Array(x.h * x.w * x.c);
  const dw = new Float64Array(9 * x.c * cout);
  const db = new Float64Array(cout);
  for (let i = 0; i < x.h; i++)
    for (let j = 0; j < x.w; j++)
      for (let k = 0; k < cout; k++) {
        const d = dy[(i * x.w + j) * cout + k];
        db[k] += d;
        for (let a = 0; a < 3; a++)
          for (let e = 0; e < 3; e++) {
            const r = i + dilation * (a - 1);
            const s = j + dilation * (e - 1);
            if (r < 0 || r >= x.h || s < 0 || s >= x.w) continue;
            for (let c = 0; c < x.c; c++) {
              const at = (r * x.w + s) * x.c + c;
              const weight = ((a * 3 + e) * x.c + c) * cout + k;
              dx[at] += d * w[weight];
              dw[weight] += d * x.data[at];
            }
          }
      }
  return { dx, dw, db };
}
