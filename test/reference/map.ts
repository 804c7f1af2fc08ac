/** A dense (h, w, c) map. */
export interface Map3 {
  readonly data: ArrayLike<number>;
  readonly h: number;
  readonly w: number;
  readonly c: number;
}

type Size = Omit<Map3, 'data'>;

/** Where element `at` of a map of `size` lies in a map of rate x rate vectors that is spread over it, by (row mod rate, column mod rate). */
export function placeInSpread(at: number, { w, c }: Size, rate: number): number {
  const [i, j, k] = [Math.floor(at / (w * c)), Math.floor(at / c) % w, at % c];
  return ((i % rate) * rate + (j % rate)) * c + k;
}

/** A map of rate x rate vectors (rate, rate, c) spread over a map of `size`, in float64. */
export const spread = (vectors: ArrayLike<number>, size: Size, rate: number): Float64Array =>
  Float64Array.from({ length: size.h * size.w * size.c }, (_, at) => vectors[placeInSpread(at, size, rate)]);

/** (rate, rate, c): the sums of the elements of a map over which `spread` would lay each of its vectors, in float64. */
export function spreadSum({ data, ...size }: Map3, rate: number): Float64Array {
  const sums = new Float64Array(rate * rate * size.c);
  for (let at = 0; at < data.length; at++) sums[placeInSpread(at, size, rate)] += data[at];
  return sums;
}
