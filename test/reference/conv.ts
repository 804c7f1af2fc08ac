import type { Map3 } from './map.js';

/** A 3x3 convolution with zero padding 'same', in float64, as plain as can be. w (3, 3, cin, cout), b (cout). */
export function conv3x3(
  x: Map3,
  w: ArrayLike<number>,
  b: ArrayLike<number>,
  cout: number,
  { dilation, relu }: { dilation: number; relu: boolean },
): Float64Array {
  const { h: height, w: width, c: cin } = x; // the loops read locals of one type, whatever object or array a caller has
  const [data, weights, bias] = [new Float64Array(x.data), new Float64Array(w), new Float64Array(b)];
  const y = new Float64Array(height * width * cout);
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++) {
      const to = (i * width + j) * cout;
      y.set(bias, to);
      for (let a = 0; a < 3; a++)
        for (let e = 0; e < 3; e++) {
          const r = i + dilation * (a - 1);
          const s = j + dilation * (e - 1);
          if (r < 0 || r >= height || s < 0 || s >= width) continue;
          for (let c = 0; c < cin; c++) {
            const value = data[(r * width + s) * cin + c];
            const row = ((a * 3 + e) * cin + c) * cout;
            for (let k = 0; k < cout; k++) y[to + k] += value * weights[row + k];
          }
        }
    }
  return relu ? y.map((sum) => Math.max(0, sum)) : y;
}

/** The gradients of `conv3x3` without its ReLU, in float64: dx (h, w, cin), dw (3, 3, cin, cout), db (cout). */
export function conv3x3Backward(
  x: Map3,
  w: ArrayLike<number>,
  dy: ArrayLike<number>,
  cout: number,
  dilation: number,
): { dx: Float64Array; dw: Float64Array; db: Float64Array } {
  const { h: height, w: width, c: cin } = x;
  const [data, weights, gradient] = [new Float64Array(x.data), new Float64Array(w), new Float64Array(dy)];
  const dx = new Float64Array(height * width * cin);
  const dw = new Float64Array(9 * cin * cout);
  const db = new Float64Array(cout);
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++) {
      const from = (i * width + j) * cout;
      for (let k = 0; k < cout; k++) db[k] += gradient[from + k];
      for (let a = 0; a < 3; a++)
        for (let e = 0; e < 3; e++) {
          const r = i + dilation * (a - 1);
          const s = j + dilation * (e - 1);
          if (r < 0 || r >= height || s < 0 || s >= width) continue;
          for (let c = 0; c < cin; c++) {
            const at = (r * width + s) * cin + c;
            const row = ((a * 3 + e) * cin + c) * cout;
            for (let k = 0; k < cout; k++) {
              dx[at] += gradient[from + k] * weights[row + k];
              dw[row + k] += gradient[from + k] * data[at];
            }
          }
        }
    }
  return { dx, dw, db };
}
