import { ceilDiv } from './tile';

/** Fields of a kernel whose outputs see windows of x. Row i of y sees row (stride i + dilation a + startY) / spread of x under tap row a. */
@unmanaged
export class WindowArgs {
  /** Rows and columns of x and of y. */
  h!: i32;
  w!: i32;
  outH!: i32;
  outW!: i32;
  /** Taps. */
  rows!: i32;
  columns!: i32;
  stride!: i32;
  /** Above 1: the transpose of a strided window; only the taps for which the row of x is whole exist. */
  spread!: i32;
  dilation!: i32;
  startY!: i32;
  startX!: i32;
  /** Phases down and across that are computed one by one: the dilation, or 1; 1 where spread is more. */
  phasesY!: i32;
  phasesX!: i32;
}

/** One phase of y along one axis, and what it sees of x. */
@unmanaged
export class Axis {
  /** Points of y: every yStep-th from y on. */
  y!: i32;
  yStep!: i32;
  count!: i32;
  /** Points of x: every xStep-th from x on. */
  x!: i32;
  xStep!: i32;
  size!: i32;
  /** Point i of y sees point stride i + dilation a + start of x under tap a, which is tap `tap + tapStep a` of the kernel. */
  stride!: i32;
  dilation!: i32;
  start!: i32;
  taps!: i32;
  tap!: i32;
  tapStep!: i32;
}

/** A phase of y along both axes, and `n` of its points in row order, from number `first` on. The axes lie behind it. */
@unmanaged
export class Region {
  first!: i32;
  n!: i32;

  @inline
  get down(): Axis {
    return changetype<Axis>(changetype<usize>(this) + offsetof<Region>());
  }

  @inline
  get across(): Axis {
    return changetype<Axis>(changetype<usize>(this) + offsetof<Region>() + offsetof<Axis>());
  }
}

/** Bytes of a region in a task's scratch. */
export const REGION: usize = 128;

/** Phases across; the number of a phase is that of its row of phases times this plus that of its column. */
export function phasesAcross(args: WindowArgs): i32 {
  return min(args.phasesX * args.spread, args.outW);
}

/** Points of the largest phase. */
export function largestPhase(args: WindowArgs): i32 {
  return ceilDiv(args.outH, args.phasesY * args.spread) * ceilDiv(args.outW, args.phasesX * args.spread);
}

/** Fills both axes of a region for phase number `phase`. */
export function placePhase(args: WindowArgs, phase: i32, region: Region): void {
  const across = phasesAcross(args);
  placeAxis(args, phase / across, args.phasesY, args.startY, args.rows, args.h, args.outH, region.down);
  placeAxis(args, phase % across, args.phasesX, args.startX, args.columns, args.w, args.outW, region.across);
}

/** One axis with `taps` taps, from `size` points of x to `points` of y. */
function placeAxis(
  args: WindowArgs,
  phase: i32,
  phases: i32,
  start: i32,
  taps: i32,
  size: i32,
  points: i32,
  axis: Axis,
): void {
  const spread = args.spread;
  const first = args.stride * phase + start;
  let tap = 0;
  while (tap < taps && (first + args.dilation * tap) % spread !== 0) tap++;
  let tapStep = 1;
  while ((args.dilation * tapStep) % spread !== 0) tapStep++;
  const seen = (first + args.dilation * tap) / spread;
  axis.y = phase;
  axis.yStep = phases * spread;
  axis.count = ceilDiv(points - phase, axis.yStep);
  axis.start = floorDiv(seen, phases);
  axis.x = seen - axis.start * phases;
  axis.xStep = phases;
  axis.size = max(0, ceilDiv(size - axis.x, phases));
  axis.stride = args.stride;
  axis.dilation = (args.dilation * tapStep) / (spread * phases);
  axis.taps = ceilDiv(taps - tap, tapStep);
  axis.tap = tap;
  axis.tapStep = tapStep;
}

/** a / b, rounded down */
function floorDiv(a: i32, b: i32): i32 {
  return a < 0 ? -ceilDiv(-a, b) : a / b;
}
