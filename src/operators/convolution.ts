import type { Precision } from '../base/types.js';
import type { ConvLayer } from '../graph/topology.js';
import type { Plan } from '../plan/forward.js';
import type { Job, View } from '../wasm/job.js';
import {
  convJob,
  type PackedConv,
  packAdjointJob,
  packConvJob,
  packedConvBytes,
  unpackConvJob,
} from '../wasm/ops/conv.js';
import { biasGradientJob, convWeightGradientJobs as directWeightGradientJobs } from '../wasm/ops/conv-gradient.js';
import {
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

/** A convolution's weights in the wasm memory, in the form that its algorithm reads. */
export type ConvKernel =
  | { readonly algorithm: 'direct'; readonly weights: PackedConv }
  | { readonly algorithm: 'winograd'; readonly weights: WinogradWeights };

type Channels = Pick<ConvLayer, 'cin' | 'cout'>;

/** A piece of memory. */
export interface Workspace {
  readonly ptr: number;
  readonly bytes: number;
}

/** Which algorithm a layer runs by: Winograd's where `fast` is asked for and its channels fill whole vectors, else the direct one. */
const algorithmOf = ({ cin, cout }: Channels, precision: Precision): ConvKernel['algorithm'] =>
  precision === 'fast' && winogradFits(cin, cout) ? 'winograd' : 'direct';

/** Bytes of a layer's packed weights, bias included. */
export function convKernelBytes(layer: Channels, precision: Precision): number {
  const { cin, cout } = layer;
  return algorithmOf(layer, precision) === 'direct'
    ? packedConvBytes({ rows: 3, columns: 3, cin, cout })
    : winogradWeightBytes(cin, cout) + 4 * cout;
}

/** A kernel whose weights will lie at `ptr`, in `convKernelBytes` bytes. */
export function convKernel(layer: Channels, precision: Precision, ptr: number): ConvKernel {
  const { cin, cout } = layer;
  const algorithm = algorithmOf(layer, precision);
  if (algorithm === 'direct') return { algorithm, weights: { rows: 3, columns: 3, ptr, cin, cout } };
  return { algorithm, weights: { ptr, bias: ptr + winogradWeightBytes(cin, cout), cin, cout } };
}

/** Where a kernel's bias (cout) lies. */
export const biasOf = (kernel: ConvKernel): number =>
  kernel.algorithm === 'direct' ? kernel.weights.ptr : kernel.weights.bias;

/** Brings a (3, 3, cin, cout) kernel at `source` into its form. */
export function packKernelJob(source: number, { algorithm, weights }: ConvKernel): Job {
  if (algorithm === 'direct') return packConvJob(source, weights);
  return winogradWeightsJob(source, weights.ptr, weights.cin, weights.cout);
}

/** The workspace that a layer needs for the map x. */
export function workspaceBytes(
  { layer, x, dilation }: { layer: Channels; x: Pick<View, 'h' | 'w' | 'c'>; dilation: number },
  precision: Precision,
): number {
  return algorithmOf(layer, precision) === 'direct' ? 0 : winogradPlan(x, layer.cout, dilation).bytes;
}

/** The jobs of y = relu(conv3x3(x)), or without ReLU, to be run one after the other. */
export function convJobs(
  x: View,
  kernel: ConvKernel,
  y: View,
  dilation: number,
  workspace: Workspace,
  relu = true,
): Job[] {
  if (kernel.algorithm === 'direct') {
    const clip = relu ? { low: 0, high: Number.POSITIVE_INFINITY } : undefined;
    return [convJob(x, kernel.weights, y, { stride: 1, dilation, startY: -dilation, startX: -dilation, clip })];
  }
  return winogradJobs(x, kernel.weights, y, { dilation, relu }, workspace);
}

/**
 * The kernel whose convolution is the input's gradient: taps turned by 180 degrees, cin and cout swapped, bias zero. It will lie at
 * `ptr`, in `adjointKernelBytes` bytes, when the jobs of `adjointJobs` have run; the gradient at the input of `convJobs` without its
 * ReLU is then `convJobs(dy, adjoint, dx, dilation, workspace, false)`. The adjoint of a Winograd kernel is itself a Winograd kernel, whatever the
 * precision.
 */
export function adjointKernel(from: ConvKernel, precision: Precision, ptr: number): ConvKernel {
  const weights = { ptr, cin: from.weights.cout, cout: from.weights.cin };
  const algorithm = adjointAlgorithm(from, precision);
  return algorithm === 'direct'
    ? { algorithm, weights: { ...weights, rows: 3, columns: 3 } }
    : { algorithm, weights: { ...weights, bias: 0 } };
}

const adjointAlgorithm = ({ algorithm, weights }: ConvKernel, precision: Precision): ConvKernel['algorithm'] =>
  algorithm === 'winograd' ? algorithm : algorithmOf(weights, precision);

/** Bytes of the adjoint of a kernel. */
export function adjointKernelBytes(from: ConvKernel, precision: Precision): number {
  const { cin, cout } = from.weights;
  return adjointAlgorithm(from, precision) === 'direct'
    ? packedConvBytes({ rows: 3, columns: 3, cin: cout, cout: cin })
    : winogradWeightBytes(cout, cin);
}

/** The workspace that `adjointJobs` needs: only a direct kernel becomes a Winograd one by way of plain weights. */
export const adjointWorkspaceBytes = (from: ConvKernel, to: ConvKernel): number =>
  from.algorithm === to.algorithm ? 0 : 4 * 9 * from.weights.cin * from.weights.cout;

/** The jobs that make `to`, a kernel of `adjointKernel`, from the packed weights of `from`, to be run one after the other. */
export function adjointJobs(from: ConvKernel, to: ConvKernel, workspace: Workspace): Job[] {
  if (to.algorithm === 'direct')
    if (from.algorithm === 'direct') return [packAdjointJob(from.weights, to.weights)];
    else throw new Error('internal: a Winograd kernel has no direct adjoint');
  if (from.algorithm === 'winograd') return [adjointWinogradJob(from.weights, to.weights)];
  const { ptr, cin, cout } = to.weights;
  return [unpackConvJob(from.weights, workspace.ptr), winogradWeightsJob(workspace.ptr, ptr, cin, cout, true)];
}

/** How a convolution's weight gradient is computed. */
export interface WeightGradientOptions {
  readonly dilation: number;
  readonly precision: Precision;
  /** Whether dw and db are added to, as sums over phases or pictures need; else they are overwritten. */
  readonly accumulate: boolean;
}

/** Below so many tiles the transformed sums, four times as large as the weights, cost more than Winograd's algorithm saves. */
const FEWEST_TILES = 16;

const weightGradientAlgorithm = (
  x: Pick<View, 'h' | 'w' | 'c'>,
  cout: number,
  { precision, dilation }: WeightGradientOptions,
): ConvKernel['algorithm'] =>
  winogradTiles(x.h, x.w, dilation) < FEWEST_TILES ? 'direct' : algorithmOf({ cin: x.c, cout }, precision);

/** The workspace that `convWeightGradientJobs` needs for a layer's input x (h, w, cin). */
export function weightGradientBytes(x: Pick<View, 'h' | 'w' | 'c'>, cout: number, how: WeightGradientOptions): number {
  return weightGradientAlgorithm(x, cout, how) === 'direct' ? 0 : winogradGradientBytes(x, cout, how.dilation);
}

/**
 * The jobs, to be run one after the other, of the gradients of `convJobs` without its ReLU at its weights: dw (3, 3, cin, cout) and
 * db (cout), plain float32 arrays, from the layer's input x (h, w, cin) and dy (h, w, cout). The bits do not depend on threads.
 */
export function convWeightGradientJobs(
  x: View,
  dy: View,
  dw: number,
  db: number,
  how: WeightGradientOptions,
  workspace: Workspace,
): Job[] {
  const { dilation, accumulate } = how;
  if (weightGradientAlgorithm(x, dy.c, how) === 'winograd')
    return [biasGradientJob(dy, db, accumulate), ...winogradWeightGradientJobs(x, dy, dw, how, workspace)];
  const call = { stride: 1, dilation, startY: -dilation, startX: -dilation };
  return directWeightGradientJobs(x, dy, { rows: 3, columns: 3 }, call, { kernel: dw, bias: db }, accumulate);
}

/** Bytes of workspace that the convolutions of a plan need. */
export const planWorkspace = (plan: Plan, precision: Precision): number =>
  plan.steps.reduce((most, step) => (step.op === 'conv' ? Math.max(most, workspaceBytes(step, precision)) : most), 0);
