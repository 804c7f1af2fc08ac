import { type View, view, type WindowCall } from '../wasm/job.js';
import type { Taps } from '../wasm/ops/window.js';
import type { Checks } from './checks.js';
import { rowsOf } from './layouts.js';
import type { Padding, Sides } from './options.js';

/** Windows over a map, found from what a call says. */
export interface Windows extends Taps {
  /** Distance of the windows, down and across. */
  readonly strides: readonly [number, number];
  readonly dilation: number;
  /** Row and column where the first one begins; negative where there is padding. */
  readonly startY: number;
  readonly startX: number;
  /** Rows and columns of the output. */
  readonly outH: number;
  readonly outW: number;
}

/** What a call says of its windows. */
export interface WindowOptions {
  readonly size: Sides;
  readonly stride: Sides;
  readonly dilation: number;
  readonly pad: Padding;
  /** Whether a last window counts that is only partly inside map and padding. */
  readonly ceil?: boolean;
}

/** Checks windows over a map of h rows and w columns. */
export function windowsOver(checks: Checks, [h, w]: readonly [number, number], o: WindowOptions): Windows {
  const [rows, columns] = checks.sides('size', o.size);
  const strides = checks.sides('stride', o.stride);
  const dilation = checks.count('dilation', o.dilation);
  const pad = checks.pad(o.pad);
  const axis = (
    name: 'h' | 'w',
    side: number,
    taps: number,
    stride: number,
    pads: readonly [number, number] | 'same',
  ) => {
    const reach = dilation * (taps - 1) + 1;
    const [before, after] = pads === 'same' ? samePads(side, reach, stride) : pads;
    const room = side + before + after - reach;
    if (room < 0) checks.fail(`${name} of at least ${reach - before - after}, the reach of its window`, String(side));
    let out = Math.floor(room / stride) + 1;
    if (o.ceil && room % stride > 0 && out * stride < side + before) out++; // a window in the padding alone is none
    return { start: 0 - before, out };
  };
  const y = axis('h', h, rows, strides[0], pad === 'same' ? pad : [pad[0], pad[2]]);
  const x = axis('w', w, columns, strides[1], pad === 'same' ? pad : [pad[1], pad[3]]);
  return { rows, columns, strides, dilation, startY: y.start, startX: x.start, outH: y.out, outW: x.out };
}

/** The pads with which there are side / stride windows, rounded up; the odd one is at the far side. */
function samePads(side: number, reach: number, stride: number): readonly [number, number] {
  const total = Math.max(0, (Math.ceil(side / stride) - 1) * stride + reach - side);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

/** A part of an operation with windows: `y`, whose windows have one stride, and the rows of x that they see. */
export interface Part {
  readonly x: View;
  readonly y: View;
  readonly call: WindowCall;
  /** Rows of x that the part's map x begins and ends with. */
  readonly rows: readonly [number, number];
}

/** Kernels have one stride for both axes: where the two differ, each row of the output is a part. */
export function partsOf(x: View, y: View, windows: Windows): Part[] {
  const { rows, dilation, startY, startX } = windows;
  const [down, across] = windows.strides;
  if (down === across || y.h === 1)
    return [{ x, y, call: { stride: across, dilation, startY, startX }, rows: [0, x.h] }];
  return Array.from({ length: y.h }, (_, i) => {
    const top = down * i + startY;
    const first = Math.min(x.h - 1, Math.max(0, top));
    const last = Math.max(first + 1, Math.min(x.h, top + dilation * (rows - 1) + 1));
    const call = { stride: across, dilation, startY: top - first, startX };
    return { x: rowsOf(x, first, last), y: rowsOf(y, i, i + 1), call, rows: [first, last] };
  });
}

/** The output (outH, outW, c), without an address. */
export const outputOf = ({ outH, outW }: Windows, c: number): View => view(0, outH, outW, c);
