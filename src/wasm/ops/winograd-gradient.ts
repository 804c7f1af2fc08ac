import type { Job, View } from '../job.js';
import {
  COEFFICIENTS,
  groups,
  passFields,
  SCRATCH,
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
  return {
    kernel: 'adjointWinograd',
    args: [from.ptr, strideU(cin, cout), to.ptr, strideU(cout, cin), cin, cout],
    tasks: Math.ceil(cin / 32),
    scratch: 0,
  };
}

const up = (value: number, step: number): number => Math.ceil(value / step) * step;

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
  const u = [workspace.ptr, strideU(cin, cout)];
  const v = workspace.ptr + COEFFICIENTS * u[1];
  const products = Math.ceil(strips(cout) / STRIPS_PER_TASK) * Math.ceil(cin / 4 / QUADS_PER_TASK);
  const passes = groups(x.h, x.w, dilation).flatMap((group) =>
    splitPasses(tilesOf(group), mostTiles).map((pass) => ({ group, pass })),
  );
  const sums = passes.flatMap(({ group, pass }, i) => {
    const vStride = strideV(pass.count, cin);
    const m = v + COEFFICIENTS * vStride;
    const args = [
      ...passFields(x, dy, group, pass, {
        ...{ u, bias: 0, v: [v, vStride], m: [m, strideM(pass.count, cout)] },
        ...{ dilation, relu: false },
      }),
      ...[quadBytes(pass.count), stripBytes(pass.count), QUADS_PER_TASK, i > 0 ? 1 : 0],
    ];
    const transforms = Math.ceil(pass.count / TILES_PER_TASK);
    return [
      { kernel: 'winogradGradientData', args, tasks: transforms, scratch: SCRATCH },
      { kernel: 'winogradGradientOutput', args, tasks: transforms, scratch: SCRATCH },
      { kernel: 'winogradGradientGemm', args, tasks: COEFFICIENTS * products, scratch: 0 },
    ];
  });
  const weights = {
    kernel: 'winogradGradientWeights',
    args: [...u, dw, cin, cout, accumulate ? 1 : 0],
    tasks: Math.ceil(cout / 16),
    scratch: 288,
  };
  return [...sums, weights];
}
