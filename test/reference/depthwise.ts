import type { Map3 } from './map.js';

export interface DepthwiseShape {
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
  readonly dilation: number;
  readonly startY: number;
  readonly startX: number;
  /** Rows and columns of the output. */
  readonly h: number;
  readonly w: number;
}

/**
 * A depthwise convolution rounded to float32 after each product and each sum, from the bias on by tap rows, then tap columns: the bits that
 * plain SIMD must give.
 */
export function depthwiseInFloat32(
  { data, h: xh, w: xw, c }: Map3,
  kernel: Float32Array,
  bias: Float32Array,
  { rows, columns, stride, dilation, startY, startX, h, w }: DepthwiseShape,
): Float32Array {
  const { fround } = Math;
  const y = new Float32Array(h * w * c);
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++)
      for (let k = 0; k < c; k++) {
        let sum = bias[k];
        for (let a = 0; a < rows; a++) {
          const r = stride * i + dilation * a + startY;
          if (r < 0 || r >= xh) continue;
          for (let e = 0; e < columns; e++) {
            const s = stride * j + dilation * e + startX;
            if (s < 0 || s >= xw) continue;
            sum = fround(sum + fround(data[(r * xw + s) * c + k] * kernel[(a * columns + e) * c + k]));
          }
        }
        y[(i * w + j) * c + k] = sum;
      }
  return y;
}
