import { WIDE_SCRATCH } from '../assembly.js';
import { type Clip, type Job, job, type View } from '../job.js';
import {
  type Group,
  groups,
  passFields,
  STRIPS_PER_TASK,
  splitPasses,
  strideM,
  strideU,
  strideV,
  strips,
  TILES_PER_TASK,
  tilesOf,
  type WinogradWeights,
} from './winograd.js';

/** Outputs of a tile along a side, and products of a tile. */
const TILE = 6;
const COEFFICIENTS = 64;
/**
 * Tiles of a pass. Measured on Zen 4, 512 -> 512 channels, relaxed, one thread: passes of 25 to 29 tiles 152 to 172, of 48 and more 192 to 212
 * effective GF/s; U, 67 MB, comes from memory once a pass.
 */
const TILES_PER_PASS = 96;
/** Bytes of V and M that more than one tile of a pass may take. */
const MAX_WORKSPACE = 26e6;

type Shape = Pick<View, 'h' | 'w' | 'c'>;

const passBytes = (tiles: number, cin: number, cout: number): number =>
  COEFFICIENTS * (strideV(tiles, cin) + strideM(tiles, cout));

const weightBytes = (cin: number, cout: number): number => COEFFICIENTS * strideU(cin, cout);

function passes(x: Shape, cout: number, dilation: number): { group: Group; first: number; count: number }[] {
  let limit = TILES_PER_PASS;
  while (limit > 1 && passBytes(limit, x.c, cout) > MAX_WORKSPACE) limit--;
  return groups(x.h, x.w, dilation).flatMap((group) =>
    splitPasses(tilesOf(group, TILE), limit).map((pass) => ({ group, ...pass })),
  );
}

/** Transformed rows of a phase's side: 8 for each tile of 6, 6 for an edge of three or four pixels, 4 for one of one or two. */
const coefficientsOf = (side: number): number => 8 * Math.floor(side / TILE) + [0, 4, 4, 6, 6, 8][side % TILE];

/** Multiplications of a convolution of an (h, w, cin) map, padding of panels and channels excluded. */
export const winogradWideProducts = (x: Shape, cout: number, dilation: number): number =>
  groups(x.h, x.w, dilation).reduce(
    (sum, g) => sum + g.down * g.across * coefficientsOf(g.h) * coefficientsOf(g.w),
    0,
  ) *
  x.c *
  cout;

/** Bytes of workspace of `winogradWideJobs`: the transformed weights, and V and M of the largest pass. */
export const winogradWideBytes = (x: Shape, cout: number, dilation: number): number =>
  weightBytes(x.c, cout) + passBytes(Math.max(...passes(x, cout, dilation).map(({ count }) => count)), x.c, cout);

/**
 * The jobs of `winogradJobs` by F(6x6,3x3), to be run one after the other: 1.2 to 1.25 times fewer products, four times its rounding error. The
 * first makes the transformed weights, which are 1.8 times as large, from those of F(4x4,3x3). So it pays on large maps, and they are not kept.
 * The result does not depend on threads or passes.
 */
export function winogradWideJobs(
  x: View,
  { ptr, bias, cin, cout }: WinogradWeights,
  y: View,
  call: { dilation: number; clip?: Clip },
  workspace: { ptr: number },
): Job[] {
  const u = workspace.ptr;
  const v = u + weightBytes(cin, cout);
  const strides = { fromStride: strideU(cin, cout), toStride: strideU(cin, cout) };
  const widen = job('winogradWiden', { from: ptr, to: u, ...strides, cin }, strips(cout), 816);
  const products = COEFFICIENTS * Math.ceil(strips(cout) / STRIPS_PER_TASK);
  const convolve = passes(x, cout, call.dilation).flatMap(({ group, ...pass }) => {
    const vStride = strideV(pass.count, cin);
    const fields = {
      ...passFields(x, y, group, pass, call, TILE),
      u,
      uStride: strideU(cin, cout),
      bias,
      v,
      vStride,
      m: v + COEFFICIENTS * vStride,
      mStride: strideM(pass.count, cout),
    };
    const transforms = Math.ceil(pass.count / TILES_PER_TASK);
    return [
      job('winogradWideInput', fields, transforms, WIDE_SCRATCH),
      job('winogradGemm', fields, products),
      job('winogradWideOutput', fields, transforms, WIDE_SCRATCH),
    ];
  });
  return [widen, ...convolve];
}
