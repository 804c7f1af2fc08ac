/**
 * The windows of a convolution or pool, in the coordinates of the views x and y: output (i, j) of y sees the rows
 * stride i + dilation a + startY of x for tap rows a = 0 .., and the columns stride j + dilation e + startX for tap columns e. x and y have
 * sizes of their own. Starts may be negative or beyond x: what lies outside x is padding.
 */
export interface WindowCall {
  readonly stride: number;
  readonly dilation: number;
  readonly startY: number;
  readonly startX: number;
}

/** Taps of a window. */
export interface Taps {
  readonly rows: number;
  readonly columns: number;
}

/** y = min(max(y, low), high), NaN kept, while results are stored: ReLU is 0 .. Infinity, ReLU6 is 0 .. 6. */
export interface Clip {
  readonly low: number;
  readonly high: number;
}
