import { BLOCK, KERNEL_FIELDS, OWN, PANEL, WIDE_SCRATCH, WIDEN_SCRATCH } from '../assembly.js';
import { type Clip, type Job, job, UNCLIPPED, type View } from '../job.js';
import { up } from './split.js';

/** Outputs of a tile along a side. */
export type TileSide = 4 | 6;
/** Products of a tile of 4 outputs a side, and of any. */
export const COEFFICIENTS = 36;
const coefficientsOf = (tile: TileSide): number => (tile + 2) ** 2;
/** Bytes between the cache sets of two coefficients, which would else all fall into one: their distance is near a power of two. */
const SKEW = 64;
/** Tiles of one transform task. */
export const TILES_PER_TASK = 8;
/** Strips of 8 output channels of one GEMM task: 0.4 ms of work at 512 channels. */
export const STRIPS_PER_TASK = 16;
/**
 * Tiles of a pass. Measured on Zen 3, 512 -> 512 channels, 16 phases of 14x14, relaxed, one thread: 32 tiles 107, 64 tiles
 * 118, 128 tiles 120, 256 tiles 125 effective GF/s; at 64, 128 and 256 channels 32 to 512 tiles differ by less than the noise,
 * so that V and M small enough for a core's own L2 (one task for all three steps) would gain nothing. Tiles of 6: see bench/NOTES.md.
 */
const TILES_PER_PASS = 128;
/** Most bytes of V and M that a plan asks for. */
const MAX_WORKSPACE = 24e6;
/**
 * Up to so many channels one job does all three steps, and a task keeps its tiles' V and M in its own scratch, within the core's cache.
 * With more, the products are most of the work, and they are faster when a strip of U meets all panels of a pass.
 */
const TOGETHER = 32;
/** Bytes of V and M of such a task. */
const TOGETHER_BYTES = 256 * 1024;
/** Tasks of such a job, if it has as many panels: enough for threads to share. */
const FEWEST_TASKS = 32;

/** Sizes of a 3x3 convolution in Winograd form. */
export interface WinogradPlan {
  /** Tiles of 4x4 outputs (or less at the edges), all phases together. */
  readonly tiles: number;
  /** Tiles of the largest pass. */
  readonly tilesPerPass: number;
  /** Bytes of workspace: V and M of a pass; 0 where tasks keep them in their scratch. */
  readonly bytes: number;
  /** Multiplications of all passes, padding of panels and channels excluded. */
  readonly products: number;
}

/** How a convolution is called: as `ConvCall`. */
export interface WinogradCall {
  readonly dilation: number;
  readonly clip?: Clip;
  readonly accumulate?: boolean;
  /**
   * 6: F(6x6,3x3) has 1.2 to 1.25 times fewer products and four times the rounding error. Its weights, 1.8 times as large, are made in the
   * workspace by a first job, so it pays on large maps. It knows no `accumulate`.
   */
  readonly tile?: TileSide;
}

/** Transformed weights, made by `winogradWeightsJob`. */
export interface WinogradWeights {
  /** Address of U, `winogradWeightBytes` long, aligned to 16. */
  readonly ptr: number;
  /** Address of `cout` float32, 0 for none. */
  readonly bias: number;
  /** Channels, multiples of 4. */
  readonly cin: number;
  readonly cout: number;
}

/** A rectangle of phases of equal size: rows `y` to `y + down - 1`, columns `x` to `x + across - 1`. */
export interface Group {
  readonly y: number;
  readonly x: number;
  readonly down: number;
  readonly across: number;
  readonly h: number;
  readonly w: number;
}

/** Strips of 8 output channels. */
export const strips = (cout: number): number => Math.ceil(cout / 8);

/** Bytes from one coefficient of as many floats to the next. */
export const skewed = (floats: number): number => up(floats * 4, SKEW) + SKEW;

/** Bytes from one coefficient of transformed weights to the next. */
export const strideU = (cin: number, cout: number): number => skewed(cin * strips(cout) * 8);
/** Panels of few channels stand side by side in a block; see assembly/winograd-gemm.ts. */
const strideV = (tiles: number, cin: number): number => {
  const beside = Math.max(1, Math.floor(BLOCK / 2 ** Math.ceil(Math.log2(cin))));
  return skewed(Math.ceil(tiles / PANEL / beside) * PANEL * up(cin, BLOCK));
};
const strideM = (tiles: number, cout: number): number => skewed(up(tiles, PANEL) * strips(cout) * 8);

/** Whether a 3x3 convolution can take this form: whole vectors of channels. */
export const winogradFits = (cin: number, cout: number): boolean => cin % 4 === 0 && cout % 4 === 0;

/** Bytes of the transformed weights of a (3, 3, cin, cout) kernel. */
export const winogradWeightBytes = (cin: number, cout: number, tile: TileSide = 4): number =>
  coefficientsOf(tile) * strideU(cin, cout);

/** Starts, counts and sizes of the runs of equally long phases of a side. */
function runs(side: number, dilation: number): { start: number; count: number; size: number }[] {
  const longer = side % dilation;
  const size = Math.floor(side / dilation);
  return [
    { start: 0, count: longer, size: size + 1 },
    { start: longer, count: dilation - longer, size },
  ].filter((run) => run.count > 0 && run.size > 0);
}

/** All phases of a map, by size. */
export const groups = (h: number, w: number, dilation: number): Group[] =>
  runs(h, dilation).flatMap((rows) =>
    runs(w, dilation).map((cols) => ({
      y: rows.start,
      x: cols.start,
      down: rows.count,
      across: cols.count,
      h: rows.size,
      w: cols.size,
    })),
  );

/** Tiles of all phases of a group. */
export const tilesOf = ({ down, across, h, w }: Group, tile: TileSide = 4): number =>
  down * across * Math.ceil(h / tile) * Math.ceil(w / tile);

/** Transformed rows of a phase's side: two more than the outputs of each tile, of edges of one or two pixels 4, of three or four 6. */
function rowsOf(side: number, tile: TileSide): number {
  const left = side % tile;
  return (tile + 2) * Math.floor(side / tile) + (left === 0 ? 0 : 2 + 2 * Math.ceil(left / 2));
}

const workspaceBytes = (tiles: number, cin: number, cout: number, tile: TileSide): number =>
  coefficientsOf(tile) * (strideV(tiles, cin) + strideM(tiles, cout));

/** The most tiles a pass may have in a workspace. */
function fitting(bytes: number, cin: number, cout: number, most = TILES_PER_PASS, tile: TileSide = 4): number {
  let tiles = most;
  while (tiles > 0 && workspaceBytes(tiles, cin, cout, tile) > bytes) tiles--;
  if (tiles === 0)
    throw new Error(`internal: a Winograd workspace of ${bytes} bytes holds no tile of ${cin} -> ${cout} channels`);
  return tiles;
}

const isTogether = (cin: number, cout: number, tile: TileSide): boolean =>
  tile === 4 && Math.max(cin, cout) <= TOGETHER;

/** Bytes of weights that are made in the workspace. */
const madeBytes = (cin: number, cout: number, tile: TileSide): number =>
  tile === 4 ? 0 : winogradWeightBytes(cin, cout, tile);

/** The fewest passes of at most `limit` tiles, of nearly equal length. */
export function splitPasses(tiles: number, limit: number): { first: number; count: number }[] {
  const passes = Math.ceil(tiles / limit);
  const count = Math.ceil(tiles / passes);
  return Array.from({ length: passes }, (_, i) => ({ first: i * count, count: Math.min(count, tiles - i * count) }));
}

/**
 * Sizes of a convolution of an (h, w, cin) map, for the workspace and for `atrous-cam plan`. `mostTiles`: tiles of a pass at most;
 * batches of maps with few channels need more of them for threads.
 *
 * @example
 * const { bytes } = winogradPlan(x, 512, 16);
 * const workspace = { ptr: arena.alloc(bytes), bytes };
 */
export function winogradPlan(
  x: { h: number; w: number; c: number },
  cout: number,
  dilation: number,
  mostTiles = TILES_PER_PASS,
  tile: TileSide = 4,
): WinogradPlan {
  const all = groups(x.h, x.w, dilation);
  const together = isTogether(x.c, cout, tile);
  const limit = together ? Number.POSITIVE_INFINITY : fitting(MAX_WORKSPACE, x.c, cout, mostTiles, tile);
  const passes = all.flatMap((group) => splitPasses(tilesOf(group, tile), limit));
  const most = Math.max(...passes.map((pass) => pass.count));
  const coefficients = all.reduce((sum, g) => sum + g.down * g.across * rowsOf(g.h, tile) * rowsOf(g.w, tile), 0);
  return {
    tiles: all.reduce((sum, group) => sum + tilesOf(group, tile), 0),
    tilesPerPass: most,
    bytes: together ? 0 : madeBytes(x.c, cout, tile) + workspaceBytes(most, x.c, cout, tile),
    products: coefficients * x.c * cout,
  };
}

/**
 * Transforms a (3, 3, cin, cout) kernel (HWIO) at `w` into U at `u`, once at load. `adjoint` gives the weights of the
 * convolution that maps the output's gradient to the input's: (3, 3, cin, cout) are then the shape of the *new* convolution,
 * and `w` holds (3, 3, cout, cin).
 */
export function winogradWeightsJob(w: number, u: number, cin: number, cout: number, adjoint = false): Job {
  return job('winogradWeights', { w, u, uStride: strideU(cin, cout), cin, cout, adjoint }, strips(cout), 384);
}

/**
 * The jobs of y = or += conv3x3(x, weights) + bias with 'same' padding, clipped if asked for: three a pass, or one a group where channels
 * are few, to be run in order, each to its end before the next. x and y must not overlap. The result does not depend on threads, workspace or
 * passes.
 */
export function winogradJobs(
  x: View,
  weights: WinogradWeights,
  y: View,
  options: WinogradCall & { mostTiles?: number },
  workspace: { ptr: number; bytes: number },
): Job[] {
  const { cin, cout } = weights;
  const { dilation, mostTiles, tile = 4 } = options;
  if (isTogether(cin, cout, tile))
    return groups(x.h, x.w, dilation).map((group) => tilesJob(x, weights, y, group, options));
  const made = madeBytes(cin, cout, tile);
  const limit = fitting(workspace.bytes - made, cin, cout, mostTiles, tile);
  const [coefficients, uStride, v] = [coefficientsOf(tile), strideU(cin, cout), workspace.ptr + made];
  const [from, u] = [weights.ptr, made > 0 ? workspace.ptr : weights.ptr];
  const widen = { from, fromStride: uStride, to: u, toStride: uStride, cin };
  const first = made > 0 ? [job('winogradWiden', widen, strips(cout), WIDEN_SCRATCH)] : [];
  const passes = groups(x.h, x.w, dilation).flatMap((group) =>
    splitPasses(tilesOf(group, tile), limit).flatMap((pass) => {
      const vStride = strideV(pass.count, cin);
      const fields = {
        ...passFields(x, y, group, pass, options),
        u,
        uStride,
        bias: weights.bias,
        v,
        vStride,
        m: v + coefficients * vStride,
        mStride: strideM(pass.count, cout),
      };
      const transforms = Math.ceil(pass.count / TILES_PER_TASK);
      return [
        job('winogradInput', fields, transforms, WIDE_SCRATCH),
        job('winogradGemm', fields, coefficients * Math.ceil(strips(cout) / STRIPS_PER_TASK)),
        job('winogradOutput', fields, transforms, WIDE_SCRATCH),
      ];
    }),
  );
  return [...first, ...passes];
}

/** The one job of a group with few channels: a task takes some of its tiles from x to y. */
function tilesJob(x: View, { ptr, bias, cin, cout }: WinogradWeights, y: View, group: Group, call: WinogradCall): Job {
  const count = tilesOf(group);
  const most = fitting(TOGETHER_BYTES, cin, cout, up(count / FEWEST_TASKS, PANEL));
  const tilesPerTask = PANEL * Math.floor(most / PANEL);
  const [vStride, mStride] = [strideV(tilesPerTask, cin), strideM(tilesPerTask, cout)];
  const v = OWN + up(4 * Object.keys(KERNEL_FIELDS.winogradTiles).length, 64); // behind the task's copy of the fields
  const fields = {
    ...passFields(x, y, group, { first: 0, count, tilesPerTask }, call),
    u: ptr,
    uStride: strideU(cin, cout),
    bias,
    v,
    vStride,
    m: v + COEFFICIENTS * vStride,
    mStride,
  };
  const scratch = v + COEFFICIENTS * (vStride + mStride);
  return job('winogradTiles', fields, Math.ceil(count / tilesPerTask), scratch);
}

/** The fields of a pass that say where its maps and tiles lie. */
export function passFields(
  x: View,
  y: View,
  group: Group,
  { first, count, tilesPerTask = TILES_PER_TASK }: { first: number; count: number; tilesPerTask?: number },
  { dilation, clip = UNCLIPPED, accumulate = false, tile = 4 }: WinogradCall,
) {
  const pixel = (v: View): number => v.ptr + 4 * (group.y * v.row + group.x * v.pix);
  return {
    x: pixel(x),
    xRow: x.row * 4,
    xPix: x.pix * 4,
    y: pixel(y),
    yRow: y.row * 4,
    yPix: y.pix * 4,
    cin: x.c,
    cout: y.c,
    dilation,
    tile,
    phases: group.down * group.across,
    phasesX: group.across,
    h: group.h,
    w: group.w,
    first,
    count,
    tilesPerTask,
    stripsPerTask: STRIPS_PER_TASK,
    low: clip.low,
    high: clip.high,
    accumulate,
  };
}
