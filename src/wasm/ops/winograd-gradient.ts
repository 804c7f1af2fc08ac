import { ADJOINT_STRIPS, COLUMNS, GRADIENT_STRIPS, OWN } from '../assembly.js';
import { type Job, job, type View } from '../job.js';
import { up } from './split.js';
import {
  COEFFICIENTS,
  groups,
  passFields,
  STRIPS_PER_TASK,
  skewed,
  splitPasses,
  strideU,
  strips,
  TILES_PER_TASK,
  tilesOf,
  type WinogradWeights,
} from './winograd.js';

/** Tiles of a pass: the sums U (38 MB at 512 channels) go through memory once a pass. */
const TILES_PER_PASS = 256;
/** Quads of input channels of one GEMM task: 256 KB of V, which stay in a core's L2 cache. */
const QUADS_PER_TASK = 64;
/** Bytes between quads and between strips of a pass beyond their tiles, so that they do not fall into the same cache sets. */
const SKEW = 64;

/**
 * Makes the transformed weights of the convolution that maps the output's gradient to the input's from transformed ones: taps turned,
 * channels swapped. Exact.
 */
export function adjointWinogradJob(from: WinogradWeights, to: WinogradWeights): Job {
  const { cin, cout } = from;
  const strides = { fromStride: strideU(cin, cout), toStride: strideU(cout, cin) };
  const tasks = Math.ceil(cin / (ADJOINT_STRIPS * COLUMNS));
  return job('adjointWinograd', { from: from.ptr, to: to.ptr, ...strides, cin, cout }, tasks);
}

const quadBytes = (tiles: number): number => up(16 * tiles, SKEW) + SKEW;
const stripBytes = (tiles: number): number => up(32 * tiles, SKEW) + SKEW;
const strideV = (tiles: number, cin: number): number => skewed(((cin / 4) * quadBytes(tiles)) / 4);
const strideM = (tiles: number, cout: number): number => skewed((strips(cout) * stripBytes(tiles)) / 4);

/** Tiles of all phases of a map. */
export const winogradTiles = (h: number, w: number, dilation: number): number =>
  groups(h, w, dilation).reduce((sum, group) => sum + tilesOf(group), 0);

/** Bytes of workspace of `winogradWeightGradientJobs`: the transformed sums U, and V and M of the largest pass. */
export function winogradGradientBytes(
  x: { h: number; w: number; c: number },
  cout: number,
  dilation: number,
  mostTiles = TILES_PER_PASS,
): number {
  const passes = groups(x.h, x.w, dilation).flatMap((group) => splitPasses(tilesOf(group), mostTiles));
  const most = Math.max(...passes.map((pass) => pass.count));
  return COEFFICIENTS * (strideU(x.c, cout) + strideV(most, x.c) + strideM(most, cout));
}

/**
 * The jobs of dw (3, 3, cin, cout) = or += the gradient of a 3x3 convolution of x at its weights, by the adjoint of `winogradJobs`,
 * to be run one after the other. Channels are multiples of 4. The result does not depend on threads, but in its last bits on
 * `mostTiles`, the tiles of a pass, because passes are summed one by one.
 */
export function winogradWeightGradientJobs(
  x: View,
  dy: View,
  dw: number,
  { dilation, accumulate, mostTiles = TILES_PER_PASS }: { dilation: number; accumulate: boolean; mostTiles?: number },
  workspace: { ptr: number; bytes: number },
): Job[] {
  const [cin, cout] = [x.c, dy.c];
  const [u, uStride] = [workspace.ptr, strideU(cin, cout)];
  const v = workspace.ptr + COEFFICIENTS * uStride;
  const products = Math.ceil(strips(cout) / STRIPS_PER_TASK) * Math.ceil(cin / 4 / QUADS_PER_TASK);
  const passes = groups(x.h, x.w, dilation).flatMap((group) =>
    splitPasses(tilesOf(group), mostTiles).map((pass) => ({ group, pass })),
  );
  const sums = passes.flatMap(({ group, pass }, i) => {
    const vStride = strideV(pass.count, cin);
    const mStride = strideM(pass.count, cout);
    const fields = {
      ...passFields(x, dy, group, pass, { dilation }),
      u,
      uStride,
      bias: 0,
      v,
      vStride,
      m: v + COEFFICIENTS * vStride,
      mStride,
      vQuad: quadBytes(pass.count),
      mStrip: stripBytes(pass.count),
      quadsPerTask: QUADS_PER_TASK,
      add: i > 0,
    };
    const transforms = Math.ceil(pass.count / TILES_PER_TASK);
    return [
      job('winogradGradientData', fields, transforms, OWN),
      job('winogradGradientOutput', fields, transforms, OWN),
      job('winogradGradientGemm', fields, COEFFICIENTS * products),
    ];
  });
  const tasks = Math.ceil(cout / (GRADIENT_STRIPS * COLUMNS));
  return [...sums, job('winogradGradientWeights', { u, uStride, dw, cin, cout, accumulate }, tasks, 288)];
}
