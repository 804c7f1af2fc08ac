import { STRUCT_FIELDS } from '../assembly.js';
import { fieldValues, type Job, job } from '../job.js';
import type { Batch } from './batch.js';

/** Fields of the kernel's `Draw`. */
export const DRAW_FIELDS = Object.keys(STRUCT_FIELDS.Draw).length;
/** Draws of a picture. */
export const DRAWS = 2;

/** A rectangle of the network's input and what is drawn there. */
export interface Draw {
  /** Where the output's pixel (0, 0) lies on the source, in its pixels counted from their centres, and the step from one to the next. */
  readonly x: number;
  readonly y: number;
  readonly dx: number;
  readonly dy: number;
  /** byte = gain byte + offset, held inside 0 .. 255. */
  readonly gain: number;
  readonly offset: number;
  /** Rows top .. bottom - 1, columns left .. right - 1. */
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The fields of a draw from 8-bit RGB (height, width, 3) at `source`, one byte readable behind it. */
export const drawFields = (
  { x, y, dx, dy, gain, offset, left, top, right, bottom }: Draw,
  source: number,
  width: number,
  height: number,
): number[] =>
  fieldValues(STRUCT_FIELDS.Draw, { source, width, height, x, y, dx, dy, gain, offset, left, top, right, bottom });

/** Makes the batch's pictures from `draws`, `DRAWS` a picture; `mean` and `scale` (4) are at those addresses. */
export function drawJob(draws: number, y: Batch, o: { bgr: boolean; mean: number; scale: number }): Job {
  const fields = { draws, y: y.ptr, size: y.h, gap: y.gap, bgr: o.bgr, mean: o.mean, scale: o.scale };
  return job('drawPictures', fields, y.pictures);
}
