/** A dense (h, w, c) map. */
export interface Map3 {
  readonly data: ArrayLike<number>;
  readonly h: number;
  readonly w: number;
  readonly c: number;
}
