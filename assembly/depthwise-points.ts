import { simd } from './simd';

/** Channels of a group of a packed kernel: two adjacent vectors. */
export const CHANNEL_GROUP: i32 = 8;

/**
 * Neighbouring points of y whose windows have the same taps inside x. Strides and sizes are in bytes.
 * kernel: [c / 8][rows][columns][8], see packKernel.
 */
@unmanaged
export class Run {
  /** What the first tap of the first point sees. */
  x: usize;
  /** From one tap to the next, down and across. */
  xRow: usize;
  xPix: usize;
  /** From one point to the next. */
  xStep: usize;
  /** The first tap. */
  kernel: usize;
  /** From the end of a row of taps to the next row, and from one group of channels to the next. */
  kernelSkip: usize;
  kernelGroup: usize;
  /** Taps; none at all where either is 0. */
  rows: i32;
  columns: i32;
  /** Where the sums begin: the bias (step 0), y, or 64 bytes of zeros (step and mask 0). */
  seed: usize;
  seedStep: usize;
  /** All ones: channel k has the seed at byte 4 k. 0: all have the same. */
  seedMask: usize;
  y: usize;
  yStep: usize;
  points: i32;
  /** Channels. */
  c: i32;
  low: f32;
  high: f32;
}

/**
 * The points of a run. Every sum is seed + sum over tap rows, then tap columns, whichever loop computes it.
 *
 * Each loop has 6 sums of 3 points by 8 channels, or 4 of one point: V8 loads all that a block of code reads before it computes, so that
 * sums and operands together must fit 15 registers, or it keeps sums in memory from tap to tap. With 8 sums a 3x3 kernel took 1.7 times
 * as long.
 */
export function computeRun(run: Run): void {
  const triples = run.rows > 0 && run.columns > 0 ? run.points / 3 : 0;
  if (triples > 0) {
    const points = run.points;
    run.points = 3 * triples;
    if (run.xStep === run.xPix) rollTriples(run);
    else spreadTriples(run);
    computePoints(run, run.c & ~(CHANNEL_GROUP - 1));
    run.x += <usize>run.points * run.xStep;
    run.seed += <usize>run.points * run.seedStep;
    run.y += <usize>run.points * run.yStep;
    run.points = points - run.points;
  }
  computePoints(run, 0);
}

/** Whole groups of channels of three points at a time that lie as far apart as the taps: each column of x is read once for all of them. */
function rollTriples(run: Run): void {
  const xPix = run.xPix;
  const xRow = run.xRow;
  const seedStep = run.seedStep;
  const yStep = run.yStep;
  const skip = run.kernelSkip;
  const across = <usize>run.columns * xPix;
  const down = <usize>run.rows * xRow;
  const bytes: usize = 4 * <usize>(run.c & ~(CHANNEL_GROUP - 1));
  const mask = run.seedMask;
  const next = run.kernelGroup;
  const low = f32x4.splat(run.low);
  const high = f32x4.splat(run.high);
  let x = run.x;
  let seed = run.seed;
  let y = run.y;
  for (let n = run.points; n > 0; n -= 3) {
    let group = run.kernel;
    for (let k: usize = 0; k < bytes; k += 4 * CHANNEL_GROUP) {
      let from = seed + (k & mask);
      let s0 = v128.load(from);
      let t0 = v128.load(from, 16);
      from += seedStep;
      let s1 = v128.load(from);
      let t1 = v128.load(from, 16);
      from += seedStep;
      let s2 = v128.load(from);
      let t2 = v128.load(from, 16);
      let w = group;
      let row = x + k;
      const bottom = row + down;
      do {
        let p = row;
        let x0 = v128.load(p);
        let z0 = v128.load(p, 16);
        p += xPix;
        let x1 = v128.load(p);
        let z1 = v128.load(p, 16);
        p += xPix;
        const last = p + across;
        do {
          const w0 = v128.load(w);
          const w1 = v128.load(w, 16);
          const x2 = v128.load(p);
          const z2 = v128.load(p, 16);
          w += 4 * CHANNEL_GROUP;
          p += xPix;
          s0 = simd.madd(x0, w0, s0);
          s1 = simd.madd(x1, w0, s1);
          s2 = simd.madd(x2, w0, s2);
          t0 = simd.madd(z0, w1, t0);
          t1 = simd.madd(z1, w1, t1);
          t2 = simd.madd(z2, w1, t2);
          x0 = x1;
          x1 = x2;
          z0 = z1;
          z1 = z2;
        } while (p !== last);
        w += skip;
        row += xRow;
      } while (row !== bottom);
      let to = y + k;
      v128.store(to, simd.clip(s0, low, high));
      v128.store(to, simd.clip(t0, low, high), 16);
      to += yStep;
      v128.store(to, simd.clip(s1, low, high));
      v128.store(to, simd.clip(t1, low, high), 16);
      to += yStep;
      v128.store(to, simd.clip(s2, low, high));
      v128.store(to, simd.clip(t2, low, high), 16);
      group += next;
    }
    x += 3 * xPix;
    seed += 3 * seedStep;
    y += 3 * yStep;
  }
}

/** The same for points at any distance. */
function spreadTriples(run: Run): void {
  const xPix = run.xPix;
  const xRow = run.xRow;
  const xStep = run.xStep;
  const seedStep = run.seedStep;
  const yStep = run.yStep;
  const skip = run.kernelSkip;
  const across = <usize>run.columns * xPix;
  const down = <usize>run.rows * xRow;
  const bytes: usize = 4 * <usize>(run.c & ~(CHANNEL_GROUP - 1));
  const mask = run.seedMask;
  const next = run.kernelGroup;
  const low = f32x4.splat(run.low);
  const high = f32x4.splat(run.high);
  let x = run.x;
  let seed = run.seed;
  let y = run.y;
  for (let n = run.points; n > 0; n -= 3) {
    let group = run.kernel;
    for (let k: usize = 0; k < bytes; k += 4 * CHANNEL_GROUP) {
      let from = seed + (k & mask);
      let s0 = v128.load(from);
      let t0 = v128.load(from, 16);
      from += seedStep;
      let s1 = v128.load(from);
      let t1 = v128.load(from, 16);
      from += seedStep;
      let s2 = v128.load(from);
      let t2 = v128.load(from, 16);
      let w = group;
      let row = x + k;
      const bottom = row + down;
      do {
        let p = row;
        const last = p + across;
        do {
          const w0 = v128.load(w);
          const w1 = v128.load(w, 16);
          s0 = simd.madd(v128.load(p), w0, s0);
          t0 = simd.madd(v128.load(p, 16), w1, t0);
          const p1 = p + xStep;
          s1 = simd.madd(v128.load(p1), w0, s1);
          t1 = simd.madd(v128.load(p1, 16), w1, t1);
          const p2 = p1 + xStep;
          s2 = simd.madd(v128.load(p2), w0, s2);
          t2 = simd.madd(v128.load(p2, 16), w1, t2);
          w += 4 * CHANNEL_GROUP;
          p += xPix;
        } while (p !== last);
        w += skip;
        row += xRow;
      } while (row !== bottom);
      let to = y + k;
      v128.store(to, simd.clip(s0, low, high));
      v128.store(to, simd.clip(t0, low, high), 16);
      to += yStep;
      v128.store(to, simd.clip(s1, low, high));
      v128.store(to, simd.clip(t1, low, high), 16);
      to += yStep;
      v128.store(to, simd.clip(s2, low, high));
      v128.store(to, simd.clip(t2, low, high), 16);
      group += next;
    }
    x += 3 * xStep;
    seed += 3 * seedStep;
    y += 3 * yStep;
  }
}

/** Channels `first` (a multiple of 8) to the last of one point at a time, two groups and then four channels at a time. */
function computePoints(run: Run, first: i32): void {
  if (first >= run.c) return;
  const xPix = run.xPix;
  const xRow = run.xRow;
  const skip = run.kernelSkip;
  const next = run.kernelGroup;
  const mask = run.seedMask;
  const low = f32x4.splat(run.low);
  const high = f32x4.splat(run.high);
  const across = run.rows > 0 ? <usize>run.columns * xPix : 0;
  const down = run.columns > 0 ? <usize>run.rows * xRow : 0;
  let x = run.x;
  let seed = run.seed;
  let y = run.y;
  for (let n = run.points; n > 0; n--) {
    let k = first;
    let group = run.kernel + <usize>(k / CHANNEL_GROUP) * next;
    for (; k + 2 * CHANNEL_GROUP <= run.c; k += 2 * CHANNEL_GROUP) {
      const at: usize = 4 * <usize>k;
      const from = seed + (at & mask);
      let s0 = v128.load(from);
      let s1 = v128.load(from, 16);
      let s2 = v128.load(from, 32);
      let s3 = v128.load(from, 48);
      let w = group;
      let v = group + next;
      let row = x + at;
      for (const bottom = row + down; row !== bottom; row += xRow) {
        let p = row;
        const last = p + across;
        do {
          s0 = simd.madd(v128.load(p), v128.load(w), s0);
          s1 = simd.madd(v128.load(p, 16), v128.load(w, 16), s1);
          s2 = simd.madd(v128.load(p, 32), v128.load(v), s2);
          s3 = simd.madd(v128.load(p, 48), v128.load(v, 16), s3);
          p += xPix;
          w += 4 * CHANNEL_GROUP;
          v += 4 * CHANNEL_GROUP;
        } while (p !== last);
        w += skip;
        v += skip;
      }
      const to = y + at;
      v128.store(to, simd.clip(s0, low, high));
      v128.store(to, simd.clip(s1, low, high), 16);
      v128.store(to, simd.clip(s2, low, high), 32);
      v128.store(to, simd.clip(s3, low, high), 48);
      group += 2 * next;
    }
    for (; k < run.c; k += 4) {
      const at: usize = 4 * <usize>k;
      const lanes = min(4, run.c - k);
      let s = simd.loadLanes(seed + (at & mask), lanes);
      let w = group + 4 * <usize>(k & 4);
      let row = x + at;
      for (const bottom = row + down; row !== bottom; row += xRow) {
        let p = row;
        const last = p + across;
        do {
          s = simd.madd(simd.loadLanes(p, lanes), v128.load(w), s);
          p += xPix;
          w += 4 * CHANNEL_GROUP;
        } while (p !== last);
        w += skip;
      }
      simd.storeLanes(y + at, simd.clip(s, low, high), lanes);
      if (k & 4) group += next;
    }
    x += run.xStep;
    seed += run.seedStep;
    y += run.yStep;
  }
}
