import { BLOCK, PANEL, panelOffset } from './winograd-gemm';

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
 *     input   v (36, tiles / 4, cin / 64, 4, 64)   transformed data, tiles counted from each coefficient's own first one;
 *                                                  up to 32 channels: as many panels of 4 tiles as fit stand side by side in the 64
 *     gemm    m (36, tiles, 8 * strips)            m[i] = v[i] u[i]; u (36, strips, cin, 8)
 *     output  y = or += transformed m + bias, clipped
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
  /** 0: none. */
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
  /** y = min(max(result, low), high) */
  low!: f32;
  high!: f32;
  /** Whether y is added to. */
  accumulate!: i32;
}

/** Where the kinds of a pass end: edge rows are tiles 0..rows, full ones rows..full, edge columns full..columns, then corners. */
export class kinds {
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

  /** The first tile that has coefficients of row i. */
  static first(args: WinogradArgs, i: i32): i32 {
    return i === 3 || i === 4 ? kinds.rows(args) : 0;
  }

  /** Behind the last tile that has coefficient (i, j). */
  static last(args: WinogradArgs, i: i32, j: i32): i32 {
    return j === 3 || j === 4 ? kinds.full(args) : i === 3 || i === 4 ? kinds.columns(args) : args.count;
  }
}

/** What a task needs to know of one tile; kept in scratch. */
@unmanaged
export class Tile {
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
export const CHUNK: usize = BLOCK * 4;
/** Bytes of 6 x 6 chunks, the transforms' intermediate result, before one chunk of zeros and a `Tile`. */
export const WORK: usize = 36 * CHUNK;

/** Where in a task's scratch its own copy of the arguments lies, behind chunks, zeros and tile. */
export const OWN: usize = WORK + CHUNK + 64;

/** Finds tile t of the pass. */
export function locate(args: WinogradArgs, t: i32, tile: Tile): void {
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

/** Byte offset of a coefficient's tile in v. */
export function offsetInV(args: WinogradArgs, tile: i32): usize {
  return panelOffset(args.cin, <usize>tile / PANEL) + (<usize>tile % PANEL) * CHUNK;
}
