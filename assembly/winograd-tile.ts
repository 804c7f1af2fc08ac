import { BLOCK, PANEL, panelOffset } from './winograd-gemm';

/**
 * Fields of the jobs of a Winograd convolution, F(4x4,3x3) or F(6x6,3x3), 'same' padding, dilation d.
 *
 * The maps' pixels split into d * d phases, each convolved densely by itself. A *group* is a rectangle of phases of equal size,
 * a *pass* a range of the group's list of tiles, listed by kind so that every coefficient's tiles are a range too:
 *
 *     edge rows | full tiles | edge columns | corners
 *
 * Full tiles are F(4,3) or F(6,3) both ways; edge rows are smaller vertically, edge columns horizontally, corners both ways. A side
 * has an edge where one or two pixels (F(2,3)) or, of tiles of 6, three or four (F(4,3)) remain after its tiles; one less than a tile
 * makes a tile whose last outputs are not stored. Coefficients that an edge lacks: see `kinds.lacks`. With n = 6 or 8:
 *
 *     input   v (n n, tiles / 4, cin / 64, 4, 64)  transformed data, tiles counted from each coefficient's own first one;
 *                                                  up to 32 channels: as many panels of 4 tiles as fit stand side by side in the 64
 *     gemm    m (n n, tiles, 8 * strips)           m[i] = v[i] u[i]; u (n n, strips, cin, 8)
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
  /** Outputs of a tile along a side: 4 or 6. */
  tile!: i32;
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
  /** Whole tiles along a side. */
  @inline
  static whole(args: WinogradArgs, side: i32): i32 {
    return (side + 1) / args.tile;
  }

  /** Outputs of the tile at the end of a side: 2 or 4, 0 for none. */
  @inline
  static edge(args: WinogradArgs, side: i32): i32 {
    const left = side % args.tile;
    return left === 0 || left === args.tile - 1 ? 0 : left < 3 ? 2 : 4;
  }

  /** Whether edges of that size lack coefficient i: those of 2 all between the third and the last one, those of 4 the second and third. */
  @inline
  static lacks(args: WinogradArgs, edge: i32, i: i32): boolean {
    return edge === 2 ? i > 2 && i <= args.tile : edge === 4 && (i === 1 || i === 2);
  }

  @inline
  static clip(args: WinogradArgs, end: i32): i32 {
    return max(0, min(args.count, args.phases * end - args.first));
  }

  static rows(args: WinogradArgs): i32 {
    return kinds.clip(args, i32(kinds.edge(args, args.h) > 0) * kinds.whole(args, args.w));
  }

  static full(args: WinogradArgs): i32 {
    return kinds.clip(
      args,
      (i32(kinds.edge(args, args.h) > 0) + kinds.whole(args, args.h)) * kinds.whole(args, args.w),
    );
  }

  static columns(args: WinogradArgs): i32 {
    const h = kinds.whole(args, args.h);
    const across = kinds.whole(args, args.w);
    return kinds.clip(args, (i32(kinds.edge(args, args.h) > 0) + h) * across + h * i32(kinds.edge(args, args.w) > 0));
  }

  /** The first tile that has coefficients of row i. */
  static first(args: WinogradArgs, i: i32): i32 {
    return kinds.lacks(args, kinds.edge(args, args.h), i) ? kinds.rows(args) : 0;
  }

  /** Behind the last tile that has coefficient (i, j). */
  static last(args: WinogradArgs, i: i32, j: i32): i32 {
    if (kinds.lacks(args, kinds.edge(args, args.w), j)) return kinds.full(args);
    return kinds.lacks(args, kinds.edge(args, args.h), i) ? kinds.columns(args) : args.count;
  }
}

/** What a task needs to know of one tile; kept in scratch. */
@unmanaged
export class Tile {
  /** Pixel (-1, -1) of the tile in the input, which may lie outside of the map, and (0, 0) in the output. */
  x!: usize;
  y!: usize;
  /** Outputs downwards and rightwards if the tile is an edge there, else 0. */
  edgeY!: i32;
  edgeX!: i32;
  /** First row and column that exists in the input (0 or 1), and the first that does not any more (up to 8). */
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
/** Bytes of 8 x 8 chunks, the transforms' intermediate result, before one chunk of zeros and a `Tile`. */
export const WORK: usize = 64 * CHUNK;

/** Where in a task's scratch its own copy of the arguments lies, behind chunks, zeros and tile. */
export const OWN: usize = WORK + CHUNK + 64;

/** Finds tile t of the pass. */
export function locate(args: WinogradArgs, t: i32, tile: Tile): void {
  const side = args.tile;
  const wholeY = kinds.whole(args, args.h);
  const wholeX = kinds.whole(args, args.w);
  const edgeY = kinds.edge(args, args.h);
  const edgeX = kinds.edge(args, args.w);
  let index = t + args.first;
  let ownY = edgeY;
  let ownX = 0;
  let size = edgeY ? wholeX : 0;
  if (index >= args.phases * size) {
    index -= args.phases * size;
    ownY = 0;
    size = wholeY * wholeX;
    if (index >= args.phases * size) {
      index -= args.phases * size;
      ownX = edgeX;
      size = edgeX ? wholeY : 0;
      if (index >= args.phases * size) {
        index -= args.phases * size;
        ownY = edgeY;
        size = 1;
      }
    }
  }
  const phase = index / size;
  const inside = index % size;
  const across = ownX ? 1 : wholeX;
  const y = side * (ownY ? wholeY : inside / across);
  const x = side * (ownX ? wholeX : inside % across);
  const mapY = <usize>(phase / args.phasesX) + args.dilation * <usize>y;
  const mapX = <usize>(phase % args.phasesX) + args.dilation * <usize>x;
  const down = ownY ? ownY : side;
  const right = ownX ? ownX : side;
  tile.x = args.x + (mapY - args.dilation) * args.xRow + (mapX - args.dilation) * args.xPix;
  tile.y = args.y + mapY * args.yRow + mapX * args.yPix;
  tile.edgeY = ownY;
  tile.edgeX = ownX;
  tile.top = i32(y === 0);
  tile.left = i32(x === 0);
  tile.bottom = min(down + 2, args.h - y + 1);
  tile.right = min(right + 2, args.w - x + 1);
  tile.rows = min(down, args.h - y);
  tile.cols = min(right, args.w - x);
}

/** Byte offset of a coefficient's tile in v. */
export function offsetInV(args: WinogradArgs, tile: i32): usize {
  return panelOffset(args.cin, <usize>tile / PANEL) + (<usize>tile % PANEL) * CHUNK;
}
