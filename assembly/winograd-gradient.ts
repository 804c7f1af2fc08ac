import { outerProduct } from './outer';
import { clearMissing, inputRows } from './winograd-input';
import { CHUNK, kinds, locate, Tile, WinogradArgs, WORK } from './winograd-tile';
import { transform } from './winograd-transform';

/**
 * Fields of the jobs of the weight gradient of a Winograd convolution, which is the forward's adjoint: with Y = A' [U o B' d B] A
 * and U = G g G', dg = G' [ sum over tiles of (B' d B) o (A dY A') ] G. Tiles, passes and kinds are the forward's (winograd-tile.ts),
 * the mixed edge tiles too; here the tiles are the depth of the products, so both factors lie tile after tile:
 *
 *     data     v (36, cin / 4, tiles, 4)       B' d B
 *     output   m (36, strips, tiles, 8)        A dY A', where y is the view of dY
 *     gemm     u (36, strips, cin, 8)          = or += v' m, summed over the pass
 *     weights  dw (3, 3, cin, cout)            = or += G' u G
 */
@unmanaged
export class WinogradGradientArgs extends WinogradArgs {
  /** Bytes from one quad of channels of v, and from one strip of m, to the next. */
  vQuad!: usize;
  mStrip!: usize;
  /** Quads of one gemm task: as many as stay in the L2 cache while strips pass. */
  quadsPerTask!: i32;
  /** 0: the first pass, u is overwritten. */
  add!: i32;
}

/** Vertical data transform of a column of a tile: as in winograd-input.ts, but quads of channels lie `quad` bytes apart. */
function dataColumn(work: usize, bytes: usize, v: usize, down: usize, quad: usize, edge: bool): void {
  for (const end = work + bytes; work < end; work += 16) {
    const d0 = v128.load(work);
    const d1 = v128.load(work, 6 * CHUNK);
    const d2 = v128.load(work, 12 * CHUNK);
    const d3 = v128.load(work, 18 * CHUNK);
    if (edge) {
      transform.data2(d0, d1, d2, d3, v, down);
    } else {
      const d4 = v128.load(work, 24 * CHUNK);
      const d5 = v128.load(work, 30 * CHUNK);
      transform.data4(d0, d1, d2, d3, d4, d5, v, down, 0);
    }
    v += quad;
  }
}

/** Fills v from x. A task is `tilesPerTask` tiles; scratch: see `WORK`. */
export function winogradGradientData(args: WinogradGradientArgs, task: i32, scratch: usize): void {
  const begin = task * args.tilesPerTask;
  const end = min(args.count, begin + args.tilesPerTask);
  memory.fill(scratch + WORK, 0, CHUNK);
  const tile = changetype<Tile>(scratch + WORK + CHUNK);
  const cin = args.cin * 4;
  for (let t = begin; t < end; t++) {
    locate(args, t, tile);
    clearMissing(tile, scratch);
    for (let k: usize = 0; k < cin; k += CHUNK) {
      const bytes = min(CHUNK, cin - k);
      inputRows(args, tile, k, bytes, scratch);
      const v = args.v + 16 * <usize>t + (k / 16) * args.vQuad;
      for (let j: usize = 0; j < 6; j++) {
        if (tile.edgeX && (j === 3 || j === 4)) continue;
        dataColumn(scratch + j * CHUNK, bytes, v + j * args.vStride, 6 * args.vStride, args.vQuad, tile.edgeY !== 0);
      }
    }
  }
}

/** The one-dimensional transforms of the output's gradient: the output transforms of winograd-transform.ts, transposed. */
class spread {
  /** A tile of 4: six coefficients to out + step * i. */
  @inline
  static four(y0: v128, y1: v128, y2: v128, y3: v128, out: usize, step: usize): void {
    const even1 = f32x4.add(y0, f32x4.mul(f32x4.splat(0.5), y2));
    const odd1 = f32x4.mul(f32x4.splat(<f32>Math.SQRT1_2), f32x4.add(y1, f32x4.mul(f32x4.splat(0.5), y3)));
    const even2 = f32x4.add(y0, f32x4.add(y2, y2));
    const odd2 = f32x4.mul(f32x4.splat(<f32>Math.SQRT2), f32x4.add(y1, f32x4.add(y3, y3)));
    v128.store(out, y0);
    v128.store(out + step, f32x4.add(even1, odd1));
    v128.store(out + 2 * step, f32x4.sub(even1, odd1));
    v128.store(out + 3 * step, f32x4.add(even2, odd2));
    v128.store(out + 4 * step, f32x4.sub(even2, odd2));
    v128.store(out + 5 * step, y3);
  }

  /** A tile of 2: coefficients 0, 1, 2, 5. */
  @inline
  static two(y0: v128, y1: v128, out: usize, step: usize): void {
    const odd = f32x4.mul(f32x4.splat(<f32>Math.SQRT1_2), y1);
    v128.store(out, y0);
    v128.store(out + step, f32x4.add(y0, odd));
    v128.store(out + 2 * step, f32x4.sub(y0, odd));
    v128.store(out + 5 * step, y1);
  }
}

/** Horizontal transform of up to 64 channels of a row of `cols` pixels; those behind are read from `zeros`. */
function spreadRow(y: usize, pix: usize, cols: i32, edge: bool, bytes: usize, zeros: usize, work: usize): void {
  let y1 = cols > 1 ? y + pix : zeros;
  let y2 = cols > 2 ? y + 2 * pix : zeros;
  let y3 = cols > 3 ? y + 3 * pix : zeros;
  for (const end = work + bytes; work < end; work += 16) {
    if (edge) spread.two(v128.load(y), v128.load(y1), work, CHUNK);
    else spread.four(v128.load(y), v128.load(y1), v128.load(y2), v128.load(y3), work, CHUNK);
    y += 16;
    y1 += 16;
    y2 += 16;
    y3 += 16;
  }
}

/** Vertical transform of a column of a tile; strips of 8 channels lie `strip` bytes apart. */
function spreadColumn(work: usize, bytes: usize, m: usize, down: usize, strip: usize, edge: bool): void {
  let half: usize = 16;
  for (const end = work + bytes; work < end; work += 16) {
    const y0 = v128.load(work);
    const y1 = v128.load(work, 6 * CHUNK);
    if (edge) spread.two(y0, y1, m, down);
    else spread.four(y0, y1, v128.load(work, 12 * CHUNK), v128.load(work, 18 * CHUNK), m, down);
    m += half;
    half = strip - half;
  }
}

/** Fills m from dY. A task is `tilesPerTask` tiles; scratch: see `WORK`. */
export function winogradGradientOutput(args: WinogradGradientArgs, task: i32, scratch: usize): void {
  const begin = task * args.tilesPerTask;
  const end = min(args.count, begin + args.tilesPerTask);
  const zeros = scratch + WORK;
  memory.fill(zeros, 0, CHUNK);
  const tile = changetype<Tile>(zeros + CHUNK);
  const row = args.dilation * args.yRow;
  const pix = args.dilation * args.yPix;
  const cout = args.cout * 4;
  for (let t = begin; t < end; t++) {
    locate(args, t, tile);
    if (tile.rows < 4) memory.fill(scratch + <usize>tile.rows * 6 * CHUNK, 0, <usize>(4 - tile.rows) * 6 * CHUNK);
    for (let n: usize = 0; n < cout; n += CHUNK) {
      const bytes = min(CHUNK, cout - n);
      for (let i: usize = 0; i < <usize>tile.rows; i++)
        spreadRow(tile.y + i * row + n, pix, tile.cols, tile.edgeX !== 0, bytes, zeros, scratch + i * 6 * CHUNK);
      const m = args.m + 32 * <usize>t + (n / 32) * args.mStrip;
      for (let j: usize = 0; j < 6; j++) {
        if (tile.edgeX && (j === 3 || j === 4)) continue;
        spreadColumn(scratch + j * CHUNK, bytes, m + j * args.mStride, 6 * args.mStride, args.mStrip, tile.edgeY !== 0);
      }
    }
  }
}

/** u = or += v' m for one coefficient, some quads and some strips. Tasks run over the strips first, then quads, then coefficients. */
export function winogradGradientGemm(args: WinogradGradientArgs, task: i32, _scratch: usize): void {
  const strips = <i32>((args.cout + 7) >> 3);
  const quads = <i32>(args.cin >> 2);
  const across = (strips + args.stripsPerTask - 1) / args.stripsPerTask;
  const each = across * ((quads + args.quadsPerTask - 1) / args.quadsPerTask);
  const coefficient = task / each;
  const strip = (task % across) * args.stripsPerTask;
  const quad = ((task % each) / across) * args.quadsPerTask;
  const lastStrip = min(strips, strip + args.stripsPerTask);
  const lastQuad = min(quads, quad + args.quadsPerTask);
  const first = kinds.first(args, coefficient / 6);
  const n = kinds.last(args, coefficient / 6, coefficient % 6) - first;
  const v = args.v + <usize>coefficient * args.vStride + 16 * <usize>first;
  const m = args.m + <usize>coefficient * args.mStride + 32 * <usize>first;
  for (let s = strip; s < lastStrip; s++) {
    // A strip of m stays in L1 while the quads of v pass from L2.
    const b = m + <usize>s * args.mStrip;
    let u = args.u + <usize>coefficient * args.uStride + 32 * <usize>s * args.cin + 128 * <usize>quad;
    for (let q = quad; q < lastQuad; q++) {
      if (n > 0) outerProduct(v + <usize>q * args.vQuad, 0, 1, n, b, u, 32, args.add !== 0);
      else if (!args.add) memory.fill(u, 0, 128);
      u += 128;
    }
  }
}

/** Fields of a `winogradGradientWeights` job. */
@unmanaged
class WinogradGradientWeightsArgs {
  /** u (36, strips, cin, 8) and bytes from one coefficient to the next. */
  u!: usize;
  uStride!: usize;
  /** dw (3, 3, cin, cout). */
  dw!: usize;
  cin!: usize;
  cout!: usize;
  /** 0: dw is overwritten. */
  accumulate!: i32;
}

/** Strips of a task of winogradGradientWeights: a cache line of dw. */
export const GRADIENT_STRIPS: usize = 2;

/** dw = or += G' u G. A task is two strips of 8 output channels; scratch: 3 x 6 vectors. */
export function winogradGradientWeights(args: WinogradGradientWeightsArgs, task: i32, scratch: usize): void {
  const first = <usize>task * GRADIENT_STRIPS;
  const last = min(first + GRADIENT_STRIPS, (args.cout + 7) >> 3);
  const strip = args.cin * 32;
  for (let c: usize = 0; c < args.cin; c++) {
    for (let s = first; s < last; s++) {
      const u = args.u + s * strip + 32 * c;
      const dw = args.dw + 4 * (c * args.cout + 8 * s);
      gatherWeights(u, args.uStride, dw, args.cin * args.cout * 4, args.accumulate !== 0, scratch);
      if (s * 8 + 4 < args.cout)
        gatherWeights(u + 16, args.uStride, dw + 16, args.cin * args.cout * 4, args.accumulate !== 0, scratch);
    }
  }
}

/** Four output channels: 36 coefficients to 9 taps, `tap` bytes apart. */
function gatherWeights(u: usize, stride: usize, dw: usize, tap: usize, accumulate: bool, scratch: usize): void {
  for (let j: usize = 0; j < 6; j++) {
    filter.gather(u + j * stride, 6 * stride, scratch + 16 * j, 96, false);
  }
  for (let i: usize = 0; i < 3; i++) {
    filter.gather(scratch + 96 * i, 16, dw + 3 * i * tap, tap, accumulate);
  }
}

class filter {
  /** G' for one column: six coefficients, `step` bytes apart, to three numbers at out, out + next, ... */
  @inline
  static gather(m: usize, step: usize, out: usize, next: usize, add: bool): void {
    const m1 = v128.load(m + step);
    const m2 = v128.load(m + 2 * step);
    const m3 = v128.load(m + 3 * step);
    const m4 = v128.load(m + 4 * step);
    const p = f32x4.mul(f32x4.splat(<f32>(-1.0 / 3.0)), f32x4.add(m1, m2));
    const q = f32x4.mul(f32x4.splat(<f32>(Math.SQRT2 / 3.0)), f32x4.sub(m2, m1));
    const r = f32x4.mul(f32x4.splat(<f32>(1.0 / 3.0)), f32x4.add(m3, m4));
    const t = f32x4.mul(f32x4.splat(<f32>(Math.SQRT2 / 6.0)), f32x4.sub(m3, m4));
    const half = f32x4.mul(f32x4.splat(0.5), r);
    filter.put(out, f32x4.add(v128.load(m), f32x4.add(f32x4.add(p, p), half)), add);
    filter.put(out + next, f32x4.add(q, t), add);
    filter.put(out + 2 * next, f32x4.add(v128.load(m + 5 * step), f32x4.add(p, r)), add);
  }

  @inline
  static put(to: usize, value: v128, add: bool): void {
    v128.store(to, add ? f32x4.add(v128.load(to), value) : value);
  }
}
