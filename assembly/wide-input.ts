import { wide } from './wide-transform';
import { PANEL } from './winograd-gemm';
import { CHUNK, kinds, OWN, Tile, WinogradArgs, WORK } from './winograd-tile';

/** Bytes of scratch of tiles of 6: behind all else, the input of a row of an edge. */
export const WIDE_SCRATCH: usize = OWN + 6 * CHUNK;

/** Horizontal data transform of up to 64 channels of a row of a tile of 6. Columns outside of the map are read from `zeros`. */
function rowOf6(x: usize, pix: usize, tile: Tile, bytes: usize, zeros: usize, work: usize): void {
  const right = tile.right;
  let x0 = tile.left ? zeros : x;
  let x1 = x + pix;
  let x2 = right > 2 ? x + 2 * pix : zeros;
  let x3 = right > 3 ? x + 3 * pix : zeros;
  let x4 = right > 4 ? x + 4 * pix : zeros;
  let x5 = right > 5 ? x + 5 * pix : zeros;
  let x6 = right > 6 ? x + 6 * pix : zeros;
  let x7 = right > 7 ? x + 7 * pix : zeros;
  for (const end = work + bytes; work < end; work += 16) {
    wide.data6(
      v128.load(x0),
      v128.load(x1),
      v128.load(x2),
      v128.load(x3),
      v128.load(x4),
      v128.load(x5),
      v128.load(x6),
      v128.load(x7),
      work,
      work + CHUNK,
      work + 2 * CHUNK,
      work + 3 * CHUNK,
      work + 4 * CHUNK,
      work + 5 * CHUNK,
      work + 6 * CHUNK,
      work + 7 * CHUNK,
    );
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
    x4 += 16;
    x5 += 16;
    x6 += 16;
    x7 += 16;
  }
}

/** Vertical data transform of a column of 8 rows; rows 1 and 2 of the coefficients go `own1` bytes further, 3 to 6 `own3`. */
function columnOf6(work: usize, bytes: usize, v: usize, down: usize, own1: usize, own3: usize): void {
  let v1 = v + down + own1;
  let v2 = v1 + down;
  let v3 = v + 3 * down + own3;
  let v4 = v3 + down;
  let v5 = v4 + down;
  let v6 = v5 + down;
  let v7 = v + 7 * down;
  for (const end = work + bytes; work < end; work += 16) {
    wide.data6(
      v128.load(work),
      v128.load(work, 8 * CHUNK),
      v128.load(work, 16 * CHUNK),
      v128.load(work, 24 * CHUNK),
      v128.load(work, 32 * CHUNK),
      v128.load(work, 40 * CHUNK),
      v128.load(work, 48 * CHUNK),
      v128.load(work, 56 * CHUNK),
      v,
      v1,
      v2,
      v3,
      v4,
      v5,
      v6,
      v7,
    );
    v += 16;
    v1 += 16;
    v2 += 16;
    v3 += 16;
    v4 += 16;
    v5 += 16;
    v6 += 16;
    v7 += 16;
  }
}

/** Either transform of an edge of 4 or 2: chunks `step` bytes apart to coefficients `next` bytes apart. */
function edgeOf(size: i32, x: usize, step: usize, bytes: usize, v: usize, next: usize): void {
  for (const end = x + bytes; x < end; x += 16) {
    const d0 = v128.load(x);
    const d1 = v128.load(x + step);
    const d2 = v128.load(x + 2 * step);
    const d3 = v128.load(x + 3 * step);
    if (size === 2) wide.data2(d0, d1, d2, d3, v, next);
    else wide.data4(d0, d1, d2, d3, v128.load(x + 4 * step), v128.load(x + 5 * step), v, next);
    v += 16;
  }
}

/** Horizontal data transform of a row of an edge, which always ends outside of the map. */
function edgeRow(x: usize, pix: usize, tile: Tile, bytes: usize, line: usize, work: usize): void {
  for (let i = 0; i < tile.edgeX + 2; i++) {
    const to = line + <usize>i * CHUNK;
    if (i < tile.left || i >= tile.right) memory.fill(to, 0, bytes);
    else memory.copy(to, x + <usize>i * pix, bytes);
  }
  edgeOf(tile.edgeX, line, CHUNK, bytes, work, CHUNK);
}

/** Data transform of one tile: from x to v, `own1` and `own3` bytes further for rows 1 and 2, and 3 to 6, of the coefficients. */
export function inputTile6(args: WinogradArgs, tile: Tile, v: usize, own1: usize, own3: usize, work: usize): void {
  const row = args.dilation * args.xRow;
  const pix = args.dilation * args.xPix;
  const down = args.vStride * 8;
  const cin = args.cin * 4;
  memory.fill(work, 0, <usize>tile.top * 8 * CHUNK);
  memory.fill(work + <usize>tile.bottom * 8 * CHUNK, 0, <usize>(8 - tile.bottom) * 8 * CHUNK);
  for (let k: usize = 0; k < cin; k += CHUNK) {
    const bytes = min(CHUNK, cin - k);
    for (let i = tile.top; i < tile.bottom; i++) {
      const x = tile.x + <usize>i * row + k;
      const to = work + <usize>i * 8 * CHUNK;
      if (tile.edgeX) edgeRow(x, pix, tile, bytes, work + OWN, to);
      else rowOf6(x, pix, tile, bytes, work + WORK, to);
    }
    for (let j = 0; j < 8; j++) {
      if (kinds.lacks(args, tile.edgeX, j)) continue;
      const from = work + <usize>j * CHUNK;
      const to = v + <usize>j * args.vStride + k * PANEL;
      if (tile.edgeY) edgeOf(tile.edgeY, from, 8 * CHUNK, bytes, to, down);
      else columnOf6(from, bytes, to, down, own1, own3);
    }
  }
}
