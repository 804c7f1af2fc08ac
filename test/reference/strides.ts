import type { Window } from '../../src/graph/graph.js';
import type { PlainMap } from './graph/types.js';

/** Windows with a stride down and one across, computed as windows of stride 1 of which most are left out. */
export interface Strided {
  readonly window: Omit<Window, 'stride'>;
  readonly strides: readonly [number, number];
  /** Rows, columns and channels of the output. */
  readonly h: number;
  readonly w: number;
  readonly c: number;
}

const ORIGIN = [0, 0] as const;

/** The window of stride 1, and the output that it makes. */
function dense({ window, strides, h, w, c }: Strided) {
  const shape = { h: (h - 1) * strides[0] + 1, w: (w - 1) * strides[1] + 1, c };
  return { shape, placed: { window: { ...window, stride: 1 }, delay: ORIGIN } };
}

type Dense = ReturnType<typeof dense>;

/** The outputs of windows with two strides, from what computes those of stride 1. */
export function strided(o: Strided, compute: (d: Dense) => Float64Array): Float64Array {
  const d = dense(o);
  const all = compute(d);
  return Float64Array.from({ length: o.h * o.w * o.c }, (_, at) => all[placeIn(o, d.shape.w, at)]);
}

/** Gradients at the outputs of windows with two strides, as gradients at those of stride 1; zeros elsewhere. */
export function stridedBackward(o: Strided, dy: ArrayLike<number>): Dense & { dy: PlainMap } {
  const d = dense(o);
  const data = new Float64Array(d.shape.h * d.shape.w * o.c);
  for (let at = 0; at < dy.length; at++) data[placeIn(o, d.shape.w, at)] = dy[at];
  return { ...d, dy: { ...d.shape, data } };
}

function placeIn({ strides, w, c }: Strided, width: number, at: number): number {
  const [i, j, k] = [Math.floor(at / (w * c)), Math.floor(at / c) % w, at % c];
  return (i * strides[0] * width + j * strides[1]) * c + k;
}
