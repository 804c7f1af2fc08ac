import type { Rect } from '../base/types.js';
import { checkCount, checkMap, type GreyMap, refuse } from './map.js';
import { boxIou } from './regions.js';

/** How well the boxes that a map draws at each threshold fit the object's. */
export interface BoxCurve {
  /** Threshold k draws what exceeds k / thresholds of the map's largest value. */
  readonly thresholds: number;
  /** Intersection over union of the largest piece's box, one a threshold. */
  readonly largest: Float64Array;
  /** The best of all pieces' boxes, one a threshold. */
  readonly any: Float64Array;
}

/**
 * A picture's part of the best-box accuracy: the map is cut at each threshold, the pieces (points that touch, also at corners) get boxes,
 * and those are compared with the object's.
 *
 * A map without positive values, or of equal ones, draws the whole picture at every threshold.
 *
 * @param map (height, width) finite numbers; negative ones count as 0
 * @param boxes the object's, or several of which the best fits, in the map's pixels
 * @param thresholds default 100: 0, 0.01 ... 0.99 of the largest value
 * @throws AtrousCamError BAD_ARGUMENT
 * @example
 * const curve = boxCurve(map, { x: 40, y: 30, width: 100, height: 120 });
 * curve.largest[30]; // of the largest piece over 30 % of the map's largest value
 */
export function boxCurve(map: GreyMap, boxes: Rect | readonly Rect[], { thresholds = 100 } = {}): BoxCurve {
  checkMap('boxCurve', map);
  checkCount('boxCurve', 'thresholds', thresholds);
  const wanted = Array.isArray(boxes) ? (boxes as readonly Rect[]) : [boxes as Rect];
  if (!wanted.some(({ width, height }) => width * height > 0)) refuse('boxCurve', 'a box with an area', 'none');
  const fit = (box: Rect) => Math.max(...wanted.map((one) => boxIou(box, one)));
  const [largest, any] = [new Float64Array(thresholds), new Float64Array(thresholds)];
  const { width, height, data } = map;
  const most = data.length > 0 ? largestOf(data) : 0;
  if (!(most > 0)) {
    const whole = fit({ x: 0, y: 0, width, height });
    return { thresholds, largest: largest.fill(whole), any: any.fill(whole) };
  }
  const order = Uint32Array.from(data, (_, i) => i).sort((a, b) => data[b] - data[a]);
  const pieces = new Pieces(width, height);
  let added = 0;
  for (let k = thresholds - 1; k >= 0; k--) {
    for (; added < order.length && data[order[added]] > (k / thresholds) * most; added++) pieces.add(order[added]);
    largest[k] = fit(pieces.boxOf(pieces.largest));
    for (const root of pieces.roots) any[k] = Math.max(any[k], fit(pieces.boxOf(root)));
  }
  return { thresholds, largest, any };
}

function largestOf(data: ArrayLike<number>): number {
  let most = -Infinity;
  for (let i = 0; i < data.length; i++) most = Math.max(most, data[i]);
  return most;
}

/** Connected pieces that grow point by point (union-find), each with its size and box. */
class Pieces {
  readonly roots = new Set<number>();
  readonly #parent: Int32Array;
  readonly #size: Uint32Array;
  readonly #bounds: [x0: Int32Array, y0: Int32Array, x1: Int32Array, y1: Int32Array];

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    const n = width * height;
    this.#parent = new Int32Array(n).fill(-1);
    this.#size = new Uint32Array(n);
    this.#bounds = [new Int32Array(n), new Int32Array(n), new Int32Array(n), new Int32Array(n)];
  }

  add(point: number): void {
    const [x, y] = [point % this.width, Math.floor(point / this.width)];
    this.#parent[point] = point;
    this.#size[point] = 1;
    [x, y, x, y].forEach((value, i) => {
      this.#bounds[i][point] = value;
    });
    this.roots.add(point);
    for (let row = Math.max(0, y - 1); row <= Math.min(this.height - 1, y + 1); row++)
      for (let column = Math.max(0, x - 1); column <= Math.min(this.width - 1, x + 1); column++) {
        const neighbour = row * this.width + column;
        if (this.#parent[neighbour] >= 0) this.#join(point, neighbour);
      }
  }

  /** The piece of most points; of equal ones the topmost, then leftmost box. */
  get largest(): number {
    const [x0, y0] = this.#bounds;
    let best = -1;
    for (const root of this.roots) {
      const more = best < 0 ? 1 : this.#size[root] - this.#size[best] || y0[best] - y0[root] || x0[best] - x0[root];
      if (more > 0) best = root;
    }
    return best;
  }

  boxOf(root: number): Rect {
    const [x0, y0, x1, y1] = this.#bounds.map((bound) => bound[root]);
    return { x: x0, y: y0, width: x1 - x0 + 1, height: y1 - y0 + 1 };
  }

  #join(a: number, b: number): void {
    let [root, other] = [this.#find(a), this.#find(b)];
    if (root === other) return;
    if (this.#size[root] < this.#size[other]) [root, other] = [other, root];
    this.#parent[other] = root;
    this.#size[root] += this.#size[other];
    const [x0, y0, x1, y1] = this.#bounds;
    x0[root] = Math.min(x0[root], x0[other]);
    y0[root] = Math.min(y0[root], y0[other]);
    x1[root] = Math.max(x1[root], x1[other]);
    y1[root] = Math.max(y1[root], y1[other]);
    this.roots.delete(other);
  }

  #find(point: number): number {
    const parent = this.#parent;
    let at = point;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]];
      at = parent[at];
    }
    return at;
  }
}

/** Which of a map's boxes counts: the largest piece's (MaxBoxAcc), or whichever fits best (MaxBoxAccV2). */
export type Pieced = 'largest' | 'any';

/** Accuracy at the threshold that is best for the whole data set. */
export interface BoxAccuracy {
  /** Share of the pictures whose box reaches the intersection over union. */
  accuracy: number;
  /** The threshold, as a share of each map's largest value. */
  threshold: number;
}

/**
 * Best-box accuracy (Choe et al. 2020): the share of pictures whose box reaches `iou`, at the one threshold that is
 * best for all of them. With `largest` at 0.5 it is MaxBoxAcc; the mean of `any` at 0.3, 0.5 and 0.7 is MaxBoxAccV2.
 * Unlike there the size of a piece is its number of points, thresholds are not rounded to bytes, and boxes end behind
 * their last pixel.
 *
 * @param curves one a picture, all of as many thresholds
 * @param chosen the pictures that count, by index, repeated ones as often; default each once
 * @example
 * const curves = [boxCurve(map, { x: 40, y: 30, width: 100, height: 120 })]; // one a picture
 * boxAccuracy(curves, 0.5, 'largest').accuracy; // MaxBoxAcc
 */
export function boxAccuracy(
  curves: readonly BoxCurve[],
  iou: number,
  pieces: Pieced = 'any',
  chosen: ArrayLike<number> = curves.map((_, i) => i),
): BoxAccuracy {
  return boxAccuracyOf(curves, iou, pieces)(chosen);
}

/** `boxAccuracy` for many choices of pictures. */
export function boxAccuracyOf(
  curves: readonly BoxCurve[],
  iou: number,
  pieces: Pieced,
): (chosen: ArrayLike<number>) => BoxAccuracy {
  if (curves.length === 0) refuse('boxAccuracy', 'at least one picture', 'none');
  const { thresholds } = curves[0];
  const reached = curves.map((curve) => {
    if (curve.thresholds === thresholds) return Uint8Array.from(curve[pieces], (fit) => (fit >= iou ? 1 : 0));
    return refuse('boxAccuracy', `${thresholds} thresholds in all curves`, curve.thresholds);
  });
  return (chosen) => {
    const hits = new Uint32Array(thresholds);
    for (let i = 0; i < chosen.length; i++) {
      const own = reached[chosen[i]];
      for (let k = 0; k < thresholds; k++) hits[k] += own[k];
    }
    const best = hits.indexOf(hits.reduce((a, b) => Math.max(a, b)));
    return { accuracy: hits[best] / chosen.length, threshold: best / thresholds };
  };
}
