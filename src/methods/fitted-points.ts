import type { Grid } from '../plan/modes.js';

/** Rows and columns of points of a field. */
export interface Lattice {
  readonly rows: readonly number[];
  readonly columns: readonly number[];
}

/** Points to which KPCA-CAM fits its component, at most. */
const MOST = 1024;

/** The own phase's rows and columns of a map, every n-th of them where there would be too many points. */
export function fittedAlong(size: { width: number; height: number }, { low, spacing, period }: Grid): Lattice {
  const count = (side: number) => Math.ceil(side / period);
  let every = 1;
  while (Math.ceil(count(size.height) / every) * Math.ceil(count(size.width) / every) > MOST) every++;
  const along = (side: number, axis: 0 | 1): number[] => {
    const indices: number[] = [];
    for (let at = -low[axis] / spacing; at < side; at += period * every) indices.push(at);
    return indices;
  };
  return { rows: along(size.height, 0), columns: along(size.width, 1) };
}
