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
