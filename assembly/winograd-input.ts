import { inputTile6 } from './wide-input';
import { PANEL } from './winograd-gemm';
import { CHUNK, kinds, locate, offsetInV, Tile, WinogradArgs, WORK } from './winograd-tile';
import { transform } from './winograd-transform';

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

/** Clears the rows of a tile that lie outside of the map: they stay zero for all channels. */
export function clearMissing(tile: Tile, work: usize): void {
  if (tile.top > 0) memory.fill(work, 0, 6 * CHUNK);
  const missing = (tile.edgeY ? 4 : 6) - tile.bottom;
  if (missing > 0) memory.fill(work + <usize>tile.bottom * 6 * CHUNK, 0, <usize>missing * 6 * CHUNK);
}

/** Horizontal data transforms of all rows of a tile, `bytes` of channels from byte k on. Behind work lies a chunk of zeros. */
export function inputRows(args: WinogradArgs, tile: Tile, k: usize, bytes: usize, work: usize): void {
  const row = args.dilation * args.xRow;
  const pix = args.dilation * args.xPix;
  const zeros = work + WORK;
  for (let i = tile.top; i < tile.bottom; i++) {
    const x = tile.x + <usize>i * row + k;
    if (tile.edgeX) dataRow2(x, pix, tile, bytes, zeros, work + <usize>i * 6 * CHUNK);
    else dataRow4(x, pix, tile, bytes, zeros, work + <usize>i * 6 * CHUNK);
  }
}

/** Data transform of one tile: from x to v, `own` bytes further for rows 3 and 4 of the coefficients. */
function inputTile(args: WinogradArgs, tile: Tile, v: usize, own: usize, work: usize): void {
  const down = args.vStride * 6;
  clearMissing(tile, work);
  const cin = args.cin * 4;
  for (let k: usize = 0; k < cin; k += CHUNK) {
    const bytes = min(CHUNK, cin - k);
    inputRows(args, tile, k, bytes, work);
    for (let j: usize = 0; j < 6; j++) {
      if (tile.edgeX && (j === 3 || j === 4)) continue;
      const out = v + j * args.vStride + k * PANEL;
      if (tile.edgeY) dataColumn2(work + j * CHUNK, bytes, out, down);
      else dataColumn4(work + j * CHUNK, bytes, out, down, own);
    }
  }
}

/**
 * Fills v from x. A task is `tilesPerTask` tiles; scratch: see `WORK`. Rows that fill up a coefficient's last panel keep what was
 * there: their products are never read.
 */
export function winogradInput(args: WinogradArgs, task: i32, scratch: usize): void {
  const begin = task * args.tilesPerTask;
  const end = min(args.count, begin + args.tilesPerTask);
  const rows = kinds.rows(args);
  const edge = kinds.edge(args, args.h);
  memory.fill(scratch + WORK, 0, CHUNK);
  const tile = changetype<Tile>(scratch + WORK + CHUNK);
  for (let t = begin; t < end; t++) {
    locate(args, t, tile);
    const common = offsetInV(args, t);
    const own = offsetInV(args, max(0, t - rows)) - common;
    const v = args.v + common;
    if (args.tile === 6) inputTile6(args, tile, v, edge === 4 ? own : 0, edge === 2 ? own : 0, scratch);
    else inputTile(args, tile, v, own, scratch);
  }
}
