import { outerProduct, QUAD } from './outer';
import { simd } from './simd';
import { COLUMNS, ceilDiv } from './tile';
import { placePhase, REGION, Region, WindowArgs } from './window';

/** `spread` is 1, and y of the window is dy. Strides are in floats. */
@unmanaged
class ConvWeightGradientArgs extends WindowArgs {
  x!: usize;
  xRow!: i32;
  xPix!: i32;
  dy!: usize;
  dyRow!: i32;
  dyPix!: i32;
  cin!: i32;
  cout!: i32;
  dw!: usize;
  /** 0: dw is overwritten. */
  accumulate!: i32;
  /** Input and output channels of a task: multiples of 4 and 8. */
  inputs!: i32;
  outputs!: i32;
  /** The largest patch of a phase that is taken at a time. */
  patchRows!: i32;
  patchCols!: i32;
  /** Patches of this job: all patches of all phases are numbered, phase by phase. */
  first!: i32;
  last!: i32;
}

/**
 * A rectangle of pixels of a phase of dy, and the rows and columns of x that its taps see: stepY rows a row of dy, where rows that no
 * tap sees are left out. Of the columns, every stepX-th lies side by side: stepX pieces of `width`.
 */
@unmanaged
class Patch {
  row: i32;
  col: i32;
  rows: i32;
  cols: i32;
  stepY: i32;
  stepX: i32;
  height: i32;
  width: i32;
}

/** Bytes of region, patch and product in a task's scratch. */
export const GRADIENT_HEAD: usize = REGION + 64 + 4 * 4 * COLUMNS;

/**
 * dw (rows, columns, cin, cout) = the gradient of a convolution at its weights: the sum over the pixels of x(pixel under the tap)' dy(pixel).
 * x (h, w, cin) and dy (outH, outW, cout) are views; dw is added to where `accumulate` says so, else overwritten. Task = (input channels,
 * output channels); each sums all pixels, patch by patch, so that the order is the same for any task, view or number of threads.
 * scratch: region | patch | a product | x in panels of 4 channels | dy in strips of 8 channels
 */
export function convWeightGradient(args: ConvWeightGradientArgs, task: i32, scratch: usize): void {
  const groups = ceilDiv(args.cout, args.outputs);
  const c0 = (task / groups) * args.inputs;
  const k0 = (task % groups) * args.outputs;
  const inputs = min(args.inputs, args.cin - c0);
  const outputs = min(args.outputs, args.cout - k0);
  const region = changetype<Region>(scratch);
  const patch = changetype<Patch>(scratch + REGION);
  const panels = scratch + GRADIENT_HEAD;

  if (!args.accumulate) clear(args, c0, inputs, k0, outputs);
  for (let i = args.first; i < args.last; i++) {
    if (!locatePatch(args, i, region, patch)) continue;
    const panel: usize = 16 * <usize>(patch.height * patch.stepX * patch.width);
    const strip: usize = 32 * <usize>(patch.rows * patch.cols);
    const strips = panels + <usize>ceilDiv(inputs, QUAD) * panel;
    gatherPanels(args, region, patch, c0, inputs, panels, panel);
    gatherStrips(args, region, patch, k0, outputs, strips, strip);
    for (let k = 0; k < outputs; k += COLUMNS) {
      const b = strips + <usize>(k / COLUMNS) * strip;
      for (let c = 0; c < inputs; c += QUAD) {
        const a = panels + <usize>(c / QUAD) * panel;
        multiplyTaps(args, patch, a, b, c0 + c, min(QUAD, inputs - c), k0 + k, min(COLUMNS, outputs - k));
      }
    }
  }
}

/** dw of all taps for `inputs` (4 at most) channels from c and `outputs` (8 at most) from k on += panel a times strip b. */
function multiplyTaps(
  args: ConvWeightGradientArgs,
  patch: Patch,
  a: usize,
  b: usize,
  c: i32,
  inputs: i32,
  k: i32,
  outputs: i32,
): void {
  const product = changetype<usize>(patch) + 64;
  const row = patch.stepX * patch.width;
  const skip: usize = 16 * <usize>(patch.stepY * row - patch.cols);
  const next: usize = 4 * <usize>args.cin * <usize>args.cout;
  let dw = args.dw + 4 * (<usize>c * <usize>args.cout + <usize>k);
  for (let i = 0; i < args.rows; i++) {
    let piece = 0; // the column's among those side by side
    let under = a + 16 * <usize>(i * row);
    for (let j = args.columns; j > 0; j--) {
      outerProduct(
        under + 16 * <usize>(piece * patch.width),
        skip,
        patch.rows,
        patch.cols,
        b,
        product,
        4 * COLUMNS,
        false,
      );
      addProduct(dw, args.cout, inputs, outputs, product);
      dw += next;
      if (++piece === patch.stepX) {
        piece = 0;
        under += 16;
      }
    }
  }
}

/** Zeros of all taps of a block of channels. */
function clear(args: ConvWeightGradientArgs, c0: i32, inputs: i32, k0: i32, outputs: i32): void {
  for (let tap = 0; tap < args.rows * args.columns; tap++) {
    for (let c = c0; c < c0 + inputs; c++) {
      const at = <usize>(tap * args.cin + c) * <usize>args.cout + <usize>k0;
      memory.fill(args.dw + 4 * at, 0, 4 * <usize>outputs);
    }
  }
}

/** Finds a patch; false where there is none, because phases differ by a row or a column. */
function locatePatch(args: ConvWeightGradientArgs, index: i32, region: Region, patch: Patch): bool {
  const wide = ceilDiv(ceilDiv(args.outW, args.phasesX), args.patchCols);
  const each = wide * ceilDiv(ceilDiv(args.outH, args.phasesY), args.patchRows);
  placePhase(args, index / each, region);
  patch.row = ((index % each) / wide) * args.patchRows;
  patch.col = ((index % each) % wide) * args.patchCols;
  patch.rows = min(args.patchRows, region.down.count - patch.row);
  patch.cols = min(args.patchCols, region.across.count - patch.col);
  patch.stepY = min(args.stride, args.rows);
  patch.stepX = min(args.stride, args.columns);
  patch.height = patch.stepY * (patch.rows - 1) + args.rows;
  patch.width = patch.cols - 1 + ceilDiv(args.columns, patch.stepX);
  return patch.rows > 0 && patch.cols > 0;
}

/** panels [inputs / 4][height][stepX][width][4] = channels c0 .. of x under the patch's taps, zeros where there is none. */
function gatherPanels(
  args: ConvWeightGradientArgs,
  region: Region,
  patch: Patch,
  c0: i32,
  inputs: i32,
  panels: usize,
  panel: usize,
): void {
  const down = region.down;
  const across = region.across;
  const step = across.stride;
  const pix: usize = 4 * <usize>(args.xPix * across.xStep);
  const x = args.x + 4 * <usize>(down.x * args.xRow + across.x * args.xPix + c0);
  for (let i = 0; i < patch.height; i++) {
    const yy = down.stride * (patch.row + i / patch.stepY) + (i % patch.stepY) + down.start;
    const row = x + 4 * <usize>yy * <usize>(args.xRow * down.xStep);
    const size = u32(yy) < u32(down.size) ? across.size : 0; // no column exists of a row that does not
    for (let piece = 0; piece < patch.stepX; piece++) {
      let xx = step * patch.col + piece + across.start;
      for (let j = patch.width; j > 0; j--) {
        let from = row + pix * <usize>xx;
        const inside = u32(xx) < u32(size);
        let to = panels;
        for (let left = inputs; left > 0; left -= QUAD) {
          v128.store(to, inside ? simd.loadLanes(from, left) : f32x4.splat(0));
          from += 16;
          to += panel;
        }
        panels += 16;
        xx += step;
      }
    }
  }
}

/** strips [outputs / 8][rows * cols][8] = channels k0 .. of dy, zeros behind the last one. */
function gatherStrips(
  args: ConvWeightGradientArgs,
  region: Region,
  patch: Patch,
  k0: i32,
  outputs: i32,
  strips: usize,
  strip: usize,
): void {
  const down = region.down;
  const across = region.across;
  const row: usize = 4 * <usize>(args.dyRow * down.yStep);
  const pix: usize = 4 * <usize>(args.dyPix * across.yStep);
  const dy = args.dy + 4 * <usize>(down.y * args.dyRow + across.y * args.dyPix + k0);
  for (let i = 0; i < patch.rows; i++) {
    let pixel = dy + row * <usize>(patch.row + i) + pix * <usize>patch.col;
    for (let j = patch.cols; j > 0; j--) {
      let from = pixel;
      let to = strips;
      for (let left = outputs; left > 0; left -= COLUMNS) {
        v128.store(to, simd.loadLanes(from, left));
        v128.store(to, left > 4 ? simd.loadLanes(from + 16, left - 4) : f32x4.splat(0), 16);
        from += 4 * COLUMNS;
        to += strip;
      }
      strips += 4 * COLUMNS;
      pixel += pix;
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
