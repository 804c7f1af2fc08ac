import type { Grid } from '../plan/modes.js';

/** What a layer-wise method works on: activations and the score's gradient at them, (height, width, channels) each. */
export interface Field {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly activation: Float32Array;
  /** Empty for methods that need none. */
  readonly gradient: Float32Array;
}

/** The points (row + period i, column + period j) of a field: with period 1 all of them, otherwise a phase. */
export interface Points {
  readonly field: Field;
  readonly period: number;
  readonly row: number;
  readonly column: number;
  /** Points of this map for each point that the pooled network has: 1 but for a score that is a mean over phases. */
  readonly density: number;
}

/** Gives the event loop its turn where that is due; rejects where the call was aborted. */
export type Pause = () => Promise<void> | undefined;

/** All points of a field. */
export const allPoints = (field: Field, density = 1): Points => ({ field, period: 1, row: 0, column: 0, density });

/** The phases of a field whose points `period` apart belong together, row by row. */
export const phasesOf = (field: Field, period: number): Points[] =>
  Array.from({ length: period * period }, (_, i) => ({
    field,
    period,
    row: Math.floor(i / period),
    column: i % period,
    density: 1,
  }));

/** Row and column of the own phase among those of a map. */
export const ownPhaseOf = ({ low, spacing }: Grid): readonly [number, number] => [-low[0] / spacing, -low[1] / spacing];

export const countOf = ({ field, period, row, column }: Points): number =>
  Math.ceil((field.height - row) / period) * Math.ceil((field.width - column) / period);

/** Calls `visit` with the index of each point's first channel. */
export async function eachPoint(points: Points, pause: Pause, visit: (at: number) => void): Promise<void> {
  const { field, period, row, column } = points;
  for (let y = row; y < field.height; y += period) {
    for (let x = column; x < field.width; x += period) visit((y * field.width + x) * field.channels);
    const turn = pause();
    if (turn) await turn;
  }
}

/** The activations of points, dense. */
export function densePoints(points: Points): Float32Array {
  const { field, period, row, column } = points;
  const { channels, activation } = field;
  const dense = new Float32Array(countOf(points) * channels);
  let to = 0;
  for (let y = row; y < field.height; y += period)
    for (let x = column; x < field.width; x += period) {
      const at = (y * field.width + x) * channels;
      dense.set(activation.subarray(at, at + channels), to);
      to += channels;
    }
  return dense;
}
