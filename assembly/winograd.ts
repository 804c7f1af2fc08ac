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
 *     input   v (36, tiles / 4, cin / 16, 4, 16)   transformed data, tiles counted from each coefficient's own first one
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

/** Bytes of a 6 x 6 block of vectors. */
const WORK: usize = 576;

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

/** Data transform of four channels of one tile: x to v, whose first coefficient is at `common` (rows 0, 1, 2, 5) and `own` (3, 4). */
function inputTile(
  tile: Tile,
  x: usize,
  row: usize,
  pix: usize,
  common: usize,
  own: usize,
  vStride: usize,
  work: usize,
): void {
  const zero = f32x4.splat(0);
  const left = tile.left;
  const right = tile.right;
  const size = tile.edgeY ? 4 : 6;
  let w = work;
  for (let i = 0; i < size; i++) {
    if (i < tile.top || i >= tile.bottom) {
      for (let j: usize = 0; j < 96; j += 16) v128.store(w + j, zero);
    } else {
      const d0 = left ? zero : v128.load(x);
      const d1 = v128.load(x + pix);
      const d2 = right > 2 ? v128.load(x + 2 * pix) : zero;
      const d3 = right > 3 ? v128.load(x + 3 * pix) : zero;
      if (tile.edgeX) {
        transform.data2(d0, d1, d2, d3, w, 16);
      } else {
        const d4 = right > 4 ? v128.load(x + 4 * pix) : zero;
        const d5 = right > 5 ? v128.load(x + 5 * pix) : zero;
        transform.data4(d0, d1, d2, d3, d4, d5, w, w, 16);
      }
    }
    w += 96;
    x += row;
  }
  w = work;
  for (let j = 0; j < 6; j++) {
    if (j === 3 && tile.edgeX) {
      j = 5;
      w += 32;
      common += 2 * vStride;
      own += 2 * vStride;
    }
    const d0 = v128.load(w);
    const d1 = v128.load(w, 96);
    const d2 = v128.load(w, 192);
    const d3 = v128.load(w, 288);
    if (tile.edgeY) transform.data2(d0, d1, d2, d3, common, 6 * vStride);
    else transform.data4(d0, d1, d2, d3, v128.load(w, 384), v128.load(w, 480), common, own, 6 * vStride);
    w += 16;
    common += vStride;
    own += vStride;
  }
}

/** Bytes of a panel of v. */
function panelBytes(args: WinogradArgs): usize {
  return ((args.cin + KB - 1) / KB) * MR * KB * 4;
}

/** Byte offset of a coefficient's tile in v. */
function offsetInV(args: WinogradArgs, tile: i32): usize {
  return (<usize>tile / MR) * panelBytes(args) + (<usize>tile % MR) * KB * 4;
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
      for (let k: usize = 0; k < args.cin; k += KB) memory.fill(v + k * MR * 4, 0, KB * 4);
    }
  }
}

/** Fills v from x. A task is `tilesPerTask` tiles; scratch: `WORK` bytes and a `Tile`. */
export function winogradInput(args: WinogradArgs, task: i32, scratch: usize): void {
  const begin = task * args.tilesPerTask;
  const end = min(args.count, begin + args.tilesPerTask);
  const rows = kinds.rows(args);
  const full = kinds.full(args);
  const columns = kinds.columns(args);
  const row = args.dilation * args.xRow;
  const pix = args.dilation * args.xPix;
  const tile = changetype<Tile>(scratch + WORK);
  for (let t = begin; t < end; t++) {
    locate(args, t, tile);
    const common = args.v + offsetInV(args, t);
    const own = args.v + offsetInV(args, max(0, t - rows));
    for (let k: usize = 0; k < args.cin; k += 4) {
      const offset = (k / KB) * (MR * KB * 4) + (k % KB) * 4;
      inputTile(tile, tile.x + k * 4, row, pix, common + offset, own + offset, args.vStride, scratch);
    }
  }
  if (end === args.count) clearTail(args, false, false, args.count);
  if (full > begin && full <= end) clearTail(args, false, true, full);
  if (columns > begin && columns <= end) clearTail(args, true, false, columns - rows);
  if (full > begin && full <= end) clearTail(args, true, true, full - rows);
}

/** Multiplies `stripsPerTask` strips of one coefficient: m = v u. Tasks run over the strips first, then the coefficients. */
export function winogradGemm(args: WinogradArgs, task: i32, scratch: usize): void {
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

/** Output transform of four channels of one tile; `floor` is 0 for ReLU, else -infinity. */
function outputTile(
  tile: Tile,
  common: usize,
  own: usize,
  mStride: usize,
  y: usize,
  row: usize,
  pix: usize,
  bias: v128,
  floor: v128,
  work: usize,
): void {
  let w = work;
  for (let j = 0; j < 6; j++) {
    if (j === 3 && tile.edgeX) {
      j = 5;
      w += 32;
      common += 2 * mStride;
      own += 2 * mStride;
    }
    const m0 = v128.load(common);
    const m1 = v128.load(common + 6 * mStride);
    const m2 = v128.load(common + 12 * mStride);
    const m5 = v128.load(common + 30 * mStride);
    const p = f32x4.add(m1, m2);
    const q = f32x4.sub(m1, m2);
    if (tile.edgeY) {
      v128.store(w, f32x4.add(m0, p));
      v128.store(w, transform.outputLast2(q, m5), 96);
    } else {
      const m3 = v128.load(own + 18 * mStride);
      const m4 = v128.load(own + 24 * mStride);
      const r = f32x4.add(m3, m4);
      const t = f32x4.sub(m3, m4);
      v128.store(w, transform.output0(m0, p, r));
      v128.store(w, transform.output1(q, t), 96);
      v128.store(w, transform.output2(p, r), 192);
      v128.store(w, transform.output3(q, t, m5), 288);
    }
    w += 16;
    common += mStride;
    own += mStride;
  }
  w = work;
  const rows = tile.rows;
  const cols = tile.cols;
  for (let i = 0; i < rows; i++) {
    const m0 = f32x4.add(v128.load(w), bias);
    const m1 = v128.load(w, 16);
    const m2 = v128.load(w, 32);
    const m5 = v128.load(w, 80);
    const p = f32x4.add(m1, m2);
    const q = f32x4.sub(m1, m2);
    if (tile.edgeX) {
      v128.store(y, f32x4.pmax(f32x4.add(m0, p), floor));
      if (cols > 1) v128.store(y + pix, f32x4.pmax(f32x4.add(transform.outputLast2(q, m5), bias), floor));
    } else {
      const m3 = v128.load(w, 48);
      const m4 = v128.load(w, 64);
      const r = f32x4.add(m3, m4);
      const t = f32x4.sub(m3, m4);
      v128.store(y, f32x4.pmax(transform.output0(m0, p, r), floor));
      v128.store(y + pix, f32x4.pmax(f32x4.add(transform.output1(q, t), bias), floor));
      v128.store(y + 2 * pix, f32x4.pmax(f32x4.add(transform.output2(p, r), bias), floor));
      if (cols > 3) v128.store(y + 3 * pix, f32x4.pmax(f32x4.add(transform.output3(q, t, m5), bias), floor));
    }
    w += 96;
    y += row;
  }
}

/** Writes y from m. A task is `tilesPerTask` tiles; scratch: `WORK` bytes and a `Tile`. pmax(y, floor) keeps NaN: it is y < floor ? floor : y. */
export function winogradOutput(args: WinogradArgs, task: i32, scratch: usize): void {
  const begin = task * args.tilesPerTask;
  const end = min(args.count, begin + args.tilesPerTask);
  const rows = kinds.rows(args);
  const row = args.dilation * args.yRow;
  const pix = args.dilation * args.yPix;
  const ldm = ((args.cout + 7) >> 3) * 32;
  const floor = f32x4.splat(args.relu ? 0 : -Infinity);
  const tile = changetype<Tile>(scratch + WORK);
  for (let t = begin; t < end; t++) {
    locate(args, t, tile);
    const common = args.m + <usize>t * ldm;
    const own = args.m + <usize>max(0, t - rows) * ldm;
    for (let n: usize = 0; n < args.cout * 4; n += 16) {
      const bias = v128.load(args.bias + n);
      outputTile(tile, common + n, own + n, args.mStride, tile.y + n, row, pix, bias, floor, scratch);
    }
  }
}

export { winogradWeights } from './winograd-weights';
