import { floatBits, type Job } from '../job.js';
import type { Batch } from './batch.js';

/** Fields of the kernel's `Draw`. */
export const DRAW_FIELDS = 13;
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
export const drawFields = (d: Draw, source: number, width: number, height: number): number[] => [
  ...[source, width, height],
  ...[d.x, d.y, d.dx, d.dy, d.gain, d.offset].map(floatBits),
  ...[d.left, d.top, d.right, d.bottom],
];

/** Makes the batch's pictures from `draws`, `DRAWS` a picture; `mean` and `scale` (4) are at those addresses. */
export function drawJob(draws: number, y: Batch, o: { bgr: boolean; mean: number; scale: number }): Job {
  return {
    kernel: 'drawPictures',
    args: [draws, y.ptr, y.h, y.gap, o.bgr ? 1 : 0, o.mean, o.scale],
    tasks: y.pictures,
    scratch: 0,
  };
}
