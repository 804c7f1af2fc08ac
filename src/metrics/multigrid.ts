/** Weights of the neighbours: those beside and above, and those across the corner. */
const [EDGE, CORNER] = [1 / 6, 1 / 12];
/** Smoothing sweeps where no coarser level helps. */
const LAST_SWEEPS = 16;
/** A level of so few unknown points has no coarser one. */
const FEW = 16;

/**
 * The equations of `impute` on a rectangle of points, some unknown: (A x)_i = sum over its neighbours j of w_ij (x_i - x_j), where
 * known neighbours count as 0; and on the rectangles of half the size below it, which tell what smoothing here is too slow for.
 *
 * Values lie in arrays with a border of one point around the rectangle, so that every point has eight neighbours; what is no
 * unknown point holds 0 there. Jacobi's iteration, whose matrix has eigenvalues from -1/3 to 1 here, is the smoother.
 */
export class Level {
  /** Unknown points: their number in the rectangle, row by row, and their place in the arrays. */
  readonly pixels: Int32Array;
  readonly unknown: Int32Array;
  readonly #line: number;
  /** One an unknown point: the weight of its neighbours inside the rectangle. */
  readonly #diagonal: Float64Array;
  readonly #coarse: Level | undefined;
  /** The four points of the coarser level that an unknown point lies between, as places in its arrays. */
  readonly #corners: Int32Array;
  readonly #residual: Float64Array;
  /** The coarser level's right side and answer. */
  readonly #restricted: Float64Array;
  readonly #correction: Float64Array;

  constructor(
    readonly width: number,
    readonly height: number,
    isUnknown: (pixel: number) => boolean,
  ) {
    this.#line = width + 2;
    this.pixels = Int32Array.from({ length: width * height }, (_, i) => i).filter(isUnknown);
    this.unknown = this.pixels.map((pixel) => this.#place(pixel));
    const inside = this.spread(() => 1);
    this.#diagonal = Float64Array.from(this.unknown, (at) => this.around(inside, at));
    this.#residual = this.zeros();
    this.#coarse = this.#coarser(isUnknown);
    this.#restricted = this.#coarse?.zeros() ?? this.#residual;
    this.#correction = this.#coarse?.zeros() ?? this.#residual;
    this.#corners = this.#coarse ? this.#cornersIn(this.#coarse) : new Int32Array(0);
  }

  zeros(): Float64Array {
    return new Float64Array(this.#line * (this.height + 2));
  }

  /** An array of values, one a point of the rectangle. */
  spread(value: (pixel: number) => number): Float64Array {
    const values = this.zeros();
    for (let i = 0; i < this.width * this.height; i++) values[this.#place(i)] = value(i);
    return values;
  }

  /** y = A x. */
  multiply(x: Float64Array, y: Float64Array): void {
    const { unknown } = this;
    for (let i = 0; i < unknown.length; i++) {
      const at = unknown[i];
      y[at] = this.#diagonal[i] * x[at] - this.around(x, at);
    }
  }

  /** The weighted sum of a point's neighbours. */
  around(x: Float64Array, at: number): number {
    const [above, below] = [at - this.#line, at + this.#line];
    const edges = x[above] + x[below] + x[at - 1] + x[at + 1];
    const corners = x[above - 1] + x[above + 1] + x[below - 1] + x[below + 1];
    return EDGE * edges + CORNER * corners;
  }

  /** e = about the inverse of A times r: one V-cycle, symmetric, so that conjugate gradients may use it. */
  precondition(r: Float64Array, e: Float64Array): void {
    for (let i = 0; i < this.unknown.length; i++) e[this.unknown[i]] = r[this.unknown[i]] / this.#diagonal[i];
    if (this.#coarse) {
      this.#setResidual(r, e);
      this.#restrict();
      this.#coarse.precondition(this.#restricted, this.#correction);
      this.#prolong(e);
    }
    for (let sweep = this.#coarse ? 1 : LAST_SWEEPS; sweep > 0; sweep--) {
      this.#setResidual(r, e);
      for (let i = 0; i < this.unknown.length; i++)
        e[this.unknown[i]] += this.#residual[this.unknown[i]] / this.#diagonal[i];
    }
  }

  #setResidual(r: Float64Array, e: Float64Array): void {
    this.multiply(e, this.#residual);
    for (const at of this.unknown) this.#residual[at] = r[at] - this.#residual[at];
  }

  /** The transpose of `#prolong`. What lands on known points is not read. */
  #restrict(): void {
    const corners = this.#corners;
    this.#restricted.fill(0);
    for (let i = 0; i < this.unknown.length; i++) {
      const value = this.#residual[this.unknown[i]];
      for (let k = 0; k < 4; k++) this.#restricted[corners[4 * i + k]] += SHARES[k] * value;
    }
  }

  /** Adds the coarser level's answer, bilinear between its points. */
  #prolong(e: Float64Array): void {
    const corners = this.#corners;
    for (let i = 0; i < this.unknown.length; i++)
      for (let k = 0; k < 4; k++) e[this.unknown[i]] += SHARES[k] * this.#correction[corners[4 * i + k]];
  }

  /** A point of the coarser level stands for 2 x 2 points and is unknown where all of them are. */
  #coarser(isUnknown: (pixel: number) => boolean): Level | undefined {
    const [width, height] = [Math.ceil(this.width / 2), Math.ceil(this.height / 2)];
    if (this.unknown.length <= FEW || Math.min(width, height) < 2) return undefined;
    const allUnknown = (point: number) => {
      const [x, y] = [2 * (point % width), 2 * Math.floor(point / width)];
      for (let row = y; row < Math.min(y + 2, this.height); row++)
        for (let column = x; column < Math.min(x + 2, this.width); column++)
          if (!isUnknown(row * this.width + column)) return false;
      return true;
    };
    const unknown = Uint8Array.from({ length: width * height }, (_, point) => (allUnknown(point) ? 1 : 0));
    return unknown.includes(1) ? new Level(width, height, (point) => unknown[point] !== 0) : undefined;
  }

  #cornersIn(coarse: Level): Int32Array {
    const corners = new Int32Array(4 * this.pixels.length);
    this.pixels.forEach((pixel, i) => {
      const [x, y] = [pixel % this.width, Math.floor(pixel / this.width)];
      const [columns, rows] = [nearest(x, coarse.width), nearest(y, coarse.height)];
      for (let k = 0; k < 4; k++) corners[4 * i + k] = coarse.#place(rows[k >> 1] * coarse.width + columns[k & 1]);
    });
    return corners;
  }

  #place(pixel: number): number {
    return (Math.floor(pixel / this.width) + 1) * this.#line + (pixel % this.width) + 1;
  }
}

/** Bilinear shares of a point's own coarse point, the one beside, the one above or below, and the one across. */
const SHARES = [9 / 16, 3 / 16, 3 / 16, 1 / 16];

/** The coarse point that stands for a point, and the next one on its side; at the border itself again. */
function nearest(at: number, size: number): [own: number, next: number] {
  const own = at >> 1;
  const next = own + (at % 2 === 0 ? -1 : 1);
  return [own, next >= 0 && next < size ? next : own];
}
