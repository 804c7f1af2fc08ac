/** Averages over a lattice in float64, written down from their definitions: each point's window in two dimensions. */

/** The weight of a point `distance` away in one direction. */
type Weight = (distance: number) => number;

const box =
  (period: number): Weight =>
  (distance) =>
    distance < period / 2 ? 1 : distance === period / 2 ? 0.5 : 0;

/** Half as high half a period away; nothing beyond four standard deviations. */
const gaussian =
  (period: number): Weight =>
  (distance) =>
    distance > (4 * period) / Math.sqrt(8 * Math.log(2)) ? 0 : 2 ** -((distance / (period / 2)) ** 2);

function average(map: ArrayLike<number>, size: number, weight: Weight): Float64Array {
  const values = new Float64Array(map);
  const weights = Float64Array.from({ length: size }, (_, distance) => weight(distance));
  return Float64Array.from({ length: size * size }, (_, i) => {
    const [y, x] = [Math.floor(i / size), i % size];
    let [sum, total] = [0, 0];
    for (let row = 0; row < size; row++)
      for (let column = 0; column < size; column++) {
        const share = weights[Math.abs(row - y)] * weights[Math.abs(column - x)];
        sum += share * values[row * size + column];
        total += share;
      }
    return sum / total;
  });
}

export const referenceSmoothing: Record<
  'box' | 'phases' | 'gaussian',
  (map: ArrayLike<number>, size: number, period: number) => Float64Array
> = {
  box: (map, size, period) => average(map, size, box(period)),
  gaussian: (map, size, period) => average(map, size, gaussian(period)),
  phases: (map, size, period) => {
    let left: Float64Array = Float64Array.from(map);
    for (const rate of [16, 8, 4, 2]) if (rate <= period) left = average(left, size, box(rate));
    return left;
  },
};

/** Map number i is that of the picture moved by `shifts[i]`: the mean of those that have a point, each moved back. */
export function referenceShiftedMean(
  maps: readonly ArrayLike<number>[],
  size: number,
  shifts: readonly (readonly [down: number, right: number])[],
): Float64Array {
  return Float64Array.from({ length: size * size }, (_, i) => {
    const values = shifts.flatMap(([down, right], n) => {
      const [y, x] = [Math.floor(i / size) + down, (i % size) + right];
      return y >= 0 && y < size && x >= 0 && x < size ? [maps[n][y * size + x]] : [];
    });
    return values.reduce((a, b) => a + b, 0) / values.length;
  });
}

/** (size, size, 3) moved, with 0 where nothing was. */
export function referenceShift(
  input: ArrayLike<number>,
  size: number,
  [down, right]: readonly [number, number],
): Float64Array {
  return Float64Array.from({ length: size * size * 3 }, (_, i) => {
    const [y, x] = [Math.floor(i / 3 / size) - down, (Math.floor(i / 3) % size) - right];
    return y >= 0 && y < size && x >= 0 && x < size ? input[(y * size + x) * 3 + (i % 3)] : 0;
  });
}

/** The shifts, written out: a period's rows once each, from the first on and from half of it on to the other side. */
export const referenceShifts: Record<number, readonly (readonly [number, number])[]> = {
  2: [
    [0, 0],
    [-1, -1],
  ],
  4: [
    [0, 0],
    [1, 1],
    [-2, -2],
    [-1, -1],
  ],
  8: [
    [0, 0],
    [1, -3],
    [2, 2],
    [3, -1],
    [-4, -4],
    [-3, 1],
    [-2, -2],
    [-1, 3],
  ],
  16: [
    [0, 0],
    [1, 5],
    [2, -6],
    [3, -1],
    [4, 4],
    [5, -7],
    [6, -2],
    [7, 3],
    [-8, -8],
    [-7, -3],
    [-6, 2],
    [-5, 7],
    [-4, -4],
    [-3, 1],
    [-2, 6],
    [-1, -5],
  ],
};
