export type { Clip, WindowCall } from '../job.js';

/** Taps of a window. */
export interface Taps {
  readonly rows: number;
  readonly columns: number;
}
