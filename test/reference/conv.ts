import type { Map3 } from './map.js';

/**
 * A convolution with zeros beyond the map: output (i, j) of h x w sees rows stride i + dilation a + startY and columns
 * stride j + dilation e + startX of the input under the taps a < rows, e < columns.
 */
export interface ConvShape {
  readonly rows: number;
  readonly columns: number;
  readonly cout: number;
  readonly stride: number;
  readonly dilation: number;
  readonly startY: number;
  readonly startX: number;
  readonly h: number;
  readonly w: number;
}

/** A 3x3 window around each pixel of a map. */
export const same3x3 = ({ h, w }: Pick<Map3, 'h' | 'w'>, cout: number, dilation: number): ConvShape => ({
  rows: 3,
  columns: 3,
  cout,
  stride: 1,
  dilation,
  startY: -dilation,
  startX: -dilation,
  h,
  w,
});

/** y (h, w, cout) = the convolution of x by weights (rows, columns, cin, cout), plus bias (cout), in float64, as plain as can be. */
export function conv(x: Map3, weights: ArrayLike<number>, bias: ArrayLike<number>, shape: ConvShape): Float64Array {
  const { rows, columns, cout, stride, dilation, startY, startX, h, w } = shape;
  const { h: height, w: width, c: cin } = x; // the loops read locals of one type, whatever object or array a caller has
  const [data, kernel, begin] = [new Float64Array(x.data), new Float64Array(weights), new Float64Array(bias)];
  const y = new Float64Array(h * w * cout);
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const to = (i * w + j) * cout;
      for (let k = 0; k < cout; k++) y[to + k] = begin[k];
      for (let a = 0; a < rows; a++)
        for (let e = 0; e < columns; e++) {
          const r = stride * i + dilation * a + startY;
          const s = stride * j + dilation * e + startX;
          if (r < 0 || r >= height || s < 0 || s >= width) continue;
          for (let c = 0; c < cin; c++) {
            const value = data[(r * width + s) * cin + c];
            const tap = ((a * columns + e) * cin + c) * cout;
            for (let k = 0; k < cout; k++) y[to + k] += value * kernel[tap + k];
          }
        }
    }
  return y;
}

/** The gradients of `conv` at input, weights and bias, from dy (h, w, cout). */
export function convBackward(
  x: Map3,
  weights: ArrayLike<number>,
  dy: ArrayLike<number>,
  shape: ConvShape,
): { dx: Float64Array; dw: Float64Array; db: Float64Array } {
  const { rows, columns, cout, stride, dilation, startY, startX, h, w } = shape;
  const { h: height, w: width, c: cin } = x;
  const [data, kernel, gradient] = [new Float64Array(x.data), new Float64Array(weights), new Float64Array(dy)];
  const dx = new Float64Array(height * width * cin);
  const dw = new Float64Array(kernel.length);
  const db = new Float64Array(cout);
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const from = (i * w + j) * cout;
      for (let k = 0; k < cout; k++) db[k] += gradient[from + k];
      for (let a = 0; a < rows; a++)
        for (let e = 0; e < columns; e++) {
          const r = stride * i + dilation * a + startY;
          const s = stride * j + dilation * e + startX;
          if (r < 0 || r >= height || s < 0 || s >= width) continue;
          for (let c = 0; c < cin; c++) {
            const at = (r * width + s) * cin + c;
            const tap = ((a * columns + e) * cin + c) * cout;
            for (let k = 0; k < cout; k++) {
              dx[at] += gradient[from + k] * kernel[tap + k];
              dw[tap + k] += gradient[from + k] * data[at];
            }
          }
        }
    }
  return { dx, dw, db };
}

/** A 3x3 convolution with zero padding 'same', and ReLU if asked for. */
export function conv3x3(
  x: Map3,
  w: ArrayLike<number>,
  b: ArrayLike<number>,
  cout: number,
  { dilation, relu }: { dilation: number; relu: boolean },
): Float64Array {
  const y = conv(x, w, b, same3x3(x, cout, dilation));
  return relu ? y.map((sum) => Math.max(0, sum)) : y;
}

/** The gradients of `conv3x3` without its ReLU. */
export const conv3x3Backward = (
  x: Map3,
  w: ArrayLike<number>,
  dy: ArrayLike<number>,
  cout: number,
  dilation: number,
): { dx: Float64Array; dw: Float64Array; db: Float64Array } => convBackward(x, w, dy, same3x3(x, cout, dilation));
