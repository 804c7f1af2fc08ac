import type { View, WindowCall } from '../job.js';

export type { Clip, WindowCall } from '../job.js';

/** Taps of a window. */
export interface Taps {
  readonly rows: number;
  readonly columns: number;
}

/** Number of taps of a window. */
export const tapsOf = ({ rows, columns }: Taps): number => rows * columns;

/** Phases that a kernel computes one by one, down and across. */
export interface Phases {
  readonly phasesY: number;
  readonly phasesX: number;
}

/**
 * The phases of a dilated window's outputs: neighbours in a phase see much of the same pixels, which lie in the cache then. One tap
 * needs none.
 */
export const phasesOf = ({ rows, columns }: Taps, dilation: number): Phases => ({
  phasesY: rows > 1 ? dilation : 1,
  phasesX: columns > 1 ? dilation : 1,
});

/** How many phases there are of `y`, and the rows and columns of the largest; `spread` as in the fields. */
export function phaseSizes(y: View, { phasesY, phasesX }: Phases, spread = 1) {
  const [down, across] = [phasesY * spread, phasesX * spread];
  return {
    phases: Math.min(down, y.h) * Math.min(across, y.w),
    h: Math.ceil(y.h / down),
    w: Math.ceil(y.w / across),
  };
}

/** The fields of a kernel whose outputs `y` see windows of `x`: row i sees row (stride i + dilation a + startY) / spread under tap row a. */
export const windowFields = (
  x: View,
  y: View,
  { rows, columns }: Taps,
  { stride, dilation, startY, startX }: WindowCall,
  { phasesY, phasesX }: Phases,
  spread = 1,
) => ({
  h: x.h,
  w: x.w,
  outH: y.h,
  outW: y.w,
  rows,
  columns,
  stride,
  spread,
  dilation,
  startY,
  startX,
  phasesY,
  phasesX,
});
