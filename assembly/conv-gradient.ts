import { firstStrip, stripBytes } from './conv';
import { outerProduct, QUAD } from './outer';
import { simd } from './simd';
import { COLUMNS, ceilDiv } from './tile';

@unmanaged
class AdjointConvArgs {
  from: usize;
  to: usize;
  /** Channels of the kernel at `from`. */
  cin: i32;
  cout: i32;
}

/**
 * The kernel whose convolution is the input's gradient, from packed to packed (see packConv): to(ky, kx, k, c) =
 * from(2 - ky, 2 - kx, c, k), bias zero. Task = strip of 8 output channels of `to`, that is input channels of `from`.
 */
export function adjointConv(args: AdjointConvArgs, task: i32, _scratch: usize): void {
  const first = task * COLUMNS;
  const lanes = min(COLUMNS, args.cin - first);
  memory.fill(args.to + 4 * <usize>first, 0, 4 * COLUMNS);
  let to = firstStrip(args.to, args.cin) + <usize>task * stripBytes(args.cout);
  for (let tap = 8; tap >= 0; tap--) {
    for (let k = 0; k < args.cout; k++) {
      let from = weight(args.from, args.cin, args.cout, tap, first, k);
      for (let lane = 0; lane < COLUMNS; lane++) {
        store<f32>(to, lane < lanes ? load<f32>(from) : 0);
        from += 4 * COLUMNS;
        to += 4;
      }
    }
  }
}

/** Address of element (tap, c, k) of packed weights. */
function weight(packed: usize, cin: i32, cout: i32, tap: i32, c: i32, k: i32): usize {
  const strip = firstStrip(packed, cout) + <usize>(k / COLUMNS) * stripBytes(cin);
  return strip + 4 * <usize>((tap * cin + c) * COLUMNS + (k % COLUMNS));
}

/** weights (3, 3, cin, cout) at `to` from packed ones at `from`: packConv backwards. Task = strip of 8 output channels. */
export function unpackConv(args: AdjointConvArgs, task: i32, _scratch: usize): void {
  const first = task * COLUMNS;
  const lanes = min(COLUMNS, args.cout - first);
  let from = weight(args.from, args.cin, args.cout, 0, 0, first);
  let to = args.to + 4 * <usize>first;
  for (let k = 9 * args.cin; k > 0; k--) {
    simd.storeLanes(to, v128.load(from), lanes);
    if (lanes > 4) simd.storeLanes(to + 16, v128.load(from, 16), lanes - 4);
    from += 4 * COLUMNS;
    to += 4 * <usize>args.cout;
  }
}

/** Strides are in floats. */
@unmanaged
class ConvWeightGradientArgs {
  x: usize;
  xRow: i32;
  xPix: i32;
  dy: usize;
  dyRow: i32;
  dyPix: i32;
  h: i32;
  w: i32;
  cin: i32;
  cout: i32;
  dw: usize;
  dilation: i32;
  /** 0: dw is overwritten. */
  accumulate: i32;
  /** Input and output channels of a task: multiples of 4 and 8. */
  channels: i32;
  columns: i32;
  /** The largest patch of a phase that is taken at a time. */
  patchRows: i32;
  patchCols: i32;
  /** Patches of this job: all patches of all phases are numbered, phase by phase. */
  first: i32;
  last: i32;
}

/** A rectangle of pixels of a phase: where it begins, its size, and how far it is from the edges. Strides in bytes. */
@unmanaged
class Patch {
  x: usize;
  xRow: usize;
  xPix: usize;
  dy: usize;
  dyRow: usize;
  dyPix: usize;
  rows: i32;
  cols: i32;
  /** First and last row and column under the taps that exist, counted from the patch's first pixel. */
  top: i32;
  left: i32;
  bottom: i32;
  right: i32;
}

/**
 * dw (3, 3, cin, cout) = the gradient of a 3x3 convolution at its weights: the sum over the pixels of x(pixel under the tap)' dy(pixel).
 * x (h, w, cin) and dy (h, w, cout) are views; dw is added to where `accumulate` says so, else overwritten. Task = (input channels,
 * output channels); each sums all pixels, patch by patch, so that the order is the same for any task, view or number of threads.
 * scratch: patch | a product | x in panels of 4 channels, one pixel of margin around | dy in strips of 8 channels
 */
export function convWeightGradient(args: ConvWeightGradientArgs, task: i32, scratch: usize): void {
  const groups = ceilDiv(args.cout, args.columns);
  const c0 = (task / groups) * args.channels;
  const k0 = (task % groups) * args.columns;
  const channels = min(args.channels, args.cin - c0);
  const columns = min(args.columns, args.cout - k0);
  const patch = changetype<Patch>(scratch);
  const product = scratch + 64;
  const panels = product + 4 * <usize>(QUAD * COLUMNS);
  const panel: usize = 16 * <usize>((args.patchRows + 2) * (args.patchCols + 2));
  const strips = panels + <usize>ceilDiv(args.channels, QUAD) * panel;
  const strip: usize = 32 * <usize>(args.patchRows * args.patchCols);

  if (!args.accumulate) clear(args, c0, channels, k0, columns);
  for (let i = args.first; i < args.last; i++) {
    if (!locatePatch(args, i, patch)) continue;
    gatherPanels(patch, c0, channels, panels, panel);
    gatherStrips(patch, k0, columns, strips, strip);
    const width = patch.cols + 2;
    for (let k = 0; k < columns; k += COLUMNS) {
      const b = strips + <usize>(k / COLUMNS) * strip;
      for (let c = 0; c < channels; c += QUAD) {
        const a = panels + <usize>(c / QUAD) * panel;
        for (let tap = 0; tap < 9; tap++) {
          const under = a + 16 * <usize>((tap / 3) * width + (tap % 3));
          outerProduct(under, 32, patch.rows, patch.cols, b, product, 4 * COLUMNS, false);
          const dw = element(args, tap, c0 + c, k0 + k);
          addProduct(dw, args.cout, min(QUAD, channels - c), min(COLUMNS, columns - k), product);
        }
      }
    }
  }
}

/** Address of dw(tap, c, k). */
function element(args: ConvWeightGradientArgs, tap: i32, c: i32, k: i32): usize {
  return args.dw + 4 * (<usize>(tap * args.cin + c) * <usize>args.cout + <usize>k);
}

/** Zeros of all taps of a block of channels. */
function clear(args: ConvWeightGradientArgs, c0: i32, channels: i32, k0: i32, columns: i32): void {
  for (let tap = 0; tap < 9; tap++)
    for (let c = c0; c < c0 + channels; c++) memory.fill(element(args, tap, c, k0), 0, 4 * <usize>columns);
}

/** Finds a patch; false where there is none, because phases differ by a row or a column. */
function locatePatch(args: ConvWeightGradientArgs, index: i32, patch: Patch): bool {
  const d = args.dilation;
  const across = ceilDiv(ceilDiv(args.w, d), args.patchCols);
  const each = across * ceilDiv(ceilDiv(args.h, d), args.patchRows);
  const phase = index / each;
  const phasesX = min(d, args.w);
  const py = phase / phasesX;
  const px = phase % phasesX;
  const h = ceilDiv(args.h - py, d);
  const w = ceilDiv(args.w - px, d);
  const y = ((index % each) / across) * args.patchRows;
  const x = ((index % each) % across) * args.patchCols;
  patch.rows = min(args.patchRows, h - y);
  patch.cols = min(args.patchCols, w - x);
  if (patch.rows <= 0 || patch.cols <= 0) return false;
  const row = py + d * y;
  const col = px + d * x;
  patch.x = args.x + 4 * <usize>(row * args.xRow + col * args.xPix);
  patch.xRow = 4 * <usize>(args.xRow * d);
  patch.xPix = 4 * <usize>(args.xPix * d);
  patch.dy = args.dy + 4 * <usize>(row * args.dyRow + col * args.dyPix);
  patch.dyRow = 4 * <usize>(args.dyRow * d);
  patch.dyPix = 4 * <usize>(args.dyPix * d);
  patch.top = y > 0 ? -1 : 0;
  patch.left = x > 0 ? -1 : 0;
  patch.bottom = min(patch.rows, h - y - 1);
  patch.right = min(patch.cols, w - x - 1);
  return true;
}

/** panels [channels / 4][rows + 2][cols + 2][4] = channels c0 .. of x with one pixel around the patch, zeros where there is none. */
function gatherPanels(patch: Patch, c0: i32, channels: i32, panels: usize, panel: usize): void {
  for (let i = -1; i <= patch.rows; i++) {
    for (let j = -1; j <= patch.cols; j++) {
      const inside = i >= patch.top && i <= patch.bottom && j >= patch.left && j <= patch.right;
      let from = patch.x + <usize>i * patch.xRow + <usize>j * patch.xPix + 4 * <usize>c0;
      let to = panels;
      for (let left = channels; left > 0; left -= QUAD) {
        v128.store(to, inside ? simd.loadLanes(from, left) : f32x4.splat(0));
        from += 16;
        to += panel;
      }
      panels += 16;
    }
  }
}

/** strips [columns / 8][rows * cols][8] = channels k0 .. of dy, zeros behind the last one. */
function gatherStrips(patch: Patch, k0: i32, columns: i32, strips: usize, strip: usize): void {
  for (let i = 0; i < patch.rows; i++) {
    for (let j = 0; j < patch.cols; j++) {
      let from = patch.dy + <usize>i * patch.dyRow + <usize>j * patch.dyPix + 4 * <usize>k0;
      let to = strips;
      for (let left = columns; left > 0; left -= COLUMNS) {
        v128.store(to, simd.loadLanes(from, left));
        v128.store(to, left > 4 ? simd.loadLanes(from + 16, left - 4) : f32x4.splat(0), 16);
        from += 4 * COLUMNS;
        to += strip;
      }
      strips += 4 * COLUMNS;
    }
  }
}

/** dw (rows, lanes) += product (4, 8) */
function addProduct(dw: usize, cout: i32, rows: i32, lanes: i32, product: usize): void {
  for (; rows > 0; rows--) {
    simd.storeLanes(dw, f32x4.add(simd.loadLanes(dw, lanes), v128.load(product)), lanes);
    if (lanes > 4) {
      const high = f32x4.add(simd.loadLanes(dw + 16, lanes - 4), v128.load(product, 16));
      simd.storeLanes(dw + 16, high, lanes - 4);
    }
    dw += 4 * <usize>cout;
    product += 4 * COLUMNS;
  }
}

/** Strides are in floats. */
@unmanaged
class BiasGradientArgs {
  dy: usize;
  dyRow: i32;
  dyPix: i32;
  h: i32;
  w: i32;
  c: i32;
  db: usize;
  /** 0: db is overwritten. */
  accumulate: i32;
}

/** Channels of one task of the bias's gradient: a cache line. */
export const TOTALS: i32 = 16;

/**
 * db (c) = the sum of dy (h, w, c), a view, over its pixels: row by row, then the rows. Added to db where `accumulate` says so, else
 * overwriting it. Task = 16 channels.
 */
export function biasGradient(args: BiasGradientArgs, task: i32, _scratch: usize): void {
  const first = task * TOTALS;
  const channels = min(TOTALS, args.c - first);
  const db = args.db + 4 * <usize>first;
  if (!args.accumulate) memory.fill(db, 0, 4 * <usize>channels);
  for (let i = 0; i < args.h; i++) {
    const dy = args.dy + 4 * <usize>(i * args.dyRow + first);
    if (channels === TOTALS) addRow(dy, 4 * <usize>args.dyPix, args.w, db);
    else
      for (let k = 0; k < channels; k += 4)
        addLanes(dy + 4 * <usize>k, 4 * <usize>args.dyPix, args.w, db + 4 * <usize>k, channels - k);
  }
}

/** db (16) += the sum of a row of w pixels, `pix` bytes apart. */
function addRow(dy: usize, pix: usize, w: i32, db: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  for (; w > 0; w--) {
    s0 = f32x4.add(s0, v128.load(dy));
    s1 = f32x4.add(s1, v128.load(dy, 16));
    s2 = f32x4.add(s2, v128.load(dy, 32));
    s3 = f32x4.add(s3, v128.load(dy, 48));
    dy += pix;
  }
  v128.store(db, f32x4.add(v128.load(db), s0));
  v128.store(db, f32x4.add(v128.load(db, 16), s1), 16);
  v128.store(db, f32x4.add(v128.load(db, 32), s2), 32);
  v128.store(db, f32x4.add(v128.load(db, 48), s3), 48);
}

/** The same for up to four channels. */
function addLanes(dy: usize, pix: usize, w: i32, db: usize, lanes: i32): void {
  let sum = f32x4.splat(0);
  for (; w > 0; w--) {
    sum = f32x4.add(sum, simd.loadLanes(dy, lanes));
    dy += pix;
  }
  simd.storeLanes(db, f32x4.add(simd.loadLanes(db, lanes), sum), lanes);
}
