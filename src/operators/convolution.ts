import type { Precision } from '../base/types.js';
import type { Clip, Job, View, WindowCall } from '../wasm/job.js';
import {
  type ConvSize,
  convInputGradientJob,
  convJob,
  type PackedConv,
  packAdjointJob,
  packConvJob,
  packedConvBytes,
  unpackConvJob,
} from '../wasm/ops/conv.js';
import { biasGradientJob, convWeightGradientJobs as directWeightGradientJobs } from '../wasm/ops/conv-gradient.js';
import {
  type TileSide,
  type WinogradWeights,
  winogradFits,
  winogradJobs,
  winogradPlan,
  winogradWeightBytes,
  winogradWeightsJob,
} from '../wasm/ops/winograd.js';
import {
  adjointWinogradJob,
  winogradGradientBytes,
  winogradTiles,
  winogradWeightGradientJobs,
} from '../wasm/ops/winograd-gradient.js';

/** What a convolution's algorithm is chosen by. */
export interface ConvLayer extends ConvSize {
  readonly stride: number;
  /** Whether its output has the input's size, and each window its centre at the output's point. */
  readonly same: boolean;
}

/** A convolution's weights in the wasm memory, in the form that its algorithm reads. */
export type ConvKernel =
  | { readonly algorithm: 'direct'; readonly layer: ConvLayer; readonly weights: PackedConv }
  | { readonly algorithm: 'winograd'; readonly layer: ConvLayer; readonly weights: WinogradWeights };

/** A piece of memory. */
export interface Workspace {
  readonly ptr: number;
  readonly bytes: number;
}

/**
 * Which algorithm a layer runs by: Winograd's for 3x3 windows without stride where `fast` is asked for and channels fill whole vectors,
 * else the direct one. The mode, the phase and the map's size do not count, so that the own phase has the bits of the pooled network.
 */
function algorithmOf(layer: ConvLayer, precision: Precision): ConvKernel['algorithm'] {
  const { rows, columns, stride, same, cin, cout } = layer;
  const square = rows === 3 && columns === 3 && stride === 1 && same;
  return precision === 'fast' && square && winogradFits(cin, cout) ? 'winograd' : 'direct';
}

const bytesOf = (algorithm: ConvKernel['algorithm'], layer: ConvSize): number =>
  algorithm === 'direct' ? packedConvBytes(layer) : winogradWeightBytes(layer.cin, layer.cout) + 4 * layer.cout;

/** Bytes of a layer's packed weights, bias included. */
export const convKernelBytes = (layer: ConvLayer, precision: Precision): number =>
  bytesOf(algorithmOf(layer, precision), layer);

/** A kernel whose weights will lie at `ptr`, in `convKernelBytes` bytes. */
export function convKernel(layer: ConvLayer, precision: Precision, ptr: number): ConvKernel {
  const { rows, columns, cin, cout } = layer;
  const algorithm = algorithmOf(layer, precision);
  if (algorithm === 'direct') return { algorithm, layer, weights: { ptr, rows, columns, cin, cout } };
  return { algorithm, layer, weights: { ptr, bias: ptr + winogradWeightBytes(cin, cout), cin, cout } };
}

/** Where a kernel's bias (cout) lies. */
export const biasOf = (kernel: ConvKernel): number =>
  kernel.algorithm === 'direct' ? kernel.weights.ptr : kernel.weights.bias;

/** Brings a (rows, columns, cin, cout) kernel at `source` into its form. */
export function packKernelJob(source: number, { algorithm, weights }: ConvKernel): Job {
  if (algorithm === 'direct') return packConvJob(source, weights);
  return winogradWeightsJob(source, weights.ptr, weights.cin, weights.cout);
}

/** Whether a layer is computed by larger tiles where a plan is made for them (`Call.wide`): their products must be most of the work. */
export const takesWideTiles = (layer: ConvLayer, precision: Precision): boolean =>
  algorithmOf(layer, precision) === 'winograd' && Math.min(layer.cin, layer.cout) >= 128;

const tileOf = ({ layer }: ConvKernel, wide = false): TileSide => (wide && takesWideTiles(layer, 'fast') ? 6 : 4);

/** The workspace that `convJobs` needs for the map x, or with an adjoint kernel `inputGradientJobs` for dy. */
export function workspaceBytes(
  kernel: ConvKernel,
  x: Pick<View, 'h' | 'w' | 'c'>,
  dilation: number,
  wide = false,
): number {
  const { algorithm, layer } = kernel;
  return algorithm === 'direct' ? 0 : winogradPlan(x, layer.cout, dilation, undefined, tileOf(kernel, wide)).bytes;
}

/** Winograd's kernels know no other windows. */
function checkSame(x: View, y: View, { stride, dilation, startY, startX }: WindowCall): void {
  if (stride === 1 && startY === -dilation && startX === -dilation && x.h === y.h && x.w === y.w) return;
  throw new Error('internal: a Winograd convolution of a window that is not 3x3 with stride 1 and padding "same"');
}

/** The jobs of y = clip(conv(x)), to be run one after the other. */
export function convJobs(
  x: View,
  kernel: ConvKernel,
  y: View,
  call: WindowCall & { clip?: Clip; wide?: boolean },
  workspace: Workspace,
): Job[] {
  if (kernel.algorithm === 'direct') return [convJob(x, kernel.weights, y, call)];
  checkSame(x, y, call);
  return winogradJobs(x, kernel.weights, y, { ...call, tile: tileOf(kernel, call.wide) }, workspace);
}

/**
 * The kernel of the input's gradient: taps turned by 180 degrees, cin and cout swapped, bias zero. It will lie at `ptr`, in
 * `adjointKernelBytes` bytes, when the jobs of `adjointJobs` have run. The adjoint of a Winograd kernel is one too, whatever the precision.
 */
export function adjointKernel(from: ConvKernel, precision: Precision, ptr: number): ConvKernel {
  const { cin, cout } = from.layer;
  const layer = { ...from.layer, cin: cout, cout: cin };
  const { rows, columns } = layer;
  const algorithm = adjointAlgorithm(from, precision);
  return algorithm === 'direct'
    ? { algorithm, layer, weights: { ptr, rows, columns, cin: cout, cout: cin } }
    : { algorithm, layer, weights: { ptr, cin: cout, cout: cin, bias: 0 } };
}

const adjointAlgorithm = ({ algorithm, layer }: ConvKernel, precision: Precision): ConvKernel['algorithm'] =>
  algorithm === 'winograd' ? algorithm : algorithmOf(layer, precision);

/** Bytes of the adjoint of a kernel. */
export function adjointKernelBytes(from: ConvKernel, precision: Precision): number {
  const { cin, cout } = from.layer;
  const to = { ...from.layer, cin: cout, cout: cin };
  return adjointAlgorithm(from, precision) === 'direct' ? packedConvBytes(to) : winogradWeightBytes(cout, cin);
}

/** The workspace that `adjointJobs` needs: only a direct kernel becomes a Winograd one by way of plain weights. */
export const adjointWorkspaceBytes = (from: ConvKernel, to: ConvKernel): number =>
  from.algorithm === to.algorithm ? 0 : 4 * 9 * from.layer.cin * from.layer.cout;

/** The jobs that make `to`, a kernel of `adjointKernel`, from the packed weights of `from`, to be run one after the other. */
export function adjointJobs(from: ConvKernel, to: ConvKernel, workspace: Workspace): Job[] {
  if (to.algorithm === 'direct')
    if (from.algorithm === 'direct') return [packAdjointJob(from.weights, to.weights)];
    else throw new Error('internal: a Winograd kernel has no direct adjoint');
  if (from.algorithm === 'winograd') return [adjointWinogradJob(from.weights, to.weights)];
  const { ptr, cin, cout } = to.weights;
  return [unpackConvJob(from.weights, workspace.ptr), winogradWeightsJob(workspace.ptr, ptr, cin, cout, true)];
}

/** The jobs of dx = or += the gradient of `convJobs` without its bounds at its input; `call` is the forward's. Workspace as for `convJobs`. */
export function inputGradientJobs(
  dy: View,
  adjoint: ConvKernel,
  dx: View,
  call: WindowCall,
  accumulate: boolean,
  workspace: Workspace,
): Job[] {
  if (adjoint.algorithm === 'direct') return [convInputGradientJob(dy, adjoint.weights, dx, call, accumulate)];
  checkSame(dy, dx, call);
  return winogradJobs(dy, adjoint.weights, dx, { dilation: call.dilation, accumulate }, workspace);
}

/** How a convolution's weight gradient is computed. */
export interface WeightGradientOptions {
  readonly precision: Precision;
  /** Whether dw and db are added to, as sums over phases or pictures need; else they are overwritten. */
  readonly accumulate: boolean;
}

/** Below so many tiles the transformed sums, four times as large as the weights, cost more than Winograd's algorithm saves. */
const FEWEST_TILES = 16;

const weightGradientAlgorithm = (
  layer: ConvLayer,
  x: Pick<View, 'h' | 'w' | 'c'>,
  dilation: number,
  precision: Precision,
): ConvKernel['algorithm'] =>
  layer.same && winogradTiles(x.h, x.w, dilation) < FEWEST_TILES ? 'direct' : algorithmOf(layer, precision);

/** The workspace that `convWeightGradientJobs` needs for a layer's input x (h, w, cin). */
export function weightGradientBytes(
  layer: ConvLayer,
  x: Pick<View, 'h' | 'w' | 'c'>,
  dilation: number,
  precision: Precision,
): number {
  if (weightGradientAlgorithm(layer, x, dilation, precision) === 'direct') return 0;
  return winogradGradientBytes(x, layer.cout, dilation);
}

/**
 * The jobs, to be run one after the other, of the gradients of `convJobs` without its bounds at its weights: `kernel` (rows, columns, cin,
 * cout) and `bias` (cout), plain float32 arrays, from the layer's input x and dy. The bits do not depend on threads.
 */
export function convWeightGradientJobs(
  layer: ConvLayer,
  x: View,
  dy: View,
  call: WindowCall,
  target: { kernel: number; bias: number },
  { precision, accumulate }: WeightGradientOptions,
  workspace: Workspace,
): Job[] {
  const { dilation } = call;
  if (weightGradientAlgorithm(layer, x, dilation, precision) === 'direct')
    return directWeightGradientJobs(x, dy, layer, call, target, accumulate);
  checkSame(x, dy, call);
  const weights = winogradWeightGradientJobs(x, dy, target.kernel, { dilation, accumulate }, workspace);
  return [biasGradientJob(dy, target.bias, accumulate), ...weights];
}
