import type { WindowCall } from '../../src/wasm/job.js';
import type { ConvSize } from '../../src/wasm/ops/conv.js';
import type { ConvShape } from '../reference/conv.js';
import { randomFloats } from './random.js';

/** A convolution of an x.h x x.w map. */
export interface ConvCase {
  readonly x: { readonly h: number; readonly w: number };
  readonly size: ConvSize;
  readonly call: WindowCall;
  /** Rows and columns of the output. */
  readonly h: number;
  readonly w: number;
}

/** Of each case: size of x; taps; channels in and out; stride and dilation; start down and across; size of y. */
const table = `
  # one tap
  1  1    1  1     1  1    1  1      0   0    1  1
  9  7    1  1     8 17    1  1      0   0    9  7
 13 11    1  1     3  5    2  1      0   0    7  6
 13 11    1  1    64  8    3  5      1  -1    5  5
  5  6    1  1   257 64    1  1      0   0    5  6
  6  5    1  1     2  3    1  1     -2   3    9  4
  # even windows, strides that leave taps out, and strides wider than the window
  8  9    2  2     5  8    1  1      0   0    7  8
  9  8    2  3     3  2    2  1     -1   0    5  4
 10 11    2  2     8  5    3  1      0  -1    4  4
 11 10    3  2     4  9    2  2     -2  -1    6  6
 12 13    3  3     2  8    3  2     -1  -3    5  5
 12 13    3  3     8  3    3  3     -3  -2    4  5
  # 3x3 with strides, as networks have them, 'valid', and cropped
 15 14    3  3     3 17    2  1      0   0    7  7
 15 14    3  3    17  8    2  1     -1  -1    8  7
  9 10    3  3     8  8    1  1      0   0    7  8
  9 10    3  3     5  3    1  1      2   4    5  4
  7  6    3  3     1  2    1  1     -4  -3   13 12
  # larger and oblong ones
 12 11    5  5     3  8    1  1     -2  -2   12 11
 12 11    5  5    17  5    2  1     -1  -2    6  6
 23 21    7  7     3 64    2  1     -3  -3   12 11
 10 12    7  7     2  3    1  3     -9  -9   10 12
 31 27   11 11     3  8    4  1     -2  -2    7  6
  9 14    1  7     8  5    1  1      0  -3    9 14
 14  9    7  1     5  8    1  2     -6   0   14  9
 10 15    3  5     3  3    2  2     -2  -4    5  8
 10  9    9  2     1  1    1  1     -4  -1   10  9
  6  5   64 64     1  2    1  1    -31 -32    6  5
 20 18   64 64     1  1    8  1    -60 -60    8 16
  # dilations above the map, and interleaved phases
 14 14    3  3     8  8    1 16    -16 -16   14 14
 21 20    5  3     2 17    1  4     -8   4   21 20
 32 33    3  3     5  8    1  8     -8   0   32 32
  # windows that see nothing
  4  5    3  3     2  3    1  1     20  -1    3  5
  4  5    3  2     3  2    2  2    -40   9    3  3
  1  1    3  3     3  3    2  5     -6  -4    4  4
`;

/** Windows of every kind, with odd sizes. */
export const convCases: readonly ConvCase[] = table
  .split('\n')
  .map((line) => line.trim())
  .filter((line) => line && !line.startsWith('#'))
  .map((line) => {
    const [xh, xw, rows, columns, cin, cout, stride, dilation, startY, startX, h, w] = line.split(/\s+/).map(Number);
    return {
      x: { h: xh, w: xw },
      size: { rows, columns, cin, cout },
      call: { stride, dilation, startY, startX },
      h,
      w,
    };
  });

/** A title that holds all sizes. */
export const titleOfConv = ({ x, size, call, h, w }: ConvCase): string =>
  `${size.rows} x ${size.columns}, ${size.cin} -> ${size.cout} channels, stride ${call.stride}, dilation ${call.dilation}, ` +
  `from ${call.startY}, ${call.startX}: ${x.h} x ${x.w} to ${h} x ${w}`;

/** The case as the reference takes it. */
export const shapeOf = ({ size, call, h, w }: ConvCase): ConvShape => ({ ...size, ...call, h, w });

/** Random operands of a case. */
export const operandsOf = ({ x, size: { rows, columns, cin, cout }, h, w }: ConvCase) => ({
  x: randomFloats(x.h * x.w * cin, 1),
  w: randomFloats(rows * columns * cin * cout, 2),
  b: randomFloats(cout, 3),
  dy: randomFloats(h * w * cout, 4),
});
