import { KB, MR, multiplyStrip } from './winograd-gemm';
import { transform } from './winograd-transform';

/**
 * Fields of the jobs of a Winograd F(4x4,3x3) convolution, 'same' padding, dilation d.
 *
 * The maps' pixels split into d * d phases, each convolved densely by itself. A *group* is a rectangle of phases of equal size,
 * a *pass* a range of the group's list of tiles, listed by kind so that every coefficient's tiles are a range too:
 *
 *     edge rows | full tiles | edge columns | corners
 *
 * Full tiles are F(4,3) both ways; edge rows are F(2,3) vertically, edge columns horizontally, corners both ways. A side has an
 * edge where one or two pixels remain after its tiles of 4; three make a tile of 4 whose last outputs are not stored.
 *
 *     input   v (36, tiles / 4, cin / 64, 4, 64)   transformed data, tiles counted from each coefficient's own first one
 *     gemm    m (36, tiles, 8 * strips)            m[i] = v[i] u[i]; u (36, strips, cin, 8)
 *     output  y = transformed m + bias, ReLU
 */
@unmanaged
export class WinogradArgs {
  /** First pixel of the group's first phase, bytes to the next row and pixel of the *map* (not of the phase). */
  x!: usize;
  xRow!: usize;
  xPix!: usize;
  y!: usize;
  yRow!: usize;
  yPix!: usize;
  u!: usize;
  uStride!: usize;
  bias!: usize;
  v!: usize;
  vStride!: usize;
  m!: usize;
  mStride!: usize;
  cin!: usize;
  cout!: usize;
  dilation!: usize;
  /** Phases of the group, and how many of them lie side by side. */
  phases!: i32;
  phasesX!: i32;
  /** Size of each phase. */
  h!: i32;
  w!: i32;
  /** The pass: its first tile in the group's list, and how many. */
  first!: i32;
  count!: i32;
  /** Tiles of one input or output task. */
  tilesPerTask!: i32;
  /** Strips of 8 output channels of one gemm task. */
  stripsPerTask!: i32;
  relu!: i32;
}

/** Where the kinds of a pass end: edge rows are tiles 0..rows, full ones rows..full, edge columns full..columns, then corners. */
class kinds {
  /** Tiles of 4 along a side. */
  @inline
  static whole(side: i32): i32 {
    return (side + 1) >> 2;
  }

  /** 1 where one or two pixels are left after them. */
  @inline
  static edge(side: i32): i32 {
    return i32(((side - 1) & 3) < 2);
  }

  @inline
  static clip(args: WinogradArgs, end: i32): i32 {
    return max(0, min(args.count, args.phases * end - args.first));
  }

  static rows(args: WinogradArgs): i32 {
    return kinds.clip(args, kinds.edge(args.h) * kinds.whole(args.w));
  }

  static full(args: WinogradArgs): i32 {
    return kinds.clip(args, (kinds.edge(args.h) + kinds.whole(args.h)) * kinds.whole(args.w));
  }

  static columns(args: WinogradArgs): i32 {
    const h = kinds.whole(args.h);
    return kinds.clip(args, (kinds.edge(args.h) + h) * kinds.whole(args.w) + h * kinds.edge(args.w));
  }
}

/** What a task needs to know of one tile; kept in scratch. */
@unmanaged
class Tile {
  /** Pixel (-1, -1) of the tile in the input, which may lie outside of the map, and (0, 0) in the output. */
  x!: usize;
  y!: usize;
  /** Whether the tile is an edge downwards and rightwards. */
  edgeY!: i32;
  edgeX!: i32;
  /** First row and column that exists in the input (0 or 1), and the first that does not any more (up to 6). */
  top!: i32;
  left!: i32;
  bottom!: i32;
  right!: i32;
  /** Rows and columns of the output. */
  rows!: i32;
  cols!: i32;
}

/** Bytes of 64 channels. */
const CHUNK: usize = KB * 4;
/** Bytes of 6 x 6 chunks, the transforms' intermediate result, before one chunk of zeros and a `Tile`. */
const WORK: usize = 36 * CHUNK;

/** Finds tile t of the pass. */
function locate(args: WinogradArgs, t: i32, tile: Tile): void {
  const wholeY = kinds.whole(args.h);
  const wholeX = kinds.whole(args.w);
  const edgeY = kinds.edge(args.h);
  const edgeX = kinds.edge(args.w);
  let index = t + args.first;
  let isY = edgeY;
  let isX = 0;
  let size = edgeY * wholeX;
  if (index >= args.phases * size) {
    index -= args.phases * size;
    isY = 0;
    size = wholeY * wholeX;
    if (index >= args.phases * size) {
      index -= args.phases * size;
      isX = 1;
      size = wholeY * edgeX;
      if (index >= args.phases * size) {
        index -= args.phases * size;
        isY = 1;
        size = 1;
      }
    }
  }
  const phase = index / size;
  const inside = index % size;
  const across = isX ? 1 : wholeX;
  const y = 4 * (isY ? wholeY : inside / across);
  const x = 4 * (isX ? wholeX : inside % across);
  const mapY = <usize>(phase / args.phasesX) + args.dilation * <usize>y;
  const mapX = <usize>(phase % args.phasesX) + args.dilation * <usize>x;
  tile.x = args.x + (mapY - args.dilation) * args.xRow + (mapX - args.dilation) * args.xPix;
  tile.y = args.y + mapY * args.yRow + mapX * args.yPix;
  tile.edgeY = isY;
  tile.edgeX = isX;
  tile.top = i32(y === 0);
  tile.left = i32(x === 0);
  tile.bottom = min(isY ? 4 : 6, args.h - y + 1);
  tile.right = min(isX ? 4 : 6, args.w - x + 1);
  tile.rows = min(isY ? 2 : 4, args.h - y);
  tile.cols = min(isX ? 2 : 4, args.w - x);
}

/** Horizontal data transform of up to 64 channels of a row of a tile of 4. Columns outside of the map are read from `zeros`. */
function dataRow4(x: usize, pix: usize, tile: Tile, bytes: usize, zeros: usize, work: usize): void {
  const right = tile.right;
  let x0 = tile.left ? zeros : x;
  let x1 = x + pix;
  let x2 = right > 2 ? x + 2 * pix : zeros;
  let x3 = right > 3 ? x + 3 * pix : zeros;
  let x4 = right > 4 ? x + 4 * pix : zeros;
  let x5 = right > 5 ? x + 5 * pix : zeros;
  for (const end = work + bytes; work < end; work += 16) {
    transform.data4(
      v128.load(x0),
      v128.load(x1),
      v128.load(x2),
      v128.load(x3),
      v128.load(x4),
      v128.load(x5),
      work,
      CHUNK,
      0,
    );
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
    x4 += 16;
    x5 += 16;
  }
}

/** The same for a tile of 2. */
function dataRow2(x: usize, pix: usize, tile: Tile, bytes: usize, zeros: usize, work: usize): void {
  let x0 = tile.left ? zeros : x;
  let x1 = x + pix;
  let x2 = tile.right > 2 ? x + 2 * pix : zeros;
  let x3 = tile.right > 3 ? x + 3 * pix : zeros;
  for (const end = work + bytes; work < end; work += 16) {
    transform.data2(v128.load(x0), v128.load(x1), v128.load(x2), v128.load(x3), work, CHUNK);
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
  }
}

/** Vertical data transform of a column of 6 rows; rows 3 and 4 of the coefficients go `own` bytes further. */
function dataColumn4(work: usize, bytes: usize, v: usize, down: usize, own: usize): void {
  for (const end = work + bytes; work < end; work += 16) {
    const d0 = v128.load(work);
    const d1 = v128.load(work, 6 * CHUNK);
    const d2 = v128.load(work, 12 * CHUNK);
    const d3 = v128.load(work, 18 * CHUNK);
    const d4 = v128.load(work, 24 * CHUNK);
    const d5 = v128.load(work, 30 * CHUNK);
    transform.data4(d0, d1, d2, d3, d4, d5, v, down, own);
    v += 16;
  }
}

/** Vertical data transform of a column of 4 rows. */
function dataColumn2(work: usize, bytes: usize, v: usize, down: usize): void {
  for (const end = work + bytes; work < end; work += 16) {
    const d0 = v128.load(work);
    const d1 = v128.load(work, 6 * CHUNK);
    const d2 = v128.load(work, 12 * CHUNK);
    const d3 = v128.load(work, 18 * CHUNK);
    transform.data2(d0, d1, d2, d3, v, down);
    v += 16;
  }
}

/** Data transform of one tile: from x to v, `own` bytes further for rows 3 and 4 of the coefficients. */
function inputTile(args: WinogradArgs, tile: Tile, v: usize, own: usize, work: usize): void {
  const row = args.dilation * args.xRow;
  const pix = args.dilation * args.xPix;
  const down = args.vStride * 6;
  const zeros = work + WORK;
  // Rows outside of the map stay zero for all channels.
  if (tile.top > 0) memory.fill(work, 0, 6 * CHUNK);
  const missing = (tile.edgeY ? 4 : 6) - tile.bottom;
  if (missing > 0) memory.fill(work + <usize>tile.bottom * 6 * CHUNK, 0, <usize>missing * 6 * CHUNK);
  const cin = args.cin * 4;
  for (let k: usize = 0; k < cin; k += CHUNK) {
    const bytes = min(CHUNK, cin - k);
    for (let i = tile.top; i < tile.bottom; i++) {
      const x = tile.x + <usize>i * row + k;
      if (tile.edgeX) dataRow2(x, pix, tile, bytes, zeros, work + <usize>i * 6 * CHUNK);
      else dataRow4(x, pix, tile, bytes, zeros, work + <usize>i * 6 * CHUNK);
    }
    for (let j: usize = 0; j < 6; j++) {
      if (tile.edgeX && (j === 3 || j === 4)) continue;
      const out = v + j * args.vStride + k * MR;
      if (tile.edgeY) dataColumn2(work + j * CHUNK, bytes, out, down);
      else dataColumn4(work + j * CHUNK, bytes, out, down, own);
    }
  }
}

/** Bytes of a panel of v. */
function panelBytes(args: WinogradArgs): usize {
  return ((args.cin + KB - 1) / KB) * MR * CHUNK;
}

/** Byte offset of a coefficient's tile in v. */
function offsetInV(args: WinogradArgs, tile: i32): usize {
  return (<usize>tile / MR) * panelBytes(args) + (<usize>tile % MR) * CHUNK;
}

/** Zeros the tiles that fill up the last panel of the coefficients in rows `own ? 3, 4 : 0, 1, 2, 5` and columns 3, 4 or the others. */
function clearTail(args: WinogradArgs, ownRow: bool, ownColumn: bool, tiles: i32): void {
  for (let tile = tiles; <usize>tile % MR !== 0; tile++) {
    const start = args.v + offsetInV(args, tile);
    for (let i = 0; i < 36; i++) {
      const row = i / 6;
      const column = i % 6;
      if ((row === 3 || row === 4) !== ownRow || (column === 3 || column === 4) !== ownColumn) continue;
      const v = start + <usize>i * args.vStride;
      for (let k: usize = 0; k < args.cin; k += KB) memory.fill(v + k * MR * 4, 0, CHUNK);
    }
  }
}

/** Fills v from x. A task is `tilesPerTask` tiles; scratch: see `WORK`. */
export function winogradInput(args: WinogradArgs, task: i32, scratch: usize): void {
  const begin = task * args.tilesPerTask;
  const end = min(args.count, begin + args.tilesPerTask);
  const rows = kinds.rows(args);
  const full = kinds.full(args);
  const columns = kinds.columns(args);
  memory.fill(scratch + WORK, 0, CHUNK);
  const tile = changetype<Tile>(scratch + WORK + CHUNK);
  for (let t = begin; t < end; t++) {
    locate(args, t, tile);
    const common = offsetInV(args, t);
    const own = offsetInV(args, max(0, t - rows));
    inputTile(args, tile, args.v + common, own - common, scratch);
  }
  if (end === args.count) clearTail(args, false, false, args.count);
  if (full > begin && full <= end) clearTail(args, false, true, full);
  if (columns > begin && columns <= end) clearTail(args, true, false, columns - rows);
  if (full > begin && full <= end) clearTail(args, true, true, full - rows);
}

/** Multiplies `stripsPerTask` strips of one coefficient: m = v u. Tasks run over the strips first, then the coefficients. */
export function winogradGemm(args: WinogradArgs, task: i32, _scratch: usize): void {
  const strips = <i32>((args.cout + 7) >> 3);
  const perCoefficient = (strips + args.stripsPerTask - 1) / args.stripsPerTask;
  const coefficient = task / perCoefficient;
  const begin = (task % perCoefficient) * args.stripsPerTask;
  const end = min(strips, begin + args.stripsPerTask);
  const i = coefficient / 6;
  const j = coefficient % 6;
  const first = i === 3 || i === 4 ? kinds.rows(args) : 0;
  const last = j === 3 || j === 4 ? kinds.full(args) : i === 3 || i === 4 ? kinds.columns(args) : args.count;
  if (last <= first) return;
  const panels = (<usize>(last - first) + MR - 1) / MR;
  const ldc = <usize>strips * 32;
  const v = args.v + <usize>coefficient * args.vStride;
  const u = args.u + <usize>coefficient * args.uStride;
  const m = args.m + <usize>coefficient * args.mStride;
  // The strip of u stays in L1 while the panels of v pass from L2.
  for (let strip = begin; strip < end; strip++)
    multiplyStrip(v, panels, panelBytes(args), u + <usize>strip * args.cin * 32, m + <usize>strip * 32, args.cin, ldc);
}

/** Vertical output transform of up to 64 channels of a column: 6 coefficients to 4 rows. Rows 3 and 4 are `own` bytes further. */
function outputColumn4(m: usize, down: usize, own: usize, bytes: usize, work: usize): void {
  let m1 = m + down;
  let m2 = m1 + down;
  let m3 = m2 + down + own;
  let m4 = m3 + down;
  let m5 = m + 5 * down;
  for (const end = work + bytes; work < end; work += 16) {
    const p = f32x4.add(v128.load(m1), v128.load(m2));
    const q = f32x4.sub(v128.load(m1), v128.load(m2));
    const r = f32x4.add(v128.load(m3), v128.load(m4));
    const t = f32x4.sub(v128.load(m3), v128.load(m4));
    v128.store(work, transform.output0(v128.load(m), p, r));
    v128.store(work, transform.output1(q, t), 6 * CHUNK);
    v128.store(work, transform.output2(p, r), 12 * CHUNK);
    v128.store(work, transform.output3(q, t, v128.load(m5)), 18 * CHUNK);
    m += 16;
    m1 += 16;
    m2 += 16;
    m3 += 16;
    m4 += 16;
    m5 += 16;
  }
}

/** The same for 4 coefficients and 2 rows. */
function outputColumn2(m: usize, down: usize, bytes: usize, work: usize): void {
  let m1 = m + down;
  let m2 = m1 + down;
  let m5 = m + 5 * down;
  for (const end = work + bytes; work < end; work += 16) {
    const p = f32x4.add(v128.load(m1), v128.load(m2));
    const q = f32x4.sub(v128.load(m1), v128.load(m2));
    v128.store(work, f32x4.add(v128.load(m), p));
    v128.store(work, transform.outputLast2(q, v128.load(m5)), 6 * CHUNK);
    m += 16;
    m1 += 16;
    m2 += 16;
    m5 += 16;
  }
}

/** Horizontal output transform of a row, bias and ReLU (`floor` 0, else -infinity): up to 4 pixels. pmax(y, floor) is y < floor ? floor : y and keeps NaN. */
function outputRow4(work: usize, bytes: usize, bias: usize, floor: v128, y: usize, pix: usize, cols: i32): void {
  for (const end = work + bytes; work < end; work += 16) {
    const b = v128.load(bias);
    const m1 = v128.load(work, CHUNK);
    const m2 = v128.load(work, 2 * CHUNK);
    const m3 = v128.load(work, 3 * CHUNK);
    const m4 = v128.load(work, 4 * CHUNK);
    const p = f32x4.add(m1, m2);
    const q = f32x4.sub(m1, m2);
    const r = f32x4.add(m3, m4);
    const t = f32x4.sub(m3, m4);
    v128.store(y, f32x4.pmax(f32x4.add(transform.output0(v128.load(work), p, r), b), floor));
    v128.store(y + pix, f32x4.pmax(f32x4.add(transform.output1(q, t), b), floor));
    v128.store(y + 2 * pix, f32x4.pmax(f32x4.add(transform.output2(p, r), b), floor));
    if (cols > 3) {
      const last = transform.output3(q, t, v128.load(work, 5 * CHUNK));
      v128.store(y + 3 * pix, f32x4.pmax(f32x4.add(last, b), floor));
    }
    bias += 16;
    y += 16;
  }
}

/** The same for up to 2 pixels. */
function outputRow2(work: usize, bytes: usize, bias: usize, floor: v128, y: usize, pix: usize, cols: i32): void {
  for (const end = work + bytes; work < end; work += 16) {
    const b = v128.load(bias);
    const m1 = v128.load(work, CHUNK);
    const m2 = v128.load(work, 2 * CHUNK);
    v128.store(y, f32x4.pmax(f32x4.add(f32x4.add(v128.load(work), f32x4.add(m1, m2)), b), floor));
    if (cols > 1) {
      const last = transform.outputLast2(f32x4.sub(m1, m2), v128.load(work, 5 * CHUNK));
      v128.store(y + pix, f32x4.pmax(f32x4.add(last, b), floor));
    }
    bias += 16;
    y += 16;
  }
}

/** Output transform of one tile: from m, `own` bytes further for rows 3 and 4 of the coefficients, to y. */
function outputTile(args: WinogradArgs, tile: Tile, m: usize, own: usize, zeros: usize, work: usize): void {
  const row = args.dilation * args.yRow;
  const pix = args.dilation * args.yPix;
  const down = args.mStride * 6;
  const floor = f32x4.splat(args.relu ? 0 : -Infinity);
  const cout = args.cout * 4;
  for (let n: usize = 0; n < cout; n += CHUNK) {
    const bytes = min(CHUNK, cout - n);
    for (let j: usize = 0; j < 6; j++) {
      if (tile.edgeX && (j === 3 || j === 4)) continue;
      const from = m + j * args.mStride + n;
      if (tile.edgeY) outputColumn2(from, down, bytes, work + j * CHUNK);
      else outputColumn4(from, down, own, bytes, work + j * CHUNK);
    }
    const bias = args.bias ? args.bias + n : zeros;
    for (let i: usize = 0; i < <usize>tile.rows; i++) {
      const y = tile.y + i * row + n;
      if (tile.edgeX) outputRow2(work + i * 6 * CHUNK, bytes, bias, floor, y, pix, tile.cols);
      else outputRow4(work + i * 6 * CHUNK, bytes, bias, floor, y, pix, tile.cols);
    }
  }
}

/** Writes y from m. A task is `tilesPerTask` tiles; scratch: see `WORK`. */
export function winogradOutput(args: WinogradArgs, task: i32, scratch: usize): void {
  const begin = task * args.tilesPerTask;
  const end = min(args.count, begin + args.tilesPerTask);
  const rows = kinds.rows(args);
  const ldm = ((args.cout + 7) >> 3) * 32;
  const zeros = scratch + WORK;
  memory.fill(zeros, 0, CHUNK);
  const tile = changetype<Tile>(scratch + WORK + CHUNK);
  for (let t = begin; t < end; t++) {
    locate(args, t, tile);
    const common = <usize>t * ldm;
    outputTile(args, tile, args.m + common, <usize>max(0, t - rows) * ldm - common, zeros, scratch);
  }
}

export { winogradWeights } from './winograd-weights';
