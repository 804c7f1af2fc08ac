import type { ConvLayer } from './topology.js';
import type { Precision } from './types.js';
import type { Job, View } from './wasm/job.js';
import { conv3x3Job, type PackedConv, packConvJob, packedConvBytes } from './wasm/ops/conv.js';
import {
  type WinogradWeights,
  winogradFits,
  winogradJobs,
  winogradPlan,
  winogradWeightBytes,
  winogradWeightsJob,
} from './wasm/ops/winograd.js';

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
    ? packedConvBytes(cin, cout)
    : winogradWeightBytes(cin, cout) + 4 * cout;
}

/** A kernel whose weights will lie at `ptr`, in `convKernelBytes` bytes. */
export function convKernel(layer: Channels, precision: Precision, ptr: number): ConvKernel {
  const { cin, cout } = layer;
  const algorithm = algorithmOf(layer, precision);
  if (algorithm === 'direct') return { algorithm, weights: { ptr, cin, cout } };
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
  const options = { dilation, relu };
  if (kernel.algorithm === 'direct') return [conv3x3Job(x, kernel.weights, y, options)];
  return winogradJobs(x, kernel.weights, y, options, workspace);
}
