import type { Precision } from '../base/types.js';
import type { NodeOf, Shape } from '../graph/graph.js';
import type { Plan } from '../plan/forward.js';
import type { Job, View, WindowCall } from '../wasm/job.js';
import {
  type ConvCall,
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
import { tapsOf } from '../wasm/ops/window.js';
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

/**
 * What the algorithm of a convolution (of one group) depends on, besides the precision: nothing that differs between modes, phases or
 * maps, so that the same point has the same bits wherever it is computed.
 */
export interface ConvForm extends ConvSize {
  readonly stride: number;
  /** Whether the window's middle lies over its output, and the output is as large as the input. */
  readonly same: boolean;
}

/** The form of a layer. What is left out is that of a 3x3 window with stride 1 and padding 'same'. */
export type ConvLayerForm = Pick<ConvForm, 'cin' | 'cout'> & Partial<ConvForm>;

const formOf = (layer: ConvLayerForm): ConvForm => ({
  rows: layer.rows ?? 3,
  columns: layer.columns ?? 3,
  cin: layer.cin,
  cout: layer.cout,
  stride: layer.stride ?? 1,
  same: layer.same ?? true,
});

/** The form of one group of a node that reads a map of shape x. */
export function convForm({ window, groups, shape }: NodeOf<'conv'>, x: Shape): ConvForm {
  const { rows, columns, stride, dilation, top, left } = window;
  const middle = 2 * top === dilation * (rows - 1) && 2 * left === dilation * (columns - 1);
  const same = middle && shape.h === x.h && shape.w === x.w;
  return { rows, columns, cin: x.c / groups, cout: shape.c / groups, stride, same };
}

/** The form of the convolution that is the input's gradient, where the stride is 1. */
export const adjointForm = ({ cin, cout, ...form }: ConvLayerForm): ConvLayerForm => ({
  ...form,
  cin: cout,
  cout: cin,
});

/** A convolution's weights in the wasm memory, in the form that its algorithm reads. */
export type ConvKernel =
  | { readonly algorithm: 'direct'; readonly form: ConvForm; readonly weights: PackedConv }
  | { readonly algorithm: 'winograd'; readonly form: ConvForm; readonly weights: WinogradWeights };

/** A piece of memory. */
export interface Workspace {
  readonly ptr: number;
  readonly bytes: number;
}

/**
 * Which algorithm a layer runs by: Winograd's where `fast` is asked for, the window is 3x3 with stride 1 and padding 'same', and the
 * channels fill whole vectors; else the direct one.
 */
function algorithmOf(layer: ConvLayerForm, precision: Precision): ConvKernel['algorithm'] {
  const { rows, columns, cin, cout, stride, same } = formOf(layer);
  const tiles = rows === 3 && columns === 3 && stride === 1 && same;
  return precision === 'fast' && tiles && winogradFits(cin, cout) ? 'winograd' : 'direct';
}

/** A kernel of a form by an algorithm; `bias` is where a Winograd kernel has it, 0 for none. */
function kernelAt(
  layer: ConvLayerForm,
  algorithm: ConvKernel['algorithm'],
  { ptr, bias }: { ptr: number; bias: number },
): ConvKernel {
  const form = formOf(layer);
  const { rows, columns, cin, cout } = form;
  return algorithm === 'direct'
    ? { algorithm, form, weights: { ptr, rows, columns, cin, cout } }
    : { algorithm, form, weights: { ptr, bias, cin, cout } };
}

/** Bytes of a layer's packed weights, bias included. */
export function convKernelBytes(layer: ConvLayerForm, precision: Precision): number {
  const { cin, cout } = layer;
  return algorithmOf(layer, precision) === 'direct'
    ? packedConvBytes(formOf(layer))
    : winogradWeightBytes(cin, cout) + 4 * cout;
}

/** A kernel whose weights will lie at `ptr`, in `convKernelBytes` bytes. */
export const convKernel = (layer: ConvLayerForm, precision: Precision, ptr: number): ConvKernel =>
  kernelAt(layer, algorithmOf(layer, precision), { ptr, bias: ptr + winogradWeightBytes(layer.cin, layer.cout) });

/** Where a kernel's bias (cout) lies. */
export const biasOf = (kernel: ConvKernel): number =>
  kernel.algorithm === 'direct' ? kernel.weights.ptr : kernel.weights.bias;

/** Brings a (rows, columns, cin, cout) kernel at `source` into its form. */
export function packKernelJob(source: number, { algorithm, weights }: ConvKernel): Job {
  if (algorithm === 'direct') return packConvJob(source, weights);
  return winogradWeightsJob(source, weights.ptr, weights.cin, weights.cout);
}

/** The workspace that a layer needs for the map x. */
export function workspaceBytes(
  { layer, x, dilation }: { layer: ConvLayerForm; x: Pick<View, 'h' | 'w' | 'c'>; dilation: number },
  precision: Precision,
): number {
  return algorithmOf(layer, precision) === 'direct' ? 0 : winogradPlan(x, layer.cout, dilation).bytes;
}

/** The jobs of y = or += conv(x), clipped if asked for, to be run one after the other. */
export function convJobs(x: View, kernel: ConvKernel, y: View, call: ConvCall, workspace: Workspace): Job[] {
  if (kernel.algorithm === 'direct') return [convJob(x, kernel.weights, y, call)];
  checkSame(x, y, call);
  return winogradJobs(x, kernel.weights, y, call, workspace);
}

/**
 * The jobs of dx = or += the gradient of `convJobs` without its bounds at its input, from dy at its output; `call` is the forward's,
 * `adjoint` a kernel of `adjointKernel`.
 */
export function convInputGradientJobs(
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

/** Winograd's algorithm knows no other windows. */
function checkSame(x: View, y: View, { stride, dilation, startY, startX }: WindowCall): void {
  if (stride === 1 && startY === -dilation && startX === -dilation && x.h === y.h && x.w === y.w) return;
  throw new Error('internal: a Winograd convolution of a window that is not 3x3 with stride 1 and padding "same"');
}

/**
 * The kernel whose convolution is the input's gradient: taps turned by 180 degrees, cin and cout swapped, bias zero. It will lie at
 * `ptr`, in `adjointKernelBytes` bytes, when the jobs of `adjointJobs` have run, and is for `convInputGradientJobs`. A Winograd kernel's
 * adjoint is one too, whatever the precision.
 */
export const adjointKernel = (from: ConvKernel, precision: Precision, ptr: number): ConvKernel =>
  kernelAt(adjointForm(from.form), adjointAlgorithm(from, precision), { ptr, bias: 0 });

const adjointAlgorithm = ({ algorithm, form }: ConvKernel, precision: Precision): ConvKernel['algorithm'] =>
  algorithm === 'winograd' ? algorithm : algorithmOf(form, precision);

/** Bytes of the adjoint of a kernel. */
export function adjointKernelBytes(from: ConvKernel, precision: Precision): number {
  const { cin, cout } = from.form;
  return adjointAlgorithm(from, precision) === 'direct'
    ? packedConvBytes({ ...from.form, cin: cout, cout: cin })
    : winogradWeightBytes(cout, cin);
}

/** The workspace that `adjointJobs` needs: only a direct kernel becomes a Winograd one by way of plain weights. */
export const adjointWorkspaceBytes = ({ algorithm, form }: ConvKernel, to: ConvKernel): number =>
  algorithm === to.algorithm ? 0 : 4 * tapsOf(form) * form.cin * form.cout;

/** The jobs that make `to`, a kernel of `adjointKernel`, from the packed weights of `from`, to be run one after the other. */
export function adjointJobs(from: ConvKernel, to: ConvKernel, workspace: Workspace): Job[] {
  if (to.algorithm === 'direct')
    if (from.algorithm === 'direct') return [packAdjointJob(from.weights, to.weights)];
    else throw new Error('internal: a Winograd kernel has no direct adjoint');
  if (from.algorithm === 'winograd') return [adjointWinogradJob(from.weights, to.weights)];
  const { ptr, cin, cout } = to.weights;
  return [unpackConvJob(from.weights, workspace.ptr), winogradWeightsJob(workspace.ptr, ptr, cin, cout, true)];
}

/** Below so many tiles the transformed sums, four times as large as the weights, cost more than Winograd's algorithm saves. */
const FEWEST_TILES = 16;

function weightGradientAlgorithm(
  x: Pick<View, 'h' | 'w' | 'c'>,
  layer: ConvLayerForm,
  dilation: number,
  precision: Precision,
): ConvKernel['algorithm'] {
  const algorithm = algorithmOf(layer, precision);
  return algorithm === 'winograd' && winogradTiles(x.h, x.w, dilation) < FEWEST_TILES ? 'direct' : algorithm;
}

/** The workspace that `convWeightGradientJobs` needs for a layer's input x (h, w, cin). */
export function weightGradientBytes(
  { layer, x, dilation }: { layer: ConvLayerForm; x: Pick<View, 'h' | 'w' | 'c'>; dilation: number },
  precision: Precision,
): number {
  const algorithm = weightGradientAlgorithm(x, layer, dilation, precision);
  return algorithm === 'direct' ? 0 : winogradGradientBytes(x, layer.cout, dilation);
}

/**
 * The jobs, to be run one after the other, of the gradients of `convJobs` without its bounds at its weights: `kernel` (rows, columns, cin,
 * cout) and `bias` (cout), plain float32 arrays, overwritten or, as sums over phases or pictures need, added to. From the layer's input
 * x and dy at its output; `call` is the forward's. The bits do not depend on threads.
 */
export function convWeightGradientJobs(
  x: View,
  dy: View,
  layer: ConvLayerForm,
  call: WindowCall,
  target: { readonly kernel: number; readonly bias: number },
  { precision, accumulate }: { readonly precision: Precision; readonly accumulate: boolean },
  workspace: Workspace,
): Job[] {
  if (weightGradientAlgorithm(x, layer, call.dilation, precision) === 'direct')
    return directWeightGradientJobs(x, dy, formOf(layer), call, target, accumulate);
  checkSame(x, dy, call);
  return [
    biasGradientJob(dy, target.bias, accumulate),
    ...winogradWeightGradientJobs(x, dy, target.kernel, { dilation: call.dilation, accumulate }, workspace),
  ];
}

/** Bytes of workspace that the convolutions of a plan need. */
export const planWorkspace = (plan: Plan, precision: Precision): number =>
  plan.steps.reduce((most, step) => (step.op === 'conv' ? Math.max(most, workspaceBytes(step, precision)) : most), 0);
